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

#[test]
fn corpora_may_be_compressed_in_json_and_in_several_files() {
    let place = place(letters(30), letters(30));
    let rows = |text: &str| -> String {
        let row = |line: &str| format!("{{\"de\": \"{line}\", \"t\": {{\"en\": \"{line}\"}}}}\n");
        text.lines().map(row).collect()
    };
    let (first, rest) = (rows(&letters(10)), rows(&letters(30)));
    place.write("a.jsonl", first);
    place.write(
        "b.jsonl",
        rest.split_inclusive('\n').skip(10).collect::<String>(),
    );
    place.write(
        "json.toml",
        tiny_on(r#"{ jsonl = ["a.jsonl", "b.jsonl"], source_key = "de", target_key = "/t/en" }"#),
    );
    for config in ["files.toml", "json.toml"] {
        place.run(&["train", config, "--threads", "1"]).succeeds();
    }
    for name in ["tokenizer.json", "log.jsonl"] {
        let of = |run| place.read(&format!("runs/{run}/{name}"));
        assert_eq!(of("files"), of("json"), "{name}");
    }
}

#[test]
fn a_list_in_the_configuration_must_match() {
    let place = Place::new();
    let train = r#"{ source = ["a", "b"], target = "c" }"#;
    place.write("files.toml", tiny_on(train));
    refused(
        &place,
        &["`data.train`: expected as many files in `target` as in `source`, got 1 and 2"],
    );
    place.write("files.toml", tiny_on("{ tsv = 7 }"));
    refused(
        &place,
        &["`data.train", "expected a path or a list of paths"],
    );
}

#[test]
fn check_shows_what_it_drops_and_warns_of_what_looks_wrong() {
    let source = format!("{}x\nx\nб б б\nz\nlit@@ tle\n", letters(20));
    let target = format!("{}x\nx\nc\nz z z z z\nlit@@ tle\n", letters(20));
    let place = place(source, target);
    let filters = "drop_identical = true\nsource_script = \"latin\"\nmax_ratio = 2\nbatch_tokens";
    let test = r#"{ tsv = "mine.tsv" }"#;
    place.write("mine.tsv", "lit@@ tle\tx\nnew\tnew\n");
    let config = tiny_on(PARALLEL).replace("batch_tokens", filters).replace(
        r#"test = { tsv = "held-out.tsv" }"#,
        &format!("test = {test}"),
    );
    // Letters are copied: without this they would go, too.
    let shifted = config.replace("drop_identical = true", "drop_identical = false");
    place.write("files.toml", shifted);
    let stdout = place.run(&["check", "files.toml"]).succeeds();
    // Segmentation is looked for before tokens are counted: in the pair of unequal length, too.
    for line in [
        "train: 25 pairs read, 23 kept; dropped: 0 with an empty side, 1 in another script, 0 too long, 1 of unequal length",
        "  in another script: train.src:23: `б б б` -> `c`",
        "  of unequal length: train.src:24: `z` -> `z z z z z`",
        "examples: written to `runs/.cache/",
        "warning: 1 of 2 sources of `data.test` stand in the training pairs, too",
        "warning: 1 of 24 training pairs have a line with `@@ `",
        "  `lit@@ tle`",
        "nothing that stops training; ",
    ] {
        assert!(stdout.contains(line), "no `{line}` in {stdout}");
    }
    let again = place.run(&["check", "files.toml"]).succeeds();
    assert!(
        again.contains("examples: found in `runs/.cache/"),
        "{again}"
    );

    place.write("files.toml", config);
    let stdout = place.run(&["check", "files.toml"]);
    stdout.fails(&["no pair is left to train on"]);
}

#[test]
fn a_cache_that_is_damaged_or_gone_changes_nothing() {
    let place = place(letters(40), letters(40));
    let train = |run: &str| place.run(&["train", "files.toml", "--run", run, "--threads", "1"]);
    train("runs/a").succeeds();
    let cache = || {
        let entries = std::fs::read_dir(place.path("runs/.cache")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        let mut files = paths.filter(|path| path.extension().is_some());
        files.next().unwrap()
    };
    let whole = std::fs::read(cache()).unwrap();
    std::fs::write(cache(), &whole[..whole.len() - 9]).unwrap();
    train("runs/b").succeeds();
    std::fs::remove_file(cache()).unwrap();
    train("runs/c").succeeds();
    assert_eq!(std::fs::read(cache()).unwrap().len(), whole.len());
    for run in ["b", "c"] {
        let log = |run: &str| place.read(&format!("runs/{run}/log.jsonl"));
        assert_eq!(log("a"), log(run));
    }
}

#[test]
fn a_cache_that_cannot_be_written_is_named() {
    let place = place(letters(20), letters(20));
    place.write("file", "");
    place
        .run(&["train", "files.toml", "--set", "data.cache=file/cache"])
        .fails(&[
            "error: cannot write the examples to `file/cache`",
            "hint: set `data.cache` to a directory that is writable",
        ]);
}
