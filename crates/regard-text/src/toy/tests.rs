mod examples;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::lexicon::{NUMERALS, OWNERS, PRONOUNS, lexicon};
use super::*;

const TASKS: [Task; 4] = [Task::Toy, Task::Reverse, Task::Copy, Task::Sort];

fn length(text: &str) -> usize {
    text.split(' ').count()
}

fn small(task: Task, seed: u64) -> Generate {
    Generate {
        pairs: 3000,
        seed,
        ..Generate::new(task)
    }
}

#[test]
fn the_same_order_gives_the_same_pairs() {
    for task in TASKS {
        let first = small(task, 5).pairs(Split::Train).unwrap();
        assert_eq!(first, small(task, 5).pairs(Split::Train).unwrap());
        assert_ne!(first, small(task, 6).pairs(Split::Train).unwrap());
        let beginning = small(task, 5).sample(Split::Train, 100).unwrap();
        assert_eq!(beginning, first[..100]);
    }
}

#[test]
fn no_source_comes_twice_and_each_is_in_its_split() {
    for task in TASKS {
        for split in Split::ALL {
            let pairs = small(task, 2).pairs(split).unwrap();
            let sources: BTreeSet<&str> = pairs.iter().map(|pair| &*pair.0).collect();
            assert_eq!(sources.len(), pairs.len());
            assert!(sources.iter().all(|source| Split::of(source) == split));
        }
    }
}

#[test]
fn splits_are_frozen() {
    // Moving a sentence to another split would leak yesterday's test set into tomorrow's training set.
    let counted = |split| {
        (0..1000)
            .filter(|number| Split::of(&format!("source {number}")) == split)
            .count()
    };
    assert_eq!(Split::ALL.map(counted), [905, 41, 54]);
    assert_eq!(hash("the cat sleeps ."), 0x3dcd_d19d_dd8a_2c7c);
}

#[test]
fn a_source_has_one_target_whatever_the_seed() {
    let mut targets = BTreeMap::new();
    for seed in 0..4 {
        let generate = Generate {
            max_length: Some(6),
            ..Generate::new(Task::Toy)
        };
        let generate = Generate { seed, ..generate };
        for (source, target) in generate.sample(Split::Train, 20_000).unwrap() {
            let first = targets.entry(source).or_insert_with(|| target.clone());
            assert_eq!(*first, target);
        }
    }
}

#[test]
fn four_fifths_of_the_sentences_are_short_and_every_length_comes() {
    let pairs = Generate::new(Task::Toy)
        .sample(Split::Train, 20_000)
        .unwrap();
    let mut counts = [0; 61];
    for (source, _) in &pairs {
        counts[length(source)] += 1;
    }
    assert_eq!(counts[..3], [0, 0, 0]);
    assert!(counts[3..].iter().all(|&count| count > 0));
    let short: usize = counts[..=15].iter().sum();
    assert!(
        (15_700..16_300).contains(&short),
        "{short} of 20,000 are short"
    );
}

#[test]
fn lengths_keep_to_the_maximum() {
    for (task, max_length) in [
        (Task::Toy, 8),
        (Task::Toy, 20),
        (Task::Sort, 5),
        (Task::Copy, 30),
    ] {
        let generate = Generate {
            max_length: Some(max_length),
            ..small(task, 1)
        };
        let pairs = generate.pairs(Split::Train).unwrap();
        let longest = pairs.iter().map(|pair| length(&pair.0)).max();
        assert_eq!(longest, Some(max_length));
    }
}

#[test]
fn tiny_tasks_give_what_they_hold_and_say_so() {
    let generate = Generate {
        max_length: Some(2),
        ..small(Task::Reverse, 1)
    };
    let ToyError::TooFew { found, .. } = generate.pairs(Split::Train).unwrap_err() else {
        panic!("expected too few pairs");
    };
    let held_out =
        generate.pairs(Split::Valid).unwrap().len() + generate.pairs(Split::Test).unwrap().len();
    assert_eq!(found + held_out, 26 + 26 * 26);
    assert_eq!(
        generate.pairs(Split::Train).unwrap_err().to_string(),
        format!(
            "task `reverse` has too few different train pairs: expected 3000, found {found}; \
             ask for fewer pairs or raise `max_length` (now 2)"
        )
    );

    // Pronoun, verb, full stop: a few hundred sentences.
    let generate = Generate {
        max_length: Some(3),
        ..small(Task::Toy, 1)
    };
    assert!(generate.pairs(Split::Train).is_err());
    assert!(!generate.pairs(Split::Valid).unwrap().is_empty());

    let generate = Generate {
        max_length: Some(2),
        ..small(Task::Toy, 1)
    };
    assert_eq!(
        generate.pairs(Split::Train).unwrap_err().to_string(),
        "task `toy` cannot keep to `max_length`: expected at least 3, got 2; raise it"
    );
}

#[test]
fn every_word_of_the_lexicon_comes() {
    let pairs = Generate::new(Task::Toy)
        .sample(Split::Train, 60_000)
        .unwrap();
    let mut english = BTreeSet::new();
    let mut french = BTreeSet::new();
    for (source, target) in &pairs {
        english.extend(source.split(' '));
        french.extend(target.split([' ', '\'']));
    }
    let words = lexicon();
    for noun in &words.nouns {
        let numbers = if noun.mass { 1 } else { 2 };
        for number in 0..numbers {
            assert!(
                english.contains(&*noun.english[number]),
                "{}",
                noun.english[number]
            );
            assert!(
                french.contains(&*noun.french[number]),
                "{}",
                noun.french[number]
            );
        }
    }
    let fixed = PRONOUNS.iter().flat_map(|p| [p.english, p.english_object]);
    let fixed = fixed
        .chain(NUMERALS.iter().map(|n| n.0))
        .chain(OWNERS.iter().map(|o| o.0));
    for word in fixed
        .chain(words.adjectives.iter().map(|adjective| adjective.english))
        .chain(words.adverbs.iter().map(|adverb| adverb.english))
        .chain(words.verbs.iter().map(|verb| &*verb.base))
    {
        assert!(english.contains(word), "`{word}` never comes");
    }
}

/// What no French sentence may hold, said without the tables of `surface`.
#[test]
fn french_elides_and_contracts_everywhere() {
    const BAD: [&str; 12] = [
        " de le ",
        " de les ",
        " à le ",
        " à les ",
        " le a",
        " la é",
        " que il",
        " que elle",
        " je a",
        " ne a",
        " ce homme",
        " de un",
    ];
    for (_, target) in Generate::new(Task::Toy)
        .sample(Split::Train, 30_000)
        .unwrap()
    {
        let padded = format!(" {target} ");
        for bad in BAD {
            assert!(!padded.contains(bad), "`{bad}` in `{target}`");
        }
        assert!(!target.contains("' ") && !target.contains("  "), "{target}");
    }
}

#[test]
fn configuration_reads_with_defaults_and_refuses_strangers() {
    let read = |text: &str| serde_json::from_str::<Generate>(text);
    let generate = read(r#"{"task": "sort"}"#).unwrap();
    assert_eq!(generate, Generate::new(Task::Sort));
    let generate = read(r#"{"task": "toy", "pairs": 7, "seed": 3, "max_length": 9}"#).unwrap();
    assert_eq!(generate.pairs(Split::Train).unwrap().len(), 7);
    assert!(read(r#"{"task": "toy", "size": 7}"#).is_err());
}

fn data_file(split: Split) -> std::path::PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/toy-en-fr");
    root.join(split.name()).with_extension("tsv")
}

#[test]
fn the_files_of_the_repository_are_what_this_code_makes() {
    for split in [Split::Valid, Split::Test] {
        let path = data_file(split);
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        let same = kept == Generate::new(Task::Toy).lines(split).unwrap();
        assert!(
            same,
            "{} differs from what is made now; if that is meant, write it anew with \
             `cargo test --release -p regard-text toy::tests::write_the_files -- --ignored`",
            path.display()
        );
    }
}

#[test]
#[ignore = "writes data/toy-en-fr/valid.tsv and test.tsv"]
fn write_the_files() {
    for split in [Split::Valid, Split::Test] {
        std::fs::write(
            data_file(split),
            Generate::new(Task::Toy).lines(split).unwrap(),
        )
        .unwrap();
    }
}
