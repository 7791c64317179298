//! Training data as people have it.

use crate::support::{Place, tiny_on};

const PARALLEL: &str = r#"{ source = "train.src", target = "train.tgt" }"#;

/// A place whose `files.toml` trains on these two files.
fn place(source: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Place {
    let place = Place::new();
    place.write("files.toml", tiny_on(PARALLEL));
    place.write("train.src", source);
    place.write("train.tgt", target);
    place
}

/// So many lines of letters.
fn letters(lines: usize) -> String {
    let line = |i: usize| {
        let at = |j: usize| char::from(b"abcdefghijklmnopqrstuvwxyz"[(i * 7 + j * 5) % 26]);
        format!("{} {} {}\n", at(0), at(1), at(2))
    };
    (0..lines).map(line).collect()
}

/// Both commands that read corpora must say the same.
fn refused(place: &Place, parts: &[&str]) {
    for command in ["check", "train"] {
        place.run(&[command, "files.toml"]).fails(parts);
    }
    assert!(
        !place.path("runs/files/config.toml").exists(),
        "what never began does not stand in the way"
    );
}

#[test]
fn a_missing_file_is_named() {
    let place = place("a\n", "a\n");
    std::fs::remove_file(place.path("train.tgt")).unwrap();
    refused(
        &place,
        &[
            "error: cannot read `train.tgt`",
            "caused by: No such file",
            "hint: relative paths start at the working directory",
        ],
    );
}

#[test]
fn an_empty_file_is_named() {
    for nothing in ["", "\u{feff}"] {
        refused(
            &place(nothing, "a\n"),
            &["error: `train.src` is empty", "hint: "],
        );
    }
}

#[test]
fn different_numbers_of_lines_are_both_named() {
    refused(
        &place("a\nb\nc\n", "a\nb"),
        &[
            "error: `train.src` has 3 lines but `train.tgt` has 2",
            "hint: line N of one file must translate line N of the other",
        ],
    );
}

#[test]
fn invalid_utf8_is_named_by_file_line_and_byte() {
    refused(
        &place("a\nb\nc\n", b"a\nb\nc \xe9t\n"),
        &[
            "error: line 3 of `train.tgt` is not valid UTF-8 (byte 3 of the line)",
            "hint: convert the file first",
        ],
    );
}

#[test]
fn a_row_without_a_tab_is_named() {
    let place = Place::new();
    place.write("files.toml", tiny_on(r#"{ tsv = "train.tsv" }"#));
    place.write("train.tsv", "a\tb\nc d\n");
    refused(
        &place,
        &["line 2 of `train.tsv`: expected 2 columns, got 1", "hint: "],
    );
}

#[test]
fn a_file_without_its_partner_is_a_problem_of_the_configuration() {
    let place = Place::new();
    place.write("files.toml", tiny_on(r#"{ source = "train.src" }"#));
    refused(
        &place,
        &["`data.train`: expected `source` and `target`, or `tsv`, or `jsonl`, got only `source`"],
    );
}

#[test]
fn nothing_left_to_train_on_is_an_error() {
    refused(
        &place("\n \n", "a\nb\n"),
        &["no pair is left of the 2 in `train.src`"],
    );
    let place = place("a b c\n", "a\n");
    place.write(
        "files.toml",
        tiny_on(PARALLEL).replace("batch_tokens", "max_length = 2\nbatch_tokens"),
    );
    refused(
        &place,
        &[
            "no pair is left to train on: 1 read, 1 dropped",
            "hint: raise `data.max_length`",
        ],
    );
}

#[test]
fn a_test_file_that_is_missing_is_missed_before_the_first_step() {
    let place = Place::new();
    for split in ["valid", "test"] {
        let set = format!("data.{split}={{ tsv = \"nowhere.tsv\" }}");
        place
            .run(&["train", "tiny.toml", "--set", &set])
            .fails(&["cannot read `nowhere.tsv`"]);
    }
}

#[test]
fn empty_sides_and_long_lines_are_dropped_and_counted() {
    let long = "a ".repeat(12);
    let source = format!("{}a b\n\n   \n{long}\na b\n", letters(20));
    let target = format!("{}\na b\n\na b\n{long}\n", letters(20));
    let place = place(source, target);
    let limited = tiny_on(PARALLEL).replace("batch_tokens", "max_length = 11\nbatch_tokens");

    place.write("files.toml", &limited);
    let stdout = place.run(&["check", "files.toml"]).succeeds();
    let counts =
        "train: 25 pairs read, 20 kept; dropped: 3 with an empty side, 2 too long; 0 truncated";
    assert!(stdout.contains(counts), "{stdout}");
    let ran = place.run(&["train", "files.toml"]);
    ran.says(&[
        "20 training pairs",
        "dropped 3 pairs with an empty side and 2 that were too long",
    ]);
    ran.succeeds();

    place.write(
        "files.toml",
        limited.replace("max_length = 11", "max_length = 11\nlong = \"truncate\""),
    );
    let stdout = place.run(&["check", "files.toml"]).succeeds();
    let counts =
        "train: 25 pairs read, 22 kept; dropped: 3 with an empty side, 0 too long; 2 truncated";
    assert!(stdout.contains(counts), "{stdout}");
}

#[test]
fn line_ends_and_marks_of_other_systems_change_nothing() {
    let plain = place(letters(30), letters(30));
    let foreign = letters(30).replace('\n', "\r\n");
    let foreign = place(format!("\u{feff}{foreign}"), foreign.trim_end());
    for place in [&plain, &foreign] {
        place
            .run(&["train", "files.toml", "--threads", "1"])
            .succeeds();
    }
    for name in [
        "tokenizer.json",
        "log.jsonl",
        "checkpoints/step-000004/model.safetensors",
    ] {
        let name = format!("runs/files/{name}");
        assert_eq!(plain.read(&name), foreign.read(&name), "{name}");
    }
}
