//! `compare`: runs side by side, by the length of the sources.

use std::fs;

use serde_json::Value;

use crate::support::Place;

/// Two runs that differ, and a test set of 60 lines of 2 to 6 letters.
fn place() -> Place {
    let place = Place::with_run();
    place.copy_run("runs/tiny", "runs/other");
    place
        .run(&[
            "train",
            "tiny.toml",
            "--run",
            "elsewhere/third",
            "--seed",
            "2",
        ])
        .succeeds();
    let line = |i: usize| {
        let places = (0..2 + i % 5).map(|j| (i * 5 + j * 3) % 26);
        let letters = places.map(|place| &"abcdefghijklmnopqrstuvwxyz"[place..=place]);
        letters.collect::<Vec<_>>().join(" ")
    };
    let lines: Vec<String> = (0..60).map(line).collect();
    place.write("source", lines.join("\n") + "\n");
    place.write("reference", lines.join("\n") + "\n");
    let both = lines.iter().map(|line| format!("{line}\t{line}\n"));
    place.write("both.tsv", both.collect::<String>());
    place
}

const FILES: [&str; 4] = ["--source", "source", "--reference", "reference"];

fn compare<'a>(runs: &[&'a str], rest: &[&'a str]) -> Vec<&'a str> {
    [&["compare"], runs, rest].concat()
}

#[test]
fn the_table_names_every_run_and_says_what_it_found() {
    let place = place();
    let runs = ["runs/tiny", "elsewhere/third/"];
    let ran = place.run(&compare(&runs, &FILES));
    ran.says(&[
        "tiny: translating 60 sentences",
        "third: translating 60 sentences",
    ]);
    let table = ran.succeeds();
    for part in [
        "words  sentences  run    ",
        "\nall    60         tiny ",
        "\nthird  transformer       6,112  ",
        "BLEU nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp",
        "\nFrom the shortest sources (2 to",
    ] {
        assert!(table.contains(part), "no `{part}` in {table}");
    }
    let from_tsv = compare(&runs, &["--tsv", "both.tsv", "-q"]);
    let ran = place.run(&from_tsv);
    assert_eq!(ran.stderr, "");
    // All but the speed of decoding is the same.
    let without_facts = |table: &str| -> Vec<String> {
        let lines = table.lines().filter(|line| !line.contains("transformer"));
        lines.map(str::to_owned).collect()
    };
    let again = ran.succeeds();
    assert_eq!(without_facts(&again)[..12], without_facts(&table)[..12]);

    let edges = compare(&["runs/tiny"], &["--tsv", "both.tsv", "--edges", "3,6"]);
    let table = place.run(&edges).succeeds();
    for words in ["\n2 ", "\n3-5 ", "\n6 ", "\nall "] {
        assert!(table.contains(words), "no `{words}` in {table}");
    }
}

#[test]
fn json_agrees_with_training_and_with_evaluate() {
    let place = place();
    place.copy_run("runs/tiny", "runs/untimed");
    for file in ["timing.jsonl", "checkpoints/step-000004/state.json"] {
        fs::remove_file(place.path("runs/untimed").join(file)).unwrap();
    }
    let runs = ["runs/tiny", "runs/untimed"];
    let compared = |rest: &[&str]| -> Value {
        let arguments = [compare(&runs, rest), vec!["--json", "--checkpoint", "last"]].concat();
        serde_json::from_str(&place.run(&arguments).succeeds()).unwrap()
    };
    let json = compared(&FILES);
    let run = &json["runs"][0];
    assert_eq!(
        (run["run"].as_str(), run["model"].as_str()),
        (Some("tiny"), Some("transformer"))
    );
    assert_eq!(run["parameters"], 6112);
    let positive = |key: &str| run[key].as_f64().unwrap() > 0.0;
    assert!(
        positive("training_seconds") && positive("training_tokens_per_second"),
        "{run}"
    );
    assert!(positive("decoding_tokens_per_second"), "{run}");
    let unknown = &json["runs"][1];
    assert!(unknown["training_seconds"].is_null() && unknown["peak_memory_mib"].is_null());

    let buckets = json["buckets"].as_array().unwrap();
    let counted: u64 = buckets
        .iter()
        .map(|bucket| bucket["sentences"].as_u64().unwrap())
        .sum();
    assert_eq!((json["sentences"].as_u64(), counted), (Some(60), 60));
    for bucket in buckets {
        assert_eq!(bucket["runs"][0]["bleu"], bucket["runs"][1]["bleu"]);
        let interval = bucket["runs"][0]["chrf_interval"].as_array().unwrap();
        assert!(interval[0].as_f64() <= interval[1].as_f64());
    }
    assert!(
        json["finding"]
            .as_str()
            .unwrap()
            .contains("no two runs differ"),
        "{json}"
    );

    let arguments = [
        &["evaluate", "runs/tiny", "--checkpoint", "last", "--json"] as &[_],
        &FILES,
    ]
    .concat();
    let evaluated: Value = serde_json::from_str(&place.run(&arguments).succeeds()).unwrap();
    for metric in ["bleu", "chrf"] {
        assert_eq!(run[metric], evaluated[metric]["score"], "{metric}");
        assert_eq!(json["signatures"][metric], evaluated[metric]["signature"]);
    }
    assert_eq!(run["exact_match"], evaluated["exact_match"]);
    for note in json["notes"].as_array().unwrap() {
        let note = note.as_str().unwrap();
        assert!(!note.contains("do not compare"), "one tokenizer: {note}");
    }

    // The loss of the validation at the last step, on the same text.
    let held_out = compared(&["--tsv", "held-out.tsv"]);
    let log = place.text("runs/tiny/validation.jsonl");
    let validation: Value = serde_json::from_str(log.lines().last().unwrap()).unwrap();
    let perplexity = held_out["runs"][0]["perplexity"].as_f64().unwrap();
    let expected = validation["perplexity"].as_f64().unwrap();
    assert!(
        (perplexity / expected - 1.0).abs() < 1e-5,
        "{perplexity} {expected}"
    );
}

#[test]
fn steps_between_the_lines_of_the_log_cost_something_too() {
    let place = Place::new();
    let train = ["train", "tiny.toml", "--set", "train.log_every=50"];
    place.run(&train).succeeds();
    assert_eq!(place.text("runs/tiny/timing.jsonl"), "");
    let arguments = compare(&["runs/tiny"], &["--tsv", "held-out.tsv", "--json"]);
    let json: Value = serde_json::from_str(&place.run(&arguments).succeeds()).unwrap();
    let state = place.text("runs/tiny/checkpoints/step-000004/state.json");
    let state: Value = serde_json::from_str(&state).unwrap();
    let run = &json["runs"][0];
    assert_eq!(run["training_seconds"], state["seconds"]);
    let number = |value: &Value| value.as_f64().unwrap();
    let tokens = number(&run["training_tokens_per_second"]) * number(&state["seconds"]);
    let expected = number(&state["logged_tokens"]);
    assert!(
        (tokens / expected - 1.0).abs() < 1e-9,
        "{tokens} {expected}"
    );
}

#[test]
fn case_counts_unless_it_is_taken_away() {
    let place = place();
    let upper = |line: &str| -> String {
        let (source, reference) = line.split_once('\t').unwrap();
        format!("{source}\t{}\n", reference.to_uppercase())
    };
    // References that the run says, but for their case.
    let said = place.run_on(&["translate", "runs/tiny"], place.text("source"));
    let said = said.succeeds();
    let source = place.text("source");
    let lines = source.lines().zip(said.lines());
    let lines = lines.map(|(source, said)| upper(&format!("{source}\t{said}")));
    place.write("upper.tsv", lines.collect::<String>());
    let with = |flags: &[&str]| -> (Value, Value) {
        let rest = [&["--tsv", "upper.tsv", "--json"], flags].concat();
        let read = |arguments: &[&str]| -> Value {
            serde_json::from_str(&place.run(arguments).succeeds()).unwrap()
        };
        let compared = read(&compare(&["runs/tiny"], &rest));
        (
            compared,
            read(&[&["evaluate", "runs/tiny"], rest.as_slice()].concat()),
        )
    };
    let (compared, _) = with(&[]);
    assert!(compared["runs"][0]["exact_match"].as_f64().unwrap() < 100.0);
    let (compared, evaluated) = with(&["--lowercase"]);
    assert_eq!(compared["runs"][0]["exact_match"], 100.0);
    assert_eq!(evaluated["exact_match"], 100.0);
    for metric in ["bleu", "chrf"] {
        let signature = &compared["signatures"][metric];
        assert_eq!(signature, &evaluated[metric]["signature"]);
        assert!(signature.as_str().unwrap().contains("case:lc"));
        assert_eq!(compared["runs"][0][metric], evaluated[metric]["score"]);
    }
}

#[test]
fn seeds_draw_other_intervals_and_no_other_scores() {
    let place = place();
    let with = |seed: &str| -> Value {
        let arguments = compare(
            &["runs/tiny"],
            &["--tsv", "both.tsv", "--json", "--seed", seed],
        );
        let mut json: Value = serde_json::from_str(&place.run(&arguments).succeeds()).unwrap();
        json["runs"][0]["decoding_tokens_per_second"] = Value::Null;
        json
    };
    let [one, again, other] = ["1", "1", "2"].map(with);
    assert_eq!(one, again);
    let run = |json: &Value, key: &str| json["runs"][0][key].clone();
    assert_eq!(run(&one, "chrf"), run(&other, "chrf"));
    assert_ne!(run(&one, "chrf_interval"), run(&other, "chrf_interval"));
}

#[test]
fn the_page_stands_alone_and_takes_any_text() {
    let place = place();
    let evil = "<script>alert(\"1\")</script> & a\tb </bdi>\n";
    place.write("evil.tsv", evil.repeat(3));
    let files = [("both.tsv", "page.html", 2), ("evil.tsv", "evil.html", 1)];
    for (tsv, html, sentences) in files {
        let runs = ["runs/tiny", "runs/other", "elsewhere/third"];
        let table = place
            .run(&compare(&runs, &["--tsv", tsv, "--html", html]))
            .succeeds();
        let page = place.text(html);
        let finding = table.lines().last().unwrap();
        assert!(page.contains(finding), "no `{finding}` in {page}");
        for foreign in ["http:", "https:", "<script", "<link", "url(", "</bdi> "] {
            assert!(!page.contains(foreign), "`{foreign}` in {html}");
        }
        // 60 sentences of five lengths fill two buckets, sentences of one length are one; each has its example.
        let maps = page.matches("<svg class=\"heat\"").count();
        assert_eq!(maps, runs.len() * sentences, "{html}");
        assert_eq!(page.matches("<svg class=\"chart\"").count(), 4);
    }
    assert!(place.text("evil.html").contains("&lt;script&gt;alert("));
    place
        .run(&compare(
            &["runs/tiny"],
            &["--tsv", "both.tsv", "--html", "nowhere/page.html"],
        ))
        .fails(&["cannot write `nowhere/page.html`"]);
}

#[test]
fn what_is_wrong_with_the_command_line_is_told_before_anything_is_translated() {
    let place = place();
    fs::create_dir(place.path("taken")).unwrap();
    let cases: [(&[&str], &str); 3] = [
        (&["--edges", "9,3"], "edges of buckets must ascend"),
        (
            &["--html", "nowhere/page.html"],
            "cannot write `nowhere/page.html`",
        ),
        (&["--html", "taken"], "cannot write `taken`"),
    ];
    for (flags, error) in cases {
        let rest = [&["--tsv", "both.tsv"], flags].concat();
        let ran = place.run(&compare(&["runs/tiny"], &rest));
        ran.fails(&[error]);
        assert!(!ran.stderr.contains("translating"), "{ran:#?}");
    }
    // A page that stands there stays until there is a better one.
    place.write("page.html", "old");
    let rest = ["--tsv", "empty.tsv", "--html", "page.html"];
    place
        .run(&compare(&["runs/tiny"], &rest))
        .fails(&["empty.tsv"]);
    assert_eq!(place.text("page.html"), "old");
}

/// The place of the page goes while the program waits for its sentences.
#[cfg(unix)]
#[test]
fn a_page_that_cannot_be_written_in_the_end_takes_no_number_with_it() {
    let place = place();
    fs::create_dir(place.path("pages")).unwrap();
    let made = std::process::Command::new("mkfifo")
        .arg(place.path("pipe"))
        .status();
    assert!(made.unwrap().success());
    let rest = ["--tsv", "pipe", "--html", "pages/page.html"];
    let program = std::process::Command::new(crate::support::PROGRAM)
        .current_dir(place.path(""))
        .args(compare(&["runs/tiny"], &rest))
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // Opening waits for the program to read.
    let mut pipe = fs::OpenOptions::new()
        .write(true)
        .open(place.path("pipe"))
        .unwrap();
    fs::remove_dir(place.path("pages")).unwrap();
    std::io::Write::write_all(&mut pipe, &place.read("both.tsv")).unwrap();
    drop(pipe);
    let ran = crate::support::Ran::new(&program.wait_with_output().unwrap());
    ran.fails(&["cannot write `pages/page.html`"]);
    assert!(
        ran.stdout.contains("\nFrom the shortest sources"),
        "{ran:#?}"
    );
}

#[test]
fn a_run_without_attention_says_so_beside_one_with() {
    let place = Place::with_model("kind = \"bahdanau\"\nd_model = 8\n");
    place
        .run(&["train", "tiny.toml", "--run", "runs/attentive"])
        .succeeds();
    let text = place.text("tiny.toml").replace("bahdanau", "bottleneck");
    place.write("tiny.toml", text);
    place
        .run(&["train", "tiny.toml", "--run", "runs/fixed"])
        .succeeds();
    let files = ["--tsv", "held-out.tsv", "--html", "page.html"];
    let runs = ["runs/attentive", "runs/fixed"];
    let table = place.run(&compare(&runs, &files)).succeeds();
    assert!(
        table.contains("bottleneck") && table.contains("bahdanau"),
        "{table}"
    );
    let page = place.text("page.html");
    let without = page.matches("Nothing crosses from the source").count();
    assert!((1..=3).contains(&without), "once a sentence: {without}");
    let said = place.run(&["attend", "runs/fixed", "a b"]).succeeds();
    assert!(said.contains("no attention"), "{said}");

    // Attention that has nothing to say is attention still.
    let config = place.text("runs/attentive/config.toml");
    let lines = config.lines().map(|line| match line.split_once(" = ") {
        Some(("max_target_ratio", _)) => "max_target_ratio = 1e-9",
        Some(("max_target_extra", _)) => "max_target_extra = 0",
        _ => line,
    });
    let lines: Vec<&str> = lines.collect();
    place.write("runs/attentive/config.toml", lines.join("\n"));
    place.run(&compare(&runs, &files)).succeeds();
    let page = place.text("page.html");
    assert_eq!(
        page.matches("Nothing crosses from the source").count(),
        without
    );
    assert_eq!(page.matches("No token was said").count(), without);
}

#[test]
fn runs_with_other_tokenizers_are_compared_and_empty_lines_counted() {
    let place = place();
    let character = ["--run", "letters", "--set", "tokenizer.kind=character"];
    place
        .run(&[&["train", "tiny.toml"] as &[_], &character].concat())
        .succeeds();
    place.write("gaps.tsv", "a b\ta b\n\t\n   \t\nc\tc\n");
    let runs = ["runs/tiny", "letters"];
    let arguments = compare(
        &runs,
        &["--tsv", "gaps.tsv", "--json", "--html", "page.html"],
    );
    let json: Value = serde_json::from_str(&place.run(&arguments).succeeds()).unwrap();
    assert_eq!(json["sentences"], 4);
    let [tiny, letters] = [0, 1].map(|i| json["runs"][i]["exact_match"].as_f64().unwrap());
    assert!(
        tiny >= 50.0 && letters >= 50.0,
        "the empty lines are right: {json}"
    );
    assert!(
        json["notes"].to_string().contains("do not compare"),
        "{json}"
    );
}

#[test]
fn what_cannot_be_compared_is_named() {
    let place = place();
    place.write("short", "a b\n");
    place.write("empty", "");
    let tsv = ["--tsv", "both.tsv"];
    let fails = |runs: &[&str], rest: &[&str], parts: &[&str]| {
        place.run(&compare(runs, rest)).fails(parts);
    };
    fails(&[], &tsv, &["<RUN>..."]);
    fails(
        &["runs/tiny", "./runs/tiny/"],
        &tsv,
        &["two runs are called `tiny`"],
    );
    fails(
        &["runs/tiny", "nowhere"],
        &tsv,
        &["`nowhere` is not a run directory", "hint: name a directory"],
    );
    fails(
        &["runs/tiny"],
        &[],
        &["nothing to evaluate on; give --source and --reference, or --tsv"],
    );
    fails(
        &["runs/tiny"],
        &["--source", "source", "--reference", "short"],
        &["`source` has 60 lines but `short` has 1"],
    );
    fails(&["runs/tiny"], &["--source", "source"], &["--reference"]);
    fails(&["runs/tiny"], &["--tsv", "empty"], &["`empty` is empty"]);
    fails(
        &["runs/tiny"],
        &["--source", "empty", "--reference", "empty"],
        &["`empty` is empty"],
    );
    for edges in ["9,3", "3,3"] {
        fails(
            &["runs/tiny"],
            &["--tsv", "both.tsv", "--edges", edges],
            &["edges of buckets must ascend"],
        );
    }
    fails(
        &["runs/tiny"],
        &["--tsv", "both.tsv", "--edges", "3,x"],
        &["invalid value 'x'"],
    );
    fails(
        &["runs/tiny"],
        &["--tsv", "both.tsv", "--checkpoint", "3"],
        &["`runs/tiny` has no checkpoint at step 3"],
    );
    place.write("runs/other/timing.jsonl", "{\"step\":2}\n");
    fails(&["runs/other"], &tsv, &["timing.jsonl` is damaged"]);
}

#[test]
fn a_directory_without_a_name_of_its_own_is_called_by_its_real_one() {
    let place = place();
    place.copy_run("runs/tiny", "run");
    // From within, a run is `.`.
    place.write("run/both.tsv", place.text("both.tsv"));
    let output = assert_cmd::Command::new(crate::support::PROGRAM)
        .current_dir(place.path("run"))
        .args(compare(&["."], &["--tsv", "both.tsv"]))
        .output()
        .unwrap();
    let table = crate::support::Ran::new(&output).succeeds();
    assert!(table.contains("\nrun  transformer"), "{table}");
}
