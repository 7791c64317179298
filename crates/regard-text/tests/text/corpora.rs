use std::error::Error;

use regard_text::corpus::{Example, Pair, ReadReport, encode_pairs, read_pairs};
use regard_text::toy::{Generate, Split, Task};
use regard_text::{
    CorpusFiles, DataConfig, LongLines, TextError, TokenizerConfig, TokenizerKind, Tokenizers,
};

use crate::{Files, LINES};

fn pairs(pairs: &[(&str, &str)]) -> Vec<Pair> {
    let owned = |&(source, target): &(&str, &str)| Pair {
        source: source.to_owned(),
        target: target.to_owned(),
    };
    pairs.iter().map(owned).collect()
}

/// The message, its hint, and that no part of the chain is lost.
fn told(error: &TextError) -> String {
    let cause = error
        .source()
        .map(|cause| format!(": {cause}"))
        .unwrap_or_default();
    let hint = error
        .hint()
        .map(|hint| format!(" ({hint})"))
        .unwrap_or_default();
    format!("{error}{cause}{hint}")
}

fn read_side_by_side(
    source: impl AsRef<[u8]>,
    target: impl AsRef<[u8]>,
) -> Result<(Vec<Pair>, ReadReport), TextError> {
    let files = Files::new();
    read_pairs(&CorpusFiles::parallel(
        files.write("a.en", source),
        files.write("a.fr", target),
    ))
}

fn read_tsv(text: impl AsRef<[u8]>) -> Result<(Vec<Pair>, ReadReport), TextError> {
    read_pairs(&CorpusFiles::tsv(Files::new().write("a.tsv", text)))
}

#[test]
fn a_pair_is_a_line_of_each_file_or_a_row() {
    let expected = pairs(&[("one", "un"), ("two", "deux")]);
    let (side_by_side, report) = read_side_by_side("one\ntwo\n", "un\ndeux").unwrap();
    assert_eq!(side_by_side, expected);
    assert_eq!((report.read, report.kept()), (2, 2));
    assert_eq!(
        read_tsv("one\tun\ntwo\tdeux\tignored\n").unwrap().0,
        expected
    );
}

#[test]
fn line_ends_and_marks_of_other_systems_change_nothing() {
    let expected = pairs(&[("one", "un"), ("two", "deux")]);
    assert_eq!(
        read_side_by_side("\u{feff}one\r\ntwo\r\n", "un\ndeux\n")
            .unwrap()
            .0,
        expected
    );
    assert_eq!(
        read_tsv("\u{feff}one\tun\r\ntwo\tdeux\r\n").unwrap().0,
        expected
    );
}

#[test]
fn a_line_separator_inside_a_line_is_text() {
    let (read, _) = read_side_by_side("one\u{2028}line\n", "une\u{85}ligne\n").unwrap();
    assert_eq!(read, pairs(&[("one\u{2028}line", "une\u{85}ligne")]));
}

#[test]
fn pairs_with_a_blank_side_are_dropped_and_counted() {
    let (read, report) =
        read_side_by_side("one\n\n \u{a0}\nfour\n\n", "un\ndeux\ntrois\n\t\n\n").unwrap();
    assert_eq!(read, pairs(&[("one", "un")]));
    assert_eq!(
        (report.read, report.dropped_empty, report.kept()),
        (5, 4, 1)
    );
    let (read, report) = read_tsv("one\tun\n\n\tdeux\nthree\t\n").unwrap();
    assert_eq!((read.len(), report.dropped_empty), (1, 3));
}

#[test]
fn different_line_counts_name_both_files_and_both_counts() {
    let error = read_side_by_side("a\nb\nc\n", "a\nb").unwrap_err();
    assert!(
        matches!(
            error,
            TextError::LineCounts {
                source_lines: 3,
                target_lines: 2,
                ..
            }
        ),
        "{error:?}"
    );
    let told = told(&error);
    for part in ["a.en` has 3 lines", "a.fr` has 2", "line N"] {
        assert!(told.contains(part), "{told}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let files = Files::new();
    let error = read_pairs(&CorpusFiles::parallel(
        files.write("a.en", "a\n"),
        files.path("nowhere.fr"),
    ))
    .unwrap_err();
    assert!(told(&error).contains("nowhere.fr`: "), "{}", told(&error));
    let error = read_pairs(&CorpusFiles::tsv("nowhere.tsv")).unwrap_err();
    assert!(
        told(&error).contains("working directory"),
        "{}",
        told(&error)
    );
}

#[test]
fn an_empty_file_is_named() {
    for empty in ["", "\u{feff}"] {
        let error = read_side_by_side("a\n", empty).unwrap_err();
        assert!(
            matches!(&error, TextError::Empty { path } if path.ends_with("a.fr")),
            "{error:?}"
        );
    }
    assert!(matches!(read_tsv("").unwrap_err(), TextError::Empty { .. }));
}

#[test]
fn a_corpus_of_blank_lines_is_an_error() {
    let error = read_side_by_side("\n\n", "a\nb\n").unwrap_err();
    assert!(
        matches!(error, TextError::NoPairs { read: 2, .. }),
        "{error:?}"
    );
}

#[test]
fn invalid_utf8_is_told_by_file_line_and_byte() {
    let error = read_side_by_side("a\nb\n", b"a\nd\xe9j\xe0\n").unwrap_err();
    assert!(
        matches!(
            &error,
            TextError::Utf8 {
                line: 2,
                byte: 2,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(told(&error).starts_with("line 2 of `"), "{error}");
    // A lone surrogate, as bytes.
    assert!(matches!(
        read_tsv(b"a\t\xed\xa0\x80\n").unwrap_err(),
        TextError::Utf8 {
            line: 1,
            byte: 3,
            ..
        }
    ));
}

#[test]
fn a_row_without_a_target_is_told_by_file_and_line() {
    let error = read_tsv("one\tun\ntwo deux\n").unwrap_err();
    assert!(
        matches!(
            error,
            TextError::Columns {
                line: 2,
                expected: 2,
                got: 1,
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn strange_but_valid_text_is_read() {
    let long = "x".repeat(100_000);
    let (read, _) = read_tsv(format!(
        "{long}\tnul\0nul\n\u{202f}«\u{a0}a\u{202f}»\t\u{1f469}\u{200d}\u{1f680}\n"
    ))
    .unwrap();
    assert_eq!(
        (read.len(), read[0].source.len(), read[0].target.as_str()),
        (2, 100_000, "nul\0nul")
    );
}

fn characters(pairs: &[Pair]) -> Tokenizers {
    let config = TokenizerConfig {
        kind: TokenizerKind::Character,
        ..TokenizerConfig::default()
    };
    Tokenizers::train(&config, pairs).unwrap()
}

#[test]
fn long_pairs_are_dropped_or_cut_by_the_rule_and_counted() {
    let pairs = pairs(&[("abc", "abc"), ("abcd", "a"), ("a", "abcde"), ("ab", "b")]);
    let tokenizers = characters(&pairs);
    let mut config = DataConfig {
        max_length: 3,
        ..DataConfig::default()
    };

    let (examples, report) = encode_pairs(&tokenizers, &pairs, &config);
    assert_eq!(
        examples.iter().map(Example::lengths).collect::<Vec<_>>(),
        [(3, 3), (2, 1)]
    );
    assert_eq!(
        (
            report.read,
            report.dropped_long,
            report.truncated,
            report.kept()
        ),
        (4, 2, 0, 2)
    );

    config.long = LongLines::Truncate;
    let (examples, report) = encode_pairs(&tokenizers, &pairs, &config);
    assert_eq!(
        examples.iter().map(Example::lengths).collect::<Vec<_>>(),
        [(3, 3), (3, 1), (1, 3), (2, 1)]
    );
    assert_eq!(
        (
            report.read,
            report.dropped_long,
            report.truncated,
            report.kept()
        ),
        (4, 0, 2, 4)
    );
    assert_eq!(tokenizers.target().decode(&examples[2].target), "abc");
}

#[test]
fn reports_of_two_stages_add_up() {
    let (read, reading) = read_side_by_side("abc\n\nabcd\n", "a\nb\nc\n").unwrap();
    let config = DataConfig {
        max_length: 3,
        ..DataConfig::default()
    };
    let (examples, encoding) = encode_pairs(&characters(&read), &read, &config);
    let both = reading.then(encoding);
    assert_eq!(
        (
            both.read,
            both.dropped_empty,
            both.dropped_long,
            both.kept()
        ),
        (3, 1, 1, examples.len())
    );
}

#[test]
fn examples_are_the_ids_of_their_pairs_in_order() {
    let pairs: Vec<Pair> = LINES
        .iter()
        .zip(LINES.iter().rev())
        .map(|(s, t)| Pair {
            source: (*s).into(),
            target: (*t).into(),
        })
        .collect();
    let config = TokenizerConfig {
        shared: false,
        vocabulary: 200,
        ..TokenizerConfig::default()
    };
    let tokenizers = Tokenizers::train(&config, &pairs).unwrap();
    let (examples, _) = encode_pairs(&tokenizers, &pairs, &DataConfig::default());
    for (pair, example) in pairs.iter().zip(examples) {
        assert_eq!(example.source, tokenizers.source().encode(&pair.source));
        assert_eq!(example.target, tokenizers.target().encode(&pair.target));
    }
}

#[test]
fn all_problems_of_the_data_section_are_reported_together() {
    let generate = Generate {
        pairs: 0,
        max_length: Some(0),
        ..Generate::new(Task::Toy)
    };
    let config = DataConfig {
        generate: Some(generate),
        train: Some(CorpusFiles::default()),
        valid: Some(CorpusFiles {
            source: Some("a".into()),
            ..CorpusFiles::default()
        }),
        test: Some(CorpusFiles {
            tsv: Some("a".into()),
            ..CorpusFiles::parallel("a", "b")
        }),
        max_length: 0,
        batch_tokens: 0,
        ..DataConfig::default()
    };
    let error = config.validate().unwrap_err().to_string();
    for key in [
        "`data.train`: expected `data.train` or `data.generate`, got both",
        "`data.train`: expected `source` and `target`, or `tsv`, or `jsonl`, got none",
        "`data.generate.pairs`: expected at least 1, got 0",
        "`data.generate.max_length`",
        "`data.valid`",
        "`data.test`",
        "`data.max_length`",
        "`data.batch_tokens`",
    ] {
        assert!(error.contains(key), "{error}");
    }
    assert_eq!(error.lines().count(), 8);
    assert!(
        DataConfig::default().validate().is_err(),
        "nothing to train on"
    );
    DataConfig {
        train: Some(CorpusFiles::tsv("a.tsv")),
        ..DataConfig::default()
    }
    .validate()
    .unwrap();
}

#[test]
fn generated_parts_stand_in_for_missing_files() {
    let files = Files::new();
    let config = DataConfig {
        generate: Some(Generate {
            pairs: 20,
            ..Generate::new(Task::Copy)
        }),
        test: Some(CorpusFiles::tsv(files.write("test.tsv", "a b\ta b\n"))),
        ..DataConfig::default()
    };
    config.validate().unwrap();
    let parts = Split::ALL.map(|split| config.read(split).unwrap().unwrap());
    assert_eq!(
        parts.each_ref().map(|(pairs, _)| pairs.len()),
        [20, 1000, 1]
    );
    assert_eq!(
        parts.each_ref().map(|(_, report)| report.read),
        [20, 1000, 1]
    );
    assert!(
        parts[0].0.iter().all(|pair| !parts[1].0.contains(pair)),
        "nothing held out is trained on"
    );
}

#[test]
fn a_part_that_is_not_named_is_none() {
    let config = DataConfig {
        train: Some(CorpusFiles::tsv("a.tsv")),
        ..DataConfig::default()
    };
    assert!(config.read(Split::Valid).unwrap().is_none());
    assert!(matches!(
        config.read(Split::Train),
        Err(TextError::Read { .. })
    ));
}

#[test]
fn a_task_that_cannot_make_its_pairs_says_so() {
    let generate = Generate {
        pairs: 1000,
        max_length: Some(1),
        ..Generate::new(Task::Copy)
    };
    let config = DataConfig {
        generate: Some(generate),
        ..DataConfig::default()
    };
    assert!(matches!(config.read(Split::Train), Err(TextError::Toy(_))));
}

#[test]
fn an_unknown_key_is_refused() {
    let error = serde_json::from_str::<DataConfig>(r#"{"batch_token": 4096}"#)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("batch_token") && error.contains("batch_tokens"),
        "{error}"
    );
    assert!(serde_json::from_str::<DataConfig>(r#"{"train": {"sauce": "a"}}"#).is_err());
    assert!(serde_json::from_str::<TokenizerConfig>(r#"{"kind": "bpee"}"#).is_err());
    assert_eq!(
        serde_json::from_str::<DataConfig>("{}").unwrap(),
        DataConfig::default()
    );
}
