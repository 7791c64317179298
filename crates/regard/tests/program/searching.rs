//! The flags of search, and the keys they stand for.

use serde_json::Value;

use crate::support::Place;

const LINES: &str = "a b c\nd\n\nz y x w v u\nb b\n";

#[test]
fn the_flag_goes_before_the_key_and_one_is_greedy_search() {
    let place = Place::with_run();
    let translate = |run: &str, flags: &[&str]| {
        let arguments = [&["translate", run], flags].concat();
        place.run_on(&arguments, LINES).succeeds()
    };
    let greedy = translate("runs/tiny", &[]);
    let wide = translate("runs/tiny", &["--beam", "4", "--length-penalty", "-1.5"]);
    assert_eq!(wide.lines().count(), LINES.lines().count());
    assert_ne!(wide, greedy, "an untrained model finds another best");

    place.copy_run("runs/tiny", "runs/wide");
    let config = place.text("runs/wide/config.toml");
    assert!(
        config.contains("\nbeam = 1\nlength_penalty = 1.0\n"),
        "{config}"
    );
    let config = config.replace(
        "beam = 1\nlength_penalty = 1.0",
        "beam = 4\nlength_penalty = -1.5",
    );
    place.write("runs/wide/config.toml", config);
    assert_eq!(translate("runs/wide", &[]), wide);
    assert_eq!(translate("runs/wide", &["--beam", "1"]), greedy);
}

#[test]
fn evaluating_and_attending_search_alike() {
    let place = Place::with_run();
    let flags = ["--beam", "4", "--length-penalty", "-1.5"];
    let source = "a b c\nd e\nz\n";
    let translate = [&["translate", "runs/tiny"][..], &flags].concat();
    let translations = place.run_on(&translate, source).succeeds();
    place.write("hypothesis", &translations);
    place.write("reference", "a b c\nd e\nz\n");
    place.write("source", source);
    let files = ["--reference", "reference", "--json"];
    let of_file = ["evaluate", "--hypothesis", "hypothesis"];
    let expected = place.run(&[&of_file[..], &files].concat()).succeeds();
    let of_run = ["evaluate", "runs/tiny", "--source", "source"];
    let evaluated = place
        .run(&[&of_run[..], &files, &flags].concat())
        .succeeds();
    assert_eq!(evaluated, expected);

    let attend = [&["attend", "runs/tiny", "a b c"][..], &flags].concat();
    let drawn = place.run(&attend).succeeds();
    for word in translations.lines().next().unwrap().split_whitespace() {
        assert!(drawn.contains(word), "no `{word}` in {drawn}");
    }
}

#[test]
fn impossible_searches_are_errors_before_the_first_line() {
    let place = Place::with_run();
    for (flags, problem) in [
        (["--beam", "5000"], "beam: expected at most "),
        (
            ["--length-penalty", "NaN"],
            "length_penalty: expected a number from -10 to 10, got NaN",
        ),
    ] {
        let ran = place.run_on(&[&["translate", "runs/tiny"][..], &flags].concat(), LINES);
        ran.fails(&["error: translating as asked for is not possible", problem]);
        assert_eq!(ran.stdout, "");
    }
    let ran = place.run(&["translate", "runs/tiny", "--beam", "0"]);
    ran.fails(&["expected a whole number from 1, got `0`"]);
    let wrong = [
        "--set=decode.beam=41",
        "--set=decode.length_penalty=nan",
        "--set=decode.batch_tokens=0",
    ];
    place
        .run(&[&["check", "tiny.toml"][..], &wrong].concat())
        .fails(&[
            "`decode.beam`: expected at most 40, the tokens of the vocabulary, got 41",
            "`decode.length_penalty`: expected a number from -10 to 10, got NaN",
            "`decode.batch_tokens`: expected at least 1, got 0",
        ]);
}

#[test]
fn bench_counts_the_tokens_of_the_best() {
    let place = Place::new();
    let mut arguments = vec!["bench", "decode", "--json", "--profile", "--steps", "2"];
    arguments.extend(["--layers", "2", "--d-model", "8", "--d-ff", "16"]);
    arguments.extend(["--n-heads", "2", "--vocabulary", "20", "--batch", "3"]);
    arguments.extend(["--target-length", "8", "--beam", "5"]);
    let printed = place.run(&arguments).succeeds();
    let printed: Value = serde_json::from_str(&printed).unwrap();
    let speed = |key: &str| printed[key].as_f64().unwrap();
    let tokens = speed("target_tokens_per_second") / speed("sentences_per_second");
    assert!((tokens - 8.0).abs() < 1e-6, "{tokens}");
    let lines = printed["profile"]["lines"].as_array().unwrap();
    let is_choice = |line: &&Value| line["name"] == "choice of tokens";
    let choice = lines.iter().find(is_choice).unwrap();
    assert_eq!(choice["calls"].to_string(), "1.0");

    for (beam, problem) in [
        ("0", "beam: expected at least 1, got 0"),
        (
            "21",
            "beam: expected at most 20, the tokens of the vocabulary, got 21",
        ),
    ] {
        *arguments.last_mut().unwrap() = beam;
        place.run(&arguments).fails(&[problem]);
    }
}
