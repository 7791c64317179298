//! Corpora in every form that a file may have.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use regard_text::corpus::{Pair, read_pairs};
use regard_text::{CorpusFiles, DataConfig, Paths, TextError};

use crate::Files;

fn gz(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn zst(text: &[u8]) -> Vec<u8> {
    zstd::encode_all(text, 3).unwrap()
}

fn read(files: &CorpusFiles) -> Result<Vec<(String, String)>, TextError> {
    let (pairs, _) = read_pairs(files)?;
    Ok(pairs
        .into_iter()
        .map(|Pair { source, target }| (source, target))
        .collect())
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|&(s, t)| (s.to_owned(), t.to_owned()))
        .collect()
}

fn read_jsonl(text: &str) -> Result<Vec<(String, String)>, TextError> {
    read(&CorpusFiles::jsonl(Files::new().write("a.jsonl", text)))
}

#[test]
fn compressed_text_is_text() {
    let files = Files::new();
    let text = b"one\tun\ntwo\tdeux\n";
    let plain = read(&CorpusFiles::tsv(files.write("a.tsv", text))).unwrap();
    let packed = [
        ("a.gz", gz(text)),
        ("b.tsv.zst", zst(text)),
        ("c.GZ", gz(text)),
    ];
    for (name, bytes) in packed {
        assert_eq!(
            read(&CorpusFiles::tsv(files.write(name, bytes))).unwrap(),
            plain,
            "{name}"
        );
    }
    // As `cat a.gz b.gz` and parallel compressors leave it.
    let members = [("d.gz", gz as fn(&[u8]) -> Vec<u8>), ("d.zst", zst)];
    for (name, pack) in members {
        let bytes = [pack(b"one\tun\ntw"), pack(b"o\tdeux\n")].concat();
        assert_eq!(
            read(&CorpusFiles::tsv(files.write(name, bytes))).unwrap(),
            plain,
            "{name}"
        );
    }
}

#[test]
fn a_compressed_file_that_is_cut_off_is_named() {
    let files = Files::new();
    let line = |i: u32| {
        format!(
            "{}\t{}\n",
            i.wrapping_mul(0x9e37_79b9),
            i.wrapping_mul(0x85eb_ca6b)
        )
    };
    let text: String = (0..50_000).map(line).collect();
    for (name, bytes) in [
        ("a.gz", gz(text.as_bytes())),
        ("a.zst", zst(text.as_bytes())),
    ] {
        let error = read(&CorpusFiles::tsv(
            files.write(name, &bytes[..bytes.len() / 2]),
        ))
        .unwrap_err();
        let TextError::Decompress { path, line, .. } = &error else {
            panic!("{error:?}");
        };
        assert!(
            path.ends_with(name) && (1..50_000).contains(line),
            "{error}"
        );
        assert!(error.hint().unwrap().contains("not copied whole"));
    }
    let error = read(&CorpusFiles::tsv(files.write("b.gz", "no gzip at all\n"))).unwrap_err();
    assert!(
        matches!(error, TextError::Decompress { line: 0, .. }),
        "{error:?}"
    );
}

#[test]
fn several_files_are_one_corpus() {
    let files = Files::new();
    let sources: Paths = [
        files.write("a.en", "one\ntwo"),
        files.write("b.en.gz", gz(b"three\n")),
    ]
    .into_iter()
    .collect();
    let targets: Paths = [
        files.write("a.fr", "un\ndeux\n"),
        files.write("b.fr", "trois\n"),
    ]
    .into_iter()
    .collect();
    let expected = owned(&[("one", "un"), ("two", "deux"), ("three", "trois")]);
    assert_eq!(
        read(&CorpusFiles::parallel(sources, targets)).unwrap(),
        expected
    );
    let rows: Paths = [
        files.write("a.tsv", "one\tun\n"),
        files.write("b.tsv", "two\tdeux\nthree\ttrois\n"),
    ]
    .into_iter()
    .collect();
    assert_eq!(read(&CorpusFiles::tsv(rows)).unwrap(), expected);
}

#[test]
fn an_error_in_a_later_file_names_it_and_its_line() {
    let files = Files::new();
    let rows: Paths = [
        files.write("a.tsv", "one\tun\n"),
        files.write("b.tsv", "two\tdeux\nthree\n"),
    ]
    .into_iter()
    .collect();
    let error = read(&CorpusFiles::tsv(rows)).unwrap_err();
    assert!(
        matches!(&error, TextError::Columns { path, line: 2, .. } if path.ends_with("b.tsv")),
        "{error:?}"
    );
    let missing: Paths = [files.path("a.tsv"), files.path("nowhere.tsv")]
        .into_iter()
        .collect();
    let error = read(&CorpusFiles::tsv(missing)).unwrap_err();
    assert!(
        matches!(&error, TextError::Read { path, .. } if path.ends_with("nowhere.tsv")),
        "{error:?}"
    );
    let empty: Paths = [files.path("a.tsv"), files.write("c.tsv", "")]
        .into_iter()
        .collect();
    assert!(matches!(
        read(&CorpusFiles::tsv(empty)),
        Err(TextError::Empty { .. })
    ));
}

#[test]
fn files_of_a_list_must_match_one_by_one() {
    let files = Files::new();
    let sources: Paths = [files.write("a.en", "a\nb\n"), files.write("b.en", "c\n")]
        .into_iter()
        .collect();
    let targets: Paths = [files.write("a.fr", "a\n"), files.write("b.fr", "b\nc\n")]
        .into_iter()
        .collect();
    let error = read(&CorpusFiles::parallel(sources.clone(), targets)).unwrap_err();
    let expected = (2, 1);
    assert!(
        matches!(&error, TextError::LineCounts { source_lines, target_lines, .. } if (*source_lines, *target_lines) == expected),
        "{error:?}"
    );
    let error = read(&CorpusFiles::parallel(sources, files.path("a.fr"))).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("expected as many files in `target` as in `source`, got 1 and 2"),
        "{error}"
    );
}

#[test]
fn rows_of_json_have_their_sides_by_name() {
    let text = r#"{"target": "un", "source": "one", "id": 7}

{"source": "two\n\ttwo", "target": "d\u00e9"}
"#;
    assert_eq!(
        read_jsonl(text).unwrap(),
        owned(&[("one", "un"), ("two\n\ttwo", "dé")])
    );
    let files = CorpusFiles {
        source_key: Some("/translation/en".into()),
        target_key: Some("fr".into()),
        ..CorpusFiles::jsonl(Files::new().write("a.jsonl", ""))
    };
    let place = Files::new();
    let path = place.write("a.jsonl", r#"{"translation": {"en": "one"}, "fr": "un"}"#);
    let files = CorpusFiles {
        jsonl: Some(path.into()),
        ..files
    };
    assert_eq!(read(&files).unwrap(), owned(&[("one", "un")]));
}

#[test]
fn rows_of_json_that_are_something_else_say_what() {
    let rows = [
        (
            r#"{"source": "a", "target": "b""#,
            "EOF while parsing an object (byte 29 of the line)",
        ),
        (r#"["a", "b"]"#, "expected an object, got an array"),
        (r#"{"source": "a"}"#, "there is no `target`"),
        (
            r#"{"source": 1, "target": "b"}"#,
            "expected a string at `source`, got a number",
        ),
        (
            r#"{"source": "a", "target": null}"#,
            "expected a string at `target`, got null",
        ),
        (r#"{"source": "\ud800", "target": "b"}"#, "(byte "),
    ];
    for (row, reason) in rows {
        let error = read_jsonl(&format!(
            "{{\"source\": \"a\", \"target\": \"b\"}}\n{row}\n"
        ))
        .unwrap_err();
        assert!(
            matches!(error, TextError::Json { line: 2, .. }),
            "{error:?}"
        );
        let message = error.to_string();
        assert!(
            message.starts_with("line 2 of `") && message.contains(reason),
            "{message}"
        );
        assert!(error.hint().unwrap().contains("`source_key`"));
    }
}

#[test]
fn keys_that_do_not_go_together_are_told() {
    let json = CorpusFiles::jsonl("a.jsonl");
    let cases = [
        (
            CorpusFiles {
                tsv: Some("a.tsv".into()),
                ..json.clone()
            },
            "got `tsv` together with the others",
        ),
        (
            CorpusFiles {
                source_key: Some("en".into()),
                ..CorpusFiles::tsv("a.tsv")
            },
            "`data.train.source_key`: is read with `jsonl` only",
        ),
        (
            CorpusFiles::tsv(std::iter::empty().collect::<Paths>()),
            "expected at least one file, got an empty list",
        ),
        (
            CorpusFiles {
                source: None,
                ..CorpusFiles::parallel("a", "b")
            },
            "got only `target`",
        ),
    ];
    for (files, expected) in cases {
        let problem = files.problem("data.train").unwrap();
        assert!(problem.contains(expected), "{problem}");
    }
    assert_eq!(json.problem("data.train"), None);
}

#[test]
fn a_path_or_a_list_is_written_as_it_was_read() {
    for json in [
        r#"{"tsv":"a.tsv"}"#,
        r#"{"source":["a","b"],"target":["c","d"]}"#,
    ] {
        let files: CorpusFiles = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&files).unwrap(), json);
    }
    let error = serde_json::from_str::<CorpusFiles>(r#"{"tsv": 7}"#)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("expected a path or a list of paths"),
        "{error}"
    );
}

#[test]
fn values_out_of_range_are_told() {
    let data = DataConfig {
        train: Some(CorpusFiles::tsv("a.tsv")),
        max_length: 65_536,
        max_ratio: Some(0.5),
        source_script: Some("lattin".into()),
        cache: "".into(),
        ..DataConfig::default()
    };
    assert_eq!(
        data.problems(),
        [
            "`data.max_length`: expected 1 to 65535, got 65536",
            "`data.cache`: expected a directory, got an empty path",
            "`data.max_ratio`: expected a number from 1, got 0.5",
            "`data.source_script`: expected a script of Unicode such as `latin`, `japanese` or `korean`, got `lattin`",
        ]
    );
}
