//! `configs/reference.toml` documents every key, and says the truth.

use std::fmt::Debug;
use std::path::PathBuf;

use regard_decode::{DecodeConfig, Problems, read_section, section_keys};
use regard_nn::{RnnConfig, RnnKind, TransformerConfig};
use regard_text::toy::Generate;
use regard_text::{CorpusFiles, DataConfig, TokenizerConfig};
use regard_train::{RunConfig, TrainConfig};
use serde::Serialize;
use serde::de::DeserializeOwned;
use toml::Table;

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../configs/reference.toml")
}

/// The page, and the page with the keys that stand behind a `#` brought to life.
fn pages() -> (Table, Table) {
    let text = std::fs::read_to_string(path()).unwrap();
    let alive: Vec<&str> = text
        .lines()
        .map(|line| match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|first: char| first.is_ascii_lowercase()) => rest,
            _ => line,
        })
        .collect();
    (text.parse().unwrap(), alive.join("\n").parse().unwrap())
}

/// Holds the page to one section; `named` are keys of the page that are not the struct's, `more` those of another struct.
fn check<T>(section: &str, named: &[&str], more: &[&'static str])
where
    T: Default + PartialEq + Debug + Serialize + DeserializeOwned,
{
    let (live, mut all) = pages();
    let defaults = Table::try_from(T::default()).unwrap();
    assert_eq!(
        live[section].as_table().unwrap(),
        &defaults,
        "[{section}] must show the defaults"
    );
    let table = all[section].as_table_mut().unwrap();
    for key in named {
        assert!(table.remove(*key).is_some(), "[{section}] has no `{key}`");
    }
    let mut expected = section_keys::<T>().to_vec();
    expected.extend(more);
    let mut found: Vec<&str> = table.keys().map(String::as_str).collect();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected, "[{section}] must have every key");

    for key in more {
        table.remove(*key);
    }
    let mut problems = Problems::default();
    read_section::<T>(&all, section, &mut problems);
    assert_eq!(
        read_section::<T>(&live, section, &mut problems),
        T::default()
    );
    problems.or(&path(), ()).unwrap();
}

#[test]
fn every_section_has_every_key_and_its_default() {
    check::<DataConfig>("data", &[], &[]);
    check::<TokenizerConfig>("tokenizer", &[], &[]);
    check::<TransformerConfig>("model", &["kind"], &recurrent_keys());
    check::<TrainConfig>("train", &[], &[]);
    check::<DecodeConfig>("decode", &[], &[]);
    let (live, all) = pages();
    assert_eq!((live.len(), all.len()), (5, 5), "there are five sections");
}

/// Keys of the recurrent kinds that a transformer has not.
fn recurrent_keys() -> Vec<&'static str> {
    let of_transformer = section_keys::<TransformerConfig>();
    let mut keys = section_keys::<RnnConfig>().to_vec();
    keys.retain(|key| !of_transformer.contains(key));
    keys
}

#[test]
fn keys_of_recurrent_models_stand_with_their_defaults() {
    let (live, all) = pages();
    let default = RnnConfig::default();
    let shown = |kind| {
        let resolved = Table::try_from(default.clone().resolved(kind)).unwrap();
        for (key, value) in resolved {
            let shared = live["model"].get(&key);
            assert_eq!(shared.unwrap_or(&all["model"][&key]), &value, "{key}");
        }
    };
    shown(RnnKind::Bottleneck);
    shown(RnnKind::Bahdanau);
    shown(RnnKind::Luong);
}

#[test]
fn the_tables_in_a_section_are_documented_key_by_key() {
    let text = std::fs::read_to_string(path()).unwrap();
    for key in [section_keys::<Generate>(), section_keys::<CorpusFiles>()].concat() {
        assert!(
            text.contains(&format!("\n#   {key} ")),
            "`{key}` has no line of its own"
        );
    }
    let (_, all) = pages();
    let generate = &all["data"]["generate"];
    let expected = Generate::new(regard_text::toy::Task::Toy);
    let mut shown: Generate = generate.clone().try_into().unwrap();
    assert_eq!(shown.max_length, Some(shown.task.default_max_length()));
    shown.max_length = None;
    assert_eq!(shown, expected);
}

#[test]
fn every_key_says_its_default() {
    let text = std::fs::read_to_string(path()).unwrap();
    let mut comment = String::new();
    let mut keys = 0;
    for line in text.lines() {
        if line.starts_with("# ") {
            comment.push_str(line);
        } else if line.contains(" = ") {
            assert!(
                comment.contains("Default"),
                "`{line}` has no default in its comment"
            );
            keys += 1;
        } else {
            comment.clear();
        }
    }
    assert!(keys > 30, "{keys}");
}

#[test]
fn it_is_a_configuration_once_it_has_data_and_a_kind() {
    let overrides = ["model.kind=transformer", "data.generate.task=toy"].map(String::from);
    RunConfig::load(&path(), &overrides).unwrap();
}
