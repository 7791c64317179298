//! `scripts/scan.sh` makes training data of SCAN's files, or says what is wrong with them.
#![cfg(unix)]

use std::process::Command;

use crate::support::{Place, Ran};

/// A file of so many lines.
fn lines(count: usize) -> String {
    let line = |i: usize| {
        format!(
            "IN: walk{} OUT:{}\n",
            " twice".repeat(i),
            " I_WALK".repeat(i + 1)
        )
    };
    (0..count).map(line).collect()
}

const FILES: [&str; 4] = [
    "tasks_train_simple.txt",
    "tasks_test_simple.txt",
    "tasks_train_length.txt",
    "tasks_test_length.txt",
];

/// A place with the four files of SCAN in `scan`.
fn place() -> Place {
    let place = Place::new();
    std::fs::create_dir(place.path("scan")).unwrap();
    for file in FILES {
        place.write(&format!("scan/{file}"), lines(45));
    }
    place
}

fn convert(place: &Place, arguments: &[&str]) -> Ran {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../scripts/scan.sh");
    let mut command = Command::new("sh");
    let command = command
        .arg(script)
        .args(arguments)
        .current_dir(place.path("."));
    Ran::new(&command.output().unwrap())
}

#[test]
fn every_pair_lands_in_one_file_and_a_twentieth_in_validation() {
    let place = place();
    convert(&place, &["scan", "out/tsv"]).succeeds();
    let pairs = lines(45).replace("IN: ", "").replace(" OUT: ", "\t");
    let is_held_out = |line: usize| line == 19 || line == 39;
    let kept = |held_out: bool| -> String {
        let lines = pairs.split_inclusive('\n').enumerate();
        let lines = lines.filter(|(line, _)| is_held_out(*line) == held_out);
        lines.map(|(_, pair)| pair).collect()
    };
    for split in ["simple", "length"] {
        let written = |part: &str| place.text(&format!("out/tsv/{split}-{part}.tsv"));
        assert_eq!(written("train"), kept(false));
        assert_eq!(written("valid"), kept(true));
        assert_eq!(written("test"), pairs);
    }
}

#[test]
fn a_clone_of_the_repository_will_do() {
    let (flat, clone) = (place(), place());
    for split in ["simple", "length"] {
        std::fs::create_dir(clone.path(&format!("scan/{split}_split"))).unwrap();
        for file in FILES.iter().filter(|file| file.contains(split)) {
            let [from, to] = ["scan".into(), format!("scan/{split}_split")]
                .map(|folder| clone.path(&format!("{folder}/{file}")));
            std::fs::rename(from, to).unwrap();
        }
    }
    let said = [&flat, &clone].map(|place| convert(place, &["scan", "out"]).succeeds());
    assert_eq!(said[0], said[1]);
}

#[test]
fn wrong_input_is_refused_before_anything_is_written() {
    let good = lines(45);
    for (content, reason) in [
        (good.replacen("IN:", "in:", 1), "got line 1:in: walk"),
        (
            good.replacen("twice OUT:", "twice\tOUT:", 1),
            "got line 2:IN: walk",
        ),
        (good.replace('\n', "\r\n"), "got line 1:"),
        (format!("{good}IN: walk OUT: \n"), "got line 46:IN: walk"),
        (lines(19), "expected at least 20 lines, got 19"),
    ] {
        let place = place();
        place.write("scan/tasks_test_length.txt", content);
        let ran = convert(&place, &["scan", "out"]);
        ran.fails(&["error: scan/tasks_test_length.txt: ", reason]);
        assert!(!place.path("out").exists());
    }

    let place = place();
    std::fs::remove_file(place.path("scan/tasks_train_length.txt")).unwrap();
    let missing = "error: no tasks_train_length.txt in scan or scan/length_split";
    convert(&place, &["scan", "out"]).fails(&[missing]);
    convert(&place, &["scan"]).fails(&["error: expected 2 arguments, got 1; usage: "]);
    assert!(!place.path("out").exists());
}
