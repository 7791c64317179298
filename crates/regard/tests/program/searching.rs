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
    let mut changed = config;
    for (before, after) in [
        ("\nbeam = 1\n", "\nbeam = 4\n"),
        ("\nlength_penalty = 1.0\n", "\nlength_penalty = -1.5\n"),
    ] {
        assert!(changed.contains(before), "{changed}");
        changed = changed.replace(before, after);
    }
    place.write("runs/wide/config.toml", changed);
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

/// Every key of `[decode]` can be replaced where text is translated, as it can where a run is trained.
#[test]
fn keys_can_be_replaced_for_one_translation() {
    let place = Place::with_run();
    let translate = |flags: &[&str]| {
        let arguments = [&["translate", "runs/tiny"], flags].concat();
        place.run_on(&arguments, LINES).succeeds()
    };
    let wide = translate(&["--beam", "4"]);
    assert_eq!(translate(&["--set", "decode.beam=4"]), wide);
    assert_eq!(translate(&["--set", "decode.beam=2", "--beam", "4"]), wide);
    let tokens = |flag: &str| -> Vec<Vec<String>> {
        let told = translate(&["--json", flag]);
        let of_line = |line: &str| {
            let line: Value = serde_json::from_str(line).unwrap();
            let tokens = line["hypotheses"][0]["tokens"].as_array().unwrap().clone();
            tokens
                .iter()
                .map(|token| token.as_str().unwrap().to_owned())
                .collect()
        };
        told.lines().map(of_line).collect()
    };
    let lengths: Vec<usize> = tokens("--set=decode.max_target_length=1")
        .iter()
        .map(Vec::len)
        .collect();
    assert_eq!(
        lengths,
        [1, 1, 0, 1, 1],
        "a token each, for lines with words"
    );
    for line in tokens("--set=decode.no_repeat_ngram=1") {
        assert!(
            (1..line.len()).all(|i| !line[..i].contains(&line[i])),
            "{line:?}"
        );
    }

    let drawn = |seed| translate(&["--set=decode.search=sample", "--seed", seed]);
    assert_eq!(drawn("3"), drawn("3"));
    assert_ne!(drawn("3"), drawn("4"));
    let worked = [
        "--set=decode.search=sample",
        "--seed=3",
        "--workers=2",
        "--threads=2",
    ];
    assert_eq!(translate(&worked), drawn("3"));

    for (set, problem) in [
        ("decode.utility=ter", "unknown variant `ter`"),
        (
            "decode.beem=4",
            "`decode.beem`: unknown key; did you mean `beam`?",
        ),
        ("train.steps=4", "train"),
        (
            "decode.groups=2",
            "groups: expected a divisor of `beam`, 1, got 2",
        ),
        (
            "decode.temperature=0",
            "temperature: expected a number above 0, got 0",
        ),
        (
            "decode.top_p=1.5",
            "top_p: expected a number above 0, at most 1, got 1.5",
        ),
        (
            "decode.min_p=-1",
            "min_p: expected a number from 0 to 1, got -1",
        ),
        ("decode.samples=0", "samples: expected at least 1, got 0"),
        (
            "decode.end_bias=inf",
            "end_bias: expected a number, got inf",
        ),
        (
            "decode.suppress=[\"nonesuch\"]",
            "suppress: `nonesuch` is no token of the target vocabulary",
        ),
        ("decode.search=guess", "guess"),
    ] {
        let ran = place.run_on(&["translate", "runs/tiny", "--set", set], LINES);
        ran.fails(&["error: ", problem]);
        assert_eq!(ran.stdout, "", "{set}");
    }
}

#[test]
fn what_is_drawn_may_be_distinct_or_compared() {
    let place = Place::with_run();
    let translate = |flags: &[&str]| {
        let arguments = [&["translate", "runs/tiny"], flags].concat();
        place.run_on(&arguments, LINES).succeeds()
    };
    let distinct = ["--set=decode.search=gumbel", "--set=decode.samples=5"];
    let all = [&distinct[..], &["--n-best", "5", "--seed", "3"]].concat();
    let drawn = translate(&all);
    let numbers: Vec<&str> = drawn
        .lines()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    let expected = ["0", "1", "2", "3", "4"].map(|number| {
        let times = if number == "2" { 1 } else { 5 };
        vec![number; times]
    });
    assert_eq!(numbers, expected.concat(), "{drawn}");
    let workers = ["--workers=2", "--threads=2"];
    assert_eq!(translate(&[&all[..], &workers].concat()), drawn);
    let risk = ["--set=decode.search=mbr", "--set=decode.samples=8"];
    let [chrf, bleu] = ["chrf", "bleu"].map(|utility| {
        let utility = format!("--set=decode.utility={utility}");
        translate(&[&risk[..], &["--json", &utility]].concat())
    });
    assert_ne!(chrf, bleu);
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

#[test]
fn translations_begin_and_contain_what_is_asked_for() {
    let place = Place::with_run();
    place.write("prefixes", "a\n\nc\nb b\n\n");
    place.write("phrases", "\nc\td\n\n\nx\n");
    place.write("terms", "z y\ta b\nd\tx\n");
    let arguments = [
        ["translate", "runs/tiny"],
        ["--prefixes", "prefixes"],
        ["--phrases", "phrases"],
        ["--terminology", "terms"],
    ];
    let arguments = [&arguments.concat()[..], &["--beam", "4", "--json"]].concat();
    let told = place.run_on(&arguments, LINES).succeeds();
    let texts: Vec<String> = told
        .lines()
        .map(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            let tokens = line["hypotheses"][0]["tokens"].as_array().unwrap().clone();
            let tokens: Vec<&str> = tokens.iter().map(|token| token.as_str().unwrap()).collect();
            tokens.join(" ")
        })
        .collect();
    assert!(texts[0].starts_with('a'), "{texts:?}");
    for phrase in ["c", "d", "x"] {
        assert!(texts[1].contains(phrase), "{phrase} in {texts:?}");
    }
    assert_eq!(texts[2], "", "of nothing there is nothing to say");
    assert!(
        texts[3].starts_with("b b") && texts[3].contains("a b"),
        "{texts:?}"
    );
    assert!(texts[4].contains('x'), "{texts:?}");

    for (flag, text, problems) in [
        (
            "--prefixes",
            "a\n",
            "--prefixes has 1 lines, but there is a line 2",
        ),
        (
            "--phrases",
            "Ω\n\n\n\n\n",
            "line 1: the phrase `Ω` has something that the vocabulary has no token for",
        ),
        (
            "--terminology",
            "a\t\n",
            "`asked`, line 1: expected words, a TAB and their translation",
        ),
        ("--terminology", "a\n", "line 1"),
    ] {
        place.write("asked", text);
        let arguments = ["translate", "runs/tiny", flag, "asked"];
        place.run_on(&arguments, LINES).fails(&[problems]);
    }
    place.write("asked", "a ".repeat(60));
    let long = ["translate", "runs/tiny", "--prefixes", "asked"];
    place
        .run_on(&long, "a\n")
        .fails(&["a prefix of 60 tokens, but a translation may have at most "]);
}
