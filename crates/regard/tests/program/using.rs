//! What a trained model says, in all the forms that it can be asked for.

use serde_json::Value;

use crate::support::{Place, keys};

const LINES: &str = "a b c\nd\n\nz y x w v u\nb b\n";

fn objects(lines: &str) -> Vec<Value> {
    let parse = |line: &str| serde_json::from_str(line).unwrap();
    lines.lines().map(parse).collect()
}

fn strings(list: &Value) -> Vec<&str> {
    let list = list.as_array().unwrap().iter();
    list.map(|token| token.as_str().unwrap()).collect()
}

fn numbers(list: &Value) -> Vec<f64> {
    let list = list.as_array().unwrap().iter();
    list.map(|number| number.as_f64().unwrap()).collect()
}

#[test]
fn an_object_a_line_holds_what_the_plain_line_says() {
    let place = Place::with_run();
    let plain = place.run_on(&["translate", "runs/tiny"], LINES).succeeds();
    let json = place.run_on(&["translate", "runs/tiny", "--json"], LINES);
    let objects = objects(&json.succeeds());
    assert_eq!(objects.len(), LINES.lines().count());
    for ((object, plain), source) in objects.iter().zip(plain.lines()).zip(LINES.lines()) {
        assert_eq!(keys(object), ["hypotheses", "source", "source_tokens"]);
        assert_eq!(object["source"], source);
        let hypotheses = object["hypotheses"].as_array().unwrap();
        assert_eq!(hypotheses.len(), 1);
        let best = &hypotheses[0];
        assert_eq!(keys(best), ["log_probability", "score", "text", "tokens"]);
        assert_eq!(best["text"], plain);
        let mut expected: Vec<&str> = source.split_whitespace().collect();
        if source.is_empty() {
            assert_eq!(best["log_probability"], 0.0);
            assert_eq!(strings(&best["tokens"]).len(), 0);
        } else {
            assert!(best["log_probability"].as_f64().unwrap() < 0.0);
            expected.push("</s>");
        }
        assert_eq!(strings(&object["source_tokens"]), expected);
    }
}

#[test]
fn the_n_best_have_numbers_and_scores() {
    let place = Place::with_run();
    let with = |flags: &[&str]| {
        let arguments = [&["translate", "runs/tiny", "--beam", "4"], flags].concat();
        place.run_on(&arguments, LINES)
    };
    let best = with(&[]).succeeds();
    let listed = with(&["--n-best", "3"]).succeeds();
    let objects = objects(&with(&["--n-best", "3", "--json"]).succeeds());
    let mut listed = listed.lines();
    for (number, (object, best)) in objects.iter().zip(best.lines()).enumerate() {
        let hypotheses = object["hypotheses"].as_array().unwrap();
        assert_eq!(hypotheses.len(), if best.is_empty() { 1 } else { 3 });
        assert_eq!(hypotheses[0]["text"], best);
        for hypothesis in hypotheses {
            let text = hypothesis["text"].as_str().unwrap();
            let value = |key: &str| hypothesis[key].as_f64().unwrap();
            let expected = format!(
                "{number} ||| {text} ||| {:.6} ||| {:.6}",
                value("log_probability"),
                value("score")
            );
            assert_eq!(listed.next(), Some(expected.as_str()));
        }
    }
    assert_eq!(listed.next(), None);
    let ran = with(&["--n-best", "5"]);
    ran.fails(&[
        "translating as asked for is not possible",
        "n_best: expected 1 to 4, the hypotheses of the beam, got 5",
    ]);
    assert_eq!(ran.stdout, "");
}

#[test]
fn attention_has_a_row_for_each_token_and_a_column_for_each_of_the_source() {
    let place = Place::with_run();
    let flags = ["--json", "--attention"];
    let arguments = [&["translate", "runs/tiny"][..], &flags].concat();
    let said = place.run_on(&arguments, LINES).succeeds();
    let mut rows = 0;
    for object in objects(&said) {
        let hypothesis = &object["hypotheses"][0];
        let columns = strings(&object["source_tokens"]).len();
        if columns == 0 {
            assert!(hypothesis.get("attention").is_none());
            continue;
        }
        let attention = hypothesis["attention"].as_array().unwrap();
        assert_eq!(attention.len(), strings(&hypothesis["tokens"]).len());
        for row in attention {
            let row = numbers(row);
            assert_eq!(row.len(), columns);
            assert!((row.iter().sum::<f64>() - 1.0).abs() < 1e-5, "{row:?}");
            rows += 1;
        }
    }
    assert!(rows > 4, "only {rows} rows");
    // Alone, as `attend` has it: in a batch the last digits may differ.
    let alone = place.run_on(&arguments, "a b c\n").succeeds();
    let attended = place.run(&["attend", "runs/tiny", "a b c", "--json"]);
    assert_eq!(attended.succeeds(), alone);
    place
        .run_on(&["translate", "runs/tiny", "--attention"], LINES)
        .fails(&["--json"]);

    let place = Place::with_model("kind = \"bottleneck\"\nd_model = 16");
    place.run(&["train", "tiny.toml"]).succeeds();
    for object in objects(&place.run_on(&arguments, LINES).succeeds()) {
        assert!(object["hypotheses"][0].get("attention").is_none());
    }
}

/// The translation of a line, where its text is cut into the tokens that it was made of and has its end, is as probable as
/// `translate` said.
#[test]
fn translations_are_as_probable_as_scoring_them_says() {
    let place = Place::new();
    let steps = [
        "--set",
        "train.steps=60",
        "--set",
        "train.learning_rate=0.01",
    ];
    let more = [
        "--set",
        "train.validate_every=60",
        "--set",
        "train.checkpoint_every=60",
    ];
    let train = [&["train", "tiny.toml"][..], &steps, &more].concat();
    place.run(&train).succeeds();
    let flags = ["--beam", "6", "--n-best", "6", "--length-penalty", "-1"];
    let arguments = [&["translate", "runs/tiny", "--json"][..], &flags].concat();
    let mut expected = Vec::new();
    let (mut source, mut target) = (String::new(), String::new());
    for object in objects(&place.run_on(&arguments, LINES).succeeds()) {
        for hypothesis in object["hypotheses"].as_array().unwrap() {
            let tokens = strings(&hypothesis["tokens"]);
            let text = hypothesis["text"].as_str().unwrap();
            let is_letter = |token: &&str| token.len() == 1;
            if let Some((&"</s>", letters)) = tokens.split_last()
                && letters.iter().all(is_letter)
                && letters.join(" ") == text
            {
                source.extend([object["source"].as_str().unwrap(), "\n"]);
                target.extend([text, "\n"]);
                let said = hypothesis["log_probability"].as_f64().unwrap();
                expected.push((said, tokens.len()));
            }
        }
    }
    assert!(expected.len() > 3, "only {expected:?}");
    place.write("source", source);
    place.write("target", target);
    let files = ["--source", "source", "--target", "target", "--json"];
    let score = [&["score", "runs/tiny"][..], &files].concat();
    let scored = objects(&place.run(&score).succeeds());
    assert_eq!(scored.len(), expected.len());
    for (scored, (said, tokens)) in scored.iter().zip(expected) {
        let log_probability = scored["log_probability"].as_f64().unwrap();
        assert!((log_probability - said).abs() < 1e-4, "{scored}, {said}");
        assert_eq!(scored["token_count"], tokens);
    }
}

#[test]
fn score_tells_of_lines_of_tokens_and_of_all() {
    let place = Place::with_run();
    place.write("source", "a b c\n\nd e\n");
    place.write("target", "a b c\nx\n\n");
    place.write("both.tsv", "a b c\ta b c\n\tx\nd e\t\tmore\n");
    let files = ["--source", "source", "--target", "target"];
    let score = |flags: &[&str]| place.run(&[&["score", "runs/tiny"], flags].concat());
    let ran = score(&[&files[..], &["--json"]].concat());
    let objects = objects(&ran.stdout);
    let (mut nats, mut tokens) = (0.0, 0.0);
    for (object, count) in objects.iter().zip([4, 2, 1]) {
        let expected = [
            "log_probability",
            "perplexity",
            "token_count",
            "token_log_probabilities",
        ];
        assert_eq!(keys(object), expected);
        let of_tokens = numbers(&object["token_log_probabilities"]);
        assert_eq!(
            (of_tokens.len(), &object["token_count"]),
            (count, &count.into())
        );
        let log_probability = object["log_probability"].as_f64().unwrap();
        assert!((of_tokens.iter().sum::<f64>() - log_probability).abs() < 1e-9);
        let perplexity = (-log_probability / count as f64).exp();
        assert!((object["perplexity"].as_f64().unwrap() - perplexity).abs() < 1e-9);
        nats -= log_probability;
        tokens += count as f64;
    }
    let all = format!(
        "3 lines, 7 tokens: log-probability {:.4}, perplexity {:.4}\n",
        -nats,
        (nats / tokens).exp()
    );
    assert_eq!((ran.code, ran.stderr), (Some(0), all));

    let plain = score(&files).succeeds();
    let listed = |object: &Value| format!("{:.6}\n", object["log_probability"].as_f64().unwrap());
    assert_eq!(plain, objects.iter().map(listed).collect::<String>());
    let quiet = score(&["--tsv", "both.tsv", "-q"]);
    assert_eq!((quiet.stdout, quiet.stderr.as_str()), (plain, ""));
}

#[test]
fn score_refuses_what_are_no_pairs_behind_the_lines_that_are() {
    let place = Place::with_run();
    place.write("three", "a\nb\nc\n");
    place.write("two", "a\nb\n");
    place.write("bytes", b"a\n\xff\nc\n");
    place.write("none", "");
    let score = |flags: &[&str]| place.run(&[&["score", "runs/tiny"], flags].concat());
    let two = |source, target| score(&["--source", source, "--target", target]);
    let ran = two("three", "two");
    ran.fails(&["`three` has 3 lines but `two` has 2"]);
    assert_eq!(ran.stdout.lines().count(), 2);
    two("two", "three").fails(&["`two` has 2 lines but `three` has 3"]);
    let ran = two("bytes", "three");
    ran.fails(&["line 2 of `bytes` is not valid UTF-8"]);
    assert_eq!(ran.stdout.lines().count(), 1);
    two("none", "none").fails(&["`none` is empty"]);
    two("nowhere", "two").fails(&["cannot read `nowhere`"]);
    score(&["--tsv", "two"]).fails(&["line 1 of `two`: expected 2 columns, got 1"]);
    score(&[]).fails(&["nothing to score; give --source and --target, or --tsv"]);
    score(&["--source", "two"]).fails(&["--target"]);
}

#[test]
fn inspect_and_check_print_an_object() {
    let place = Place::with_run();
    let inspected: Value =
        serde_json::from_str(&place.run(&["inspect", "runs/tiny", "--json"]).succeeds()).unwrap();
    let expected = [
        "average",
        "best",
        "best_validation",
        "last",
        "model",
        "parameters",
        "run",
        "steps",
        "vocabulary",
    ];
    assert_eq!(keys(&inspected), expected);
    assert_eq!(inspected["steps"], Value::from(vec![2, 4]));
    assert_eq!(
        (&inspected["last"], &inspected["parameters"]),
        (&4.into(), &6112.into())
    );
    assert_eq!(inspected["model"]["kind"], "transformer");
    assert_eq!(
        keys(&inspected["vocabulary"]),
        ["shared", "source", "target"]
    );
    assert!(inspected["best_validation"]["perplexity"].as_f64().unwrap() > 1.0);

    let ran = place.run(&["check", "tiny.toml", "--json"]);
    let checked: Value = serde_json::from_str(&ran.succeeds()).unwrap();
    let expected = [
        "batches",
        "longest",
        "memory_mib",
        "parameters",
        "test_pairs",
        "train",
        "valid",
        "vocabulary",
        "warnings",
    ];
    assert_eq!(keys(&checked), expected);
    assert_eq!(
        (&checked["parameters"], &checked["test_pairs"]),
        (&6112.into(), &3.into())
    );
    let train = &checked["train"];
    assert_eq!((&train["read"], &train["kept"]), (&200.into(), &200.into()));
    assert_eq!(checked["warnings"], Value::Array(Vec::new()));
    place.write("held-out.tsv", "a b c\ta b c\nA\tZ Z\n");
    let ran = place.run(&["check", "tiny.toml", "--json"]);
    let checked: Value = serde_json::from_str(&ran.succeeds()).unwrap();
    let warnings = strings(&checked["warnings"]);
    assert!(
        warnings
            .iter()
            .any(|warning| warning.contains("the vocabulary cannot spell")),
        "{warnings:?}"
    );
}

#[test]
fn shells_are_told_how_to_complete() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = place.run(&["completions", shell]).succeeds();
        for word in ["translate", "length-penalty", "n-best"] {
            assert!(script.contains(word), "no `{word}` for {shell}");
        }
    }
    place
        .run(&["completions", "dish"])
        .fails(&["invalid value 'dish'", "bash"]);
    let version = place.run(&["--version"]).succeeds();
    assert!(version.starts_with("regard 0."), "{version}");
}
