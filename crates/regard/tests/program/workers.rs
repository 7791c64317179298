//! Many lines: several workers, several files, and ends before the end.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use crate::support::{PROGRAM, Place, Ran};

/// Lines of a few letters, which come again and again.
const SOURCES: [&str; 7] = ["a b c", "", "d", "z y x w v u", "b b", "q r s t", "e"];

fn text(lines: usize) -> String {
    let lines = SOURCES.iter().cycle().take(lines);
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// A translation of so many of those lines.
fn expected(place: &Place, lines: usize) -> String {
    let once = place
        .run_on(&["translate", "runs/tiny"], text(7))
        .succeeds();
    let once: Vec<&str> = once.lines().collect();
    let lines = once.iter().cycle().take(lines);
    lines.flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn workers_change_nothing_but_the_time() {
    let place = Place::with_run();
    place.write("input", text(5_300));
    let translate = |threads: &str, workers: &str| {
        let flags = [
            "--input",
            "input",
            "--threads",
            threads,
            "--workers",
            workers,
        ];
        let ran = place.run(&[&["translate", "runs/tiny"][..], &flags].concat());
        ran.says(&["translated 5300 lines in ", " sentences/s, ", " tokens/s\n"]);
        ran.succeeds()
    };
    let one = translate("1", "1");
    assert!(one == expected(&place, 5_300));
    for (threads, workers) in [("2", "2"), ("3", "1"), ("5", "3")] {
        assert!(translate(threads, workers) == one, "{workers} workers");
    }
    let arguments = ["translate", "runs/tiny", "--threads", "2", "--workers", "3"];
    place
        .run_on(&arguments, "a\n")
        .fails(&["cannot divide 2 threads among 3 workers; lower `--workers`"]);
    place
        .run(&["translate", "runs/tiny", "--workers", "0"])
        .fails(&["expected a whole number from 1, got `0`"]);
}

#[test]
fn files_are_translated_one_after_the_other() {
    let place = Place::with_run();
    place.write("one", "a b c\nd");
    place.write("two", "");
    place.write("three", "b b\n\n");
    let flags = ["--input", "one", "--input", "two", "--input", "three"];
    let translate = [&["translate", "runs/tiny"][..], &flags].concat();
    let together = place.run(&translate).succeeds();
    let whole = place.run_on(&["translate", "runs/tiny"], "a b c\nd\nb b\n\n");
    assert_eq!(together, whole.succeeds());
    place.write("three", b"b b\n\xff\n");
    let ran = place.run(&translate);
    ran.fails(&["line 2 of `three` is not valid UTF-8"]);
    assert_eq!(ran.stdout.lines().count(), 3);
    let output = [&translate[..], &["--output", "three"]].concat();
    place
        .run(&output)
        .fails(&["`three` is both input and output"]);
}

#[test]
fn a_reader_that_goes_away_is_no_error_to_several() {
    let place = Place::with_run();
    place.write("input", text(50_000));
    let files = ["translate", "runs/tiny", "--input", "input"];
    let arguments = [&files[..], &["--threads", "2", "--workers", "2"]].concat();
    let (_, ran) = place.read_a_line(&arguments);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
}

/// The signal of Ctrl-C.
#[cfg(unix)]
fn interrupt(child: &Child) {
    let arguments = ["-INT", &child.id().to_string()];
    let sent = Command::new("kill").args(arguments).status().unwrap();
    assert!(sent.success());
}

#[cfg(unix)]
#[test]
fn what_is_finished_when_it_is_interrupted_is_written_in_order() {
    let place = Place::with_run();
    place.write("input", text(1_000_000));
    for workers in ["1", "2"] {
        let files = ["--input", "input", "--output", "output"];
        let flags = ["--threads", "2", "--workers", workers];
        let arguments = [&["translate", "runs/tiny"][..], &files, &flags].concat();
        place.write("output", "");
        let child = place.start(&arguments);
        place.wait_for_lines("output", 1_000);
        interrupt(&child);
        let ran = Ran::new(&child.wait_with_output().unwrap());
        assert_eq!(ran.code, Some(130), "{ran:#?}");
        ran.says(&["finishing the lines that have been begun; again to stop at once"]);
        let written = place.text("output");
        let lines = written.lines().count();
        ran.says(&[&format!("translated {lines} lines in ")]);
        assert!((1_000..1_000_000).contains(&lines), "{lines}");
        assert_eq!(lines % 1_000, 0, "whole blocks");
        assert!(written == expected(&place, lines), "{workers} workers");
    }
}

/// Nothing more comes, but nobody has said that it was all.
#[cfg(unix)]
#[test]
fn an_interrupt_does_not_wait_for_the_next_line() {
    let place = Place::with_run();
    let mut child = Command::new(PROGRAM)
        .current_dir(place.path("."))
        .args(["translate", "runs/tiny"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    for line in [SOURCES[0], SOURCES[2]] {
        writeln!(input, "{line}").unwrap();
        let mut said = String::new();
        output.read_line(&mut said).unwrap();
        assert!(said.ends_with('\n'), "a line comes before the next is sent");
    }
    interrupt(&child);
    let ran = Ran::new(&child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(130), "{ran:#?}");
    ran.says(&["translated 2 lines in "]);
    drop(input);
}
