//! A run's whole configuration.

mod optimization;
mod train;

use std::path::Path;

use regard_decode::{
    BundleConfig, DecodeConfig, FORMAT, Problems, check_format, check_sections, parse, read_model,
    read_section,
};
use regard_nn::{ModelConfig, Precision};
use regard_text::{DataConfig, TokenizerConfig};
use serde::Serialize;
use toml::{Table, Value};

pub use self::train::{Recompute, TrainConfig};
use crate::{Schedule, TrainError};

/// One file, one experiment: the sections `[data] [tokenizer] [model] [train] [decode]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunConfig {
    /// Where pairs come from.
    pub data: DataConfig,
    /// How text becomes ids.
    pub tokenizer: TokenizerConfig,
    /// What is trained.
    pub model: ModelConfig,
    /// How.
    pub train: TrainConfig,
    /// How text is translated.
    pub decode: DecodeConfig,
}

/// Keys of a run's `config.toml` outside the sections.
const STAMPS: [&str; 2] = ["format", "regard"];
const SECTIONS: [&str; 5] = ["data", "tokenizer", "model", "train", "decode"];

/// Keys of `[train]` that a resumed run may change: none of them touches a result already reached.
const MAY_CHANGE: [&str; 7] = [
    "steps",
    "log_every",
    "validate_every",
    "checkpoint_every",
    "keep",
    "samples",
    "tensorboard",
];

impl RunConfig {
    /// Reads a configuration file, with `overrides` (`section.key=value`) applied.
    ///
    /// # Errors
    ///
    /// All problems together, each with its key.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self, TrainError> {
        let mut table = parse(path)?;
        check_format(path, &table)?;
        for assignment in overrides {
            set_key(&mut table, assignment)?;
        }
        Self::from_table(path, &table)
    }

    fn from_table(path: &Path, table: &Table) -> Result<Self, TrainError> {
        let mut problems = Problems::default();
        check_sections(
            table,
            &[SECTIONS.as_slice(), &STAMPS].concat(),
            &mut problems,
        );
        let config = Self {
            data: read_section(table, "data", &mut problems),
            tokenizer: read_section(table, "tokenizer", &mut problems),
            model: read_model(table, &mut problems),
            train: read_section(table, "train", &mut problems),
            decode: read_section(table, "decode", &mut problems),
        };
        let mut found = Problems::default();
        config.check(&mut found);
        // A corpus that could not be read is reported as such; that it is missing now would be said in vain.
        let section = table.get("data").and_then(Value::as_table);
        let unread = |key: &str, absent: bool| {
            absent && section.is_some_and(|section| section.contains_key(key))
        };
        if unread("generate", config.data.generate.is_none())
            || unread("train", config.data.train.is_none())
        {
            found.forget("`data.train`: expected `data.train` or");
        }
        problems.append(found);
        Ok(problems.or(path, config)?.resolved())
    }

    /// The same with every key said that is read.
    #[must_use]
    pub fn resolved(self) -> Self {
        Self {
            model: self.model.resolved(),
            train: self.train.resolved(),
            ..self
        }
    }

    /// Notes everything that is wrong.
    pub fn check(&self, problems: &mut Problems) {
        problems.extend(self.data.problems());
        let bundle = BundleConfig {
            tokenizer: self.tokenizer.clone(),
            model: self.model.clone(),
            decode: self.decode.clone(),
        };
        bundle.check(problems);
        problems.add_section("train", self.train.problems());
        let has_layers = matches!(self.model, ModelConfig::Transformer(_));
        if self.train.precision == Precision::Bf16 && !has_layers {
            problems.add(
                "`train.precision`: expected `f32`, the only one of recurrent models, got `bf16`"
                    .into(),
            );
        }
        if self.train.recompute == Recompute::Layers && !has_layers {
            problems.add(
                "`train.recompute`: expected `none`, since recurrent models keep little between layers, got `layers`".into(),
            );
        }
        let data = &self.data;
        if self.train.schedule == Schedule::Plateau
            && data.valid.is_none()
            && data.generate.is_none()
        {
            problems.add("`train.schedule`: `plateau` needs validations: give `data.valid`".into());
        }
        // A source has its end besides, a target its start.
        let needed = self.data.max_length.saturating_add(1);
        if let Some(positions) = self.model.max_positions().filter(|&most| most < needed) {
            problems.add(format!(
                "`model.max_positions`: expected at least {needed}, for `data.max_length` tokens and one more, got {positions}"
            ));
        }
    }

    /// The configuration as a run keeps it: every key, and who wrote it.
    ///
    /// # Panics
    ///
    /// Never: every section is a table of plain values.
    pub fn to_toml(&self) -> String {
        let sections = Table::try_from(self).expect("sections are tables of plain values");
        let body = toml::to_string(&sections).expect("a table can be written");
        format!(
            "format = {FORMAT}\nregard = \"{}\"\n\n{body}",
            env!("CARGO_PKG_VERSION")
        )
    }

    /// `self` for a run that begins with the tokenizers of `earlier`; how they are sampled stays its own.
    #[must_use]
    pub fn beginning(self, earlier: BundleConfig) -> Self {
        let tokenizer = TokenizerConfig {
            dropout: self.tokenizer.dropout,
            alpha: self.tokenizer.alpha,
            ..earlier.tokenizer
        };
        Self { tokenizer, ..self }
    }

    /// `self` for the run whose configuration is `earlier`, if they differ only in what a resumed run may change.
    ///
    /// # Errors
    ///
    /// [`TrainError::ConfigChanged`] with every other key that differs.
    pub fn resuming(self, earlier: &Self) -> Result<Self, TrainError> {
        let table = |config: &Self| Table::try_from(config).unwrap_or_default();
        let (ours, theirs) = (table(&self), table(earlier));
        let mut keys = Vec::new();
        differences("", &ours, &theirs, &mut keys);
        keys.retain(|(key, _)| {
            let in_train = |allowed: &&str| *key == format!("train.{allowed}");
            // Where the examples are kept says nothing about which they are.
            key != "data.cache" && !MAY_CHANGE.iter().any(in_train)
        });
        if keys.is_empty() {
            return Ok(self);
        }
        let keys = keys.into_iter().map(|(_, clause)| clause).collect();
        Err(TrainError::ConfigChanged { keys })
    }
}

fn differences(prefix: &str, ours: &Table, theirs: &Table, found: &mut Vec<(String, String)>) {
    let names: std::collections::BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    for name in names {
        let key = format!("{prefix}{name}");
        match (ours.get(name), theirs.get(name)) {
            (Some(Value::Table(a)), Some(Value::Table(b))) => {
                differences(&format!("{key}."), a, b, found);
            }
            (a, b) if a == b => {}
            (a, b) => {
                let show =
                    |value: Option<&Value>| value.map_or("nothing".into(), ToString::to_string);
                let clause = format!("`{key}` was {} and is now {}", show(b), show(a));
                found.push((key, clause));
            }
        }
    }
}

/// Applies `section.key=value`; the value is read as TOML, or as a string where that fails.
///
/// # Errors
///
/// [`TrainError::Set`] if there is no `=`, or a part of the key is not a table.
pub fn set_key(config: &mut Table, assignment: &str) -> Result<(), TrainError> {
    let refused = |key: &str, reason: &str| TrainError::Set {
        key: key.into(),
        reason: reason.into(),
    };
    let (key, text) = assignment
        .split_once('=')
        .ok_or_else(|| refused(assignment, "expected `section.key=value`"))?;
    let value = format!("value = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.into()));

    let (parents, name) = key
        .rsplit_once('.')
        .ok_or_else(|| refused(key, "expected `section.key`"))?;
    let mut table = config;
    for part in parents.split('.') {
        table = table
            .entry(part)
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()
            .ok_or_else(|| refused(key, &format!("`{part}` is a value, not a table")))?;
    }
    table.insert(name.into(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use regard_nn::{
        Activation, NormKind, Normalizer, PositionKind, SelfAttentionKind, SinusoidLayout,
        TransformerConfig, Wavelengths,
    };

    const MINIMAL: &str = "[data]\ngenerate = { task = \"copy\", pairs = 10, seed = 1 }\n[model]\nkind = \"transformer\"\n";

    fn config(text: &str) -> Result<RunConfig, TrainError> {
        RunConfig::from_table(Path::new("test.toml"), &text.parse().unwrap())
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let once = config(MINIMAL).unwrap();
        let twice = config(&once.to_toml()).unwrap();
        assert_eq!(once, twice);
    }

    /// `[model]` as a run wrote it when these were all of its keys.
    const EARLIER: &str = "format = 1\nregard = \"0.1.0\"\n\n[data]\ngenerate = { task = \"copy\", pairs = 10, seed = 1 }\n\n\
        [model]\nkind = \"transformer\"\nd_model = 256\nn_heads = 4\nd_ff = 1024\nencoder_layers = 3\ndecoder_layers = 3\n\
        dropout = 0.1\nattention_dropout = 0.0\nembedding_dropout = 0.1\nresidual = \"pre\"\ntie = \"all\"\n";

    #[test]
    fn an_earlier_configuration_is_the_model_that_it_was() {
        let model = |tie| {
            let text = EARLIER.replace("\"all\"", &format!("\"{tie}\""));
            match config(&text).unwrap().model {
                ModelConfig::Transformer(model) => model,
                other => panic!("expected a transformer, got {other:?}"),
            }
        };
        let as_it_was = TransformerConfig {
            attention: SelfAttentionKind::Full,
            n_kv_heads: Some(4),
            query_key_norm: false,
            normalizer: Normalizer::Softmax,
            positions: PositionKind::Sinusoidal,
            sinusoid_layout: Some(SinusoidLayout::Interleaved),
            sinusoid_wavelengths: Some(Wavelengths::Paper),
            position_start: Some(0),
            norm: NormKind::Layer,
            norm_epsilon: 1e-5,
            activation: Activation::Relu,
            bias: true,
            embedding_scale: true,
            output_bias: Some(false),
            ..TransformerConfig::default()
        };
        assert_eq!(model("all"), as_it_was);
        assert_eq!(TransformerConfig::default().resolved(), as_it_was);
        for (tie, has_bias) in [("all", false), ("output", false), ("none", true)] {
            assert_eq!(model(tie).output_bias, Some(has_bias), "{tie}");
        }
    }

    #[test]
    fn a_run_keeps_the_constants_of_its_decay() {
        let text = format!("{MINIMAL}[train]\nscheduled_sampling = \"exponential\"\n");
        let train = config(&text).unwrap().train;
        assert_eq!(train.sampling_k, Some(0.9999));
        assert_eq!(train.sampling_floor, None);
        assert!((train.gold(2) - 0.9998).abs() < 1e-7);
    }

    #[test]
    fn problems_of_all_sections_come_together() {
        let text = "[data]\n[model]\nkind = \"transfomer\"\nd_model = 130\nn_head = 2\n[train]\nsteps = \"many\"\nclip_norm = 0\n[modle]\n";
        let error = config(text).unwrap_err().to_string();
        for part in [
            "`[modle]`: unknown section; did you mean `model`?",
            "`model.kind`: unknown kind `transfomer`; did you mean `transformer`?",
            "`model.n_head`: unknown key; did you mean `n_heads`?",
            "`model.d_model`: expected a multiple of n_heads = 4, got 130",
            "`train.steps`: invalid type: string \"many\", expected u64",
            "`train.clip_norm`: expected a number above 0, got 0",
            "`data.train`",
        ] {
            assert!(error.contains(part), "`{part}` is not in:\n{error}");
        }
    }

    #[test]
    fn learned_positions_must_reach_as_far_as_the_data() {
        let positions = |keys: &str| config(&format!("{MINIMAL}positions = \"learned\"\n{keys}\n"));
        assert!(positions("max_positions = 201").is_ok());
        let error = positions("max_positions = 200").unwrap_err().to_string();
        let expected = "`model.max_positions`: expected at least 201, for `data.max_length` tokens and one more, got 200";
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn set_takes_toml_values_and_else_strings() {
        let mut table: Table = MINIMAL.parse().unwrap();
        for assignment in [
            "train.steps=7",
            "data.generate.task=copy",
            "model.dropout=0.3",
        ] {
            set_key(&mut table, assignment).unwrap();
        }
        assert_eq!(table["train"]["steps"].as_integer(), Some(7));
        assert_eq!(table["data"]["generate"]["task"].as_str(), Some("copy"));
        assert_eq!(table["model"]["dropout"].as_float(), Some(0.3));
        assert!(set_key(&mut table, "train").is_err());
        assert!(set_key(&mut table, "model.kind.x=1").is_err());
    }

    #[test]
    fn resuming_may_change_steps_and_nothing_that_matters() {
        let earlier = config(MINIMAL).unwrap();
        let mut later = earlier.clone();
        later.train.steps = 20_000;
        later.data.cache = "elsewhere".into();
        assert!(later.clone().resuming(&earlier).is_ok());
        later.train.learning_rate = Some(0.5);
        let error = later.resuming(&earlier).unwrap_err().to_string();
        assert!(
            error.contains("`train.learning_rate` was 0.001 and is now 0.5"),
            "{error}"
        );
    }
}
