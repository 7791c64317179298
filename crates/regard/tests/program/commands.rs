//! The commands around training and translating.

use serde_json::Value;

use crate::support::{Place, keys};

#[test]
fn evaluate_scores_files() {
    let place = Place::new();
    place.write("hypothesis", "the cat sat on a mat\na b c d\n");
    place.write("reference", "the cat sat on the mat\na b c d\n");
    let files = [
        "evaluate",
        "--hypothesis",
        "hypothesis",
        "--reference",
        "reference",
    ];
    let json = place
        .run(&[files.as_slice(), &["--json"]].concat())
        .succeeds();
    let json: Value = serde_json::from_str(&json).unwrap();
    let scores = ["bleu", "chrf", "chrf++", "ter", "wer", "cer"];
    let mut expected = [&scores[..], &["exact_match", "sentences"]].concat();
    expected.sort_unstable();
    assert_eq!(keys(&json), expected);
    for score in scores {
        assert_eq!(keys(&json[score]), ["score", "signature"], "{score}");
    }
    // One of ten words, one of 28 characters with blanks.
    assert_eq!(json["wer"]["score"], 10.0);
    assert_eq!(json["ter"]["score"], 10.0);
    let chrf = json["chrf"]["score"].as_f64().unwrap();
    assert!((60.0..90.0).contains(&chrf), "{chrf}");
    assert_eq!(
        (&json["exact_match"], &json["sentences"]),
        (&Value::from(50.0), &Value::from(2))
    );
    let bleu = json["bleu"]["score"].as_f64().unwrap();
    assert!((50.0..90.0).contains(&bleu), "{bleu}");

    place
        .run(&[files.as_slice(), &["--min-bleu", "50"]].concat())
        .succeeds();
    let ran = place.run(&[files.as_slice(), &["--min-bleu", "90"]].concat());
    assert_eq!(ran.code, Some(1), "{ran:#?}");
    ran.says(&["is below the 90 asked for"]);
    for part in ["chrF2 ", "exact match 50.0 %"] {
        assert!(ran.stdout.contains(part), "{ran:#?}");
    }
    let lowercase = [files.as_slice(), &["--json", "--lowercase"]].concat();
    let json: Value = serde_json::from_str(&place.run(&lowercase).succeeds()).unwrap();
    for metric in ["bleu", "chrf"] {
        assert!(
            json[metric]["signature"]
                .as_str()
                .unwrap()
                .contains("case:lc")
        );
    }
    for nonsense in ["nan", "-1", "x"] {
        let flag = format!("--min-bleu={nonsense}");
        place
            .run(&[files.as_slice(), &[&flag]].concat())
            .fails(&["expected a number from 0 to 100"]);
    }
}

#[test]
fn evaluate_takes_several_references_and_another_system() {
    let place = Place::new();
    place.write("system", "the cat sat on a mat\na b c d\n".repeat(20));
    place.write("worse", "the dog lay on a rug\na b c x\n".repeat(20));
    place.write("first", "the cat sat on the mat\na b c d\n".repeat(20));
    place.write("second", "the cat sat on a mat\na b x y\n".repeat(20));
    let files = ["evaluate", "--hypothesis", "system", "--reference", "first"];
    let both = [&files[..], &["--reference", "second", "--json"]].concat();
    let json: Value = serde_json::from_str(&place.run(&both).succeeds()).unwrap();
    for (score, best) in [
        ("bleu", 100.0),
        ("chrf++", 100.0),
        ("ter", 0.0),
        ("wer", 0.0),
    ] {
        let found = json[score]["score"].as_f64().unwrap();
        assert!((found - best).abs() < 1e-9, "{score}: {found}");
        let signature = json[score]["signature"].as_str().unwrap();
        assert!(signature.starts_with("nrefs:2|"), "{signature}");
    }
    assert_eq!(json["exact_match"], 100.0);

    let settings = ["--tokenize", "char", "--smooth", "add-k=0.5", "--json"];
    let json = place.run(&[&files[..], &settings].concat()).succeeds();
    let json: Value = serde_json::from_str(&json).unwrap();
    let signature = json["bleu"]["signature"].as_str().unwrap();
    assert!(
        signature.contains("|tok:char|smooth:add-k[0.50]|"),
        "{signature}"
    );

    for test in ["bootstrap", "randomisation"] {
        let against = ["--against", "worse", "--test", test];
        let told = place.run(&[&files[..], &against].concat()).succeeds();
        assert_eq!(told.matches("p = 0.00").count(), 4, "{told}");
        let itself = ["--against", "system", "--test", test];
        let told = place.run(&[&files[..], &itself].concat()).succeeds();
        assert_eq!(told.matches("+0.00 against").count(), 4, "{told}");
        assert_eq!(told.matches("p = 1.0000").count(), 4, "{told}");
    }
    for (flag, problem) in [
        (
            "--tokenize=ja",
            "expected one of 13a, intl, char, zh, none, got `ja`",
        ),
        (
            "--smooth=floor=-1",
            "expected a number from 0 behind `floor=`, got `-1`",
        ),
        (
            "--smooth=exp=2",
            "expected exp, none, floor, floor=X, add-k or add-k=X",
        ),
        ("--against=missing", "cannot read `missing`"),
    ] {
        place.run(&[&files[..], &[flag]].concat()).fails(&[problem]);
    }
    place.write("short", "one line\n");
    let unequal = [&files[..], &["--reference", "short"]].concat();
    place.run(&unequal).fails(&["short"]);
    let unequal = [&files[..], &["--against", "short"]].concat();
    place
        .run(&unequal)
        .fails(&["1 hypothesis lines but 40 reference lines"]);
}

#[test]
fn evaluate_refuses_what_cannot_be_compared() {
    let place = Place::with_run();
    place.write("three", "a\nb\nc\n");
    place.write("two", "a\n\n");
    place.write("none", "");
    place.write("bytes", b"a\n\xff\n");
    let two = ["evaluate", "--reference", "two"];
    let counts = "`three` has 3 lines but `two` has 2";
    place
        .run(&[two.as_slice(), &["--hypothesis", "three"]].concat())
        .fails(&[counts]);
    place
        .run(&[two.as_slice(), &["runs/tiny", "--source", "three"]].concat())
        .fails(&[counts]);
    place
        .run(&[two.as_slice(), &["--hypothesis", "bytes"]].concat())
        .fails(&["line 2 of `bytes` is not valid UTF-8"]);
    place
        .run(&[two.as_slice(), &["--hypothesis", "nowhere"]].concat())
        .fails(&["cannot read `nowhere`"]);
    place
        .run(&["evaluate", "--hypothesis", "none", "--reference", "none"])
        .fails(&["`none` is empty"]);
    place
        .run(&["evaluate", "runs/tiny", "--tsv", "two"])
        .fails(&["line 1 of `two`: expected 2 columns, got 1"]);
    place
        .run(&["evaluate", "runs/tiny"])
        .fails(&["nothing to evaluate on; give --source and --reference, or --tsv"]);
    place.run(&["evaluate"]).fails(&[]);
}

#[test]
fn evaluate_translates_and_drops_no_line() {
    let place = Place::with_run();
    place.write("source", "a b\n\nc\n");
    place.write("reference", "a b\n\nc\n");
    let evaluate = [
        "evaluate",
        "runs/tiny",
        "--source",
        "source",
        "--reference",
        "reference",
        "--json",
    ];
    let json: Value = serde_json::from_str(&place.run(&evaluate).succeeds()).unwrap();
    assert_eq!(json["sentences"], Value::from(3));
    let exact = json["exact_match"].as_f64().unwrap();
    assert!(exact > 33.0, "the empty line is right: {exact}");
}

#[test]
fn attend_draws_a_map() {
    let place = Place::with_run();
    let drawn = place.run(&["attend", "runs/tiny", "a b c"]).succeeds();
    assert!(drawn.starts_with("cross-attention"), "{drawn}");
    assert_eq!(
        place.run_on(&["attend", "runs/tiny"], "a b c\n").succeeds(),
        drawn
    );
    for unknown in [
        "\u{e9}\u{df}",
        "\u{0}",
        "</s>",
        "\u{4e2d}\u{6587} \u{1f980}",
    ] {
        let drawn = place.run_on(&["attend", "runs/tiny"], unknown).succeeds();
        assert!(drawn.starts_with("cross-attention"), "{drawn}");
    }
}

#[test]
fn attend_needs_a_sentence() {
    let place = Place::with_run();
    for nothing in ["", "\n", " \t\n"] {
        place
            .run_on(&["attend", "runs/tiny"], nothing)
            .fails(&["no sentence to translate"]);
    }
    place
        .run(&["attend", "runs/tiny", ""])
        .fails(&["no sentence to translate"]);
}

#[test]
fn inspect_tells_what_a_run_holds() {
    let place = Place::with_run();
    let stdout = place.run(&["inspect", "runs/tiny"]).succeeds();
    for part in [
        "model: 6112 parameters",
        "d_model = 16",
        "vocabulary: 30 source, 30 target (one)",
        "checkpoints: steps [2, 4], last 4",
        "best validation: step",
    ] {
        assert!(stdout.contains(part), "no `{part}` in {stdout}");
    }
    place.write("runs/tiny/validation.jsonl", "{\"step\":2}\n");
    place
        .run(&["inspect", "runs/tiny"])
        .fails(&["validation.jsonl` is damaged"]);
}

#[test]
fn data_writes_three_files() {
    let place = Place::new();
    let data = |out: &str, seed: &str| {
        place
            .run(&[
                "data",
                "reverse",
                "--out",
                out,
                "--pairs",
                "50",
                "--max-length",
                "7",
                "--seed",
                seed,
            ])
            .succeeds();
        ["train", "valid", "test"].map(|split| place.text(&format!("{out}/{split}.tsv")))
    };
    let files = data("one", "1");
    assert_eq!(files[0].lines().count(), 50);
    assert!(files[0].lines().all(|line| line.split('\t').count() == 2));
    assert_eq!(data("again", "1"), files, "the same seed is the same data");
    assert_ne!(data("other", "2"), files);
}

#[test]
fn data_refuses_impossible_sizes_and_leaves_nothing() {
    let place = Place::new();
    for (arguments, reason) in [
        (
            ["copy", "--max-length", "1"],
            "task `copy` has too few different train pairs",
        ),
        (
            ["toy", "--max-length", "2"],
            "task `toy` cannot keep to `max_length`: expected at least 3, got 2",
        ),
        (
            ["sort", "--pairs", "0"],
            "expected a whole number from 1, got `0`",
        ),
        (["sort", "--pairs", "-3"], "-3"),
    ] {
        let arguments = [["data", "--out", "out"].as_slice(), &arguments].concat();
        place.run(&arguments).fails(&[reason]);
    }
    assert!(!place.path("out").exists());
    place.write("file", "");
    place
        .run(&["data", "copy", "--pairs", "3", "--out", "file/out"])
        .fails(&["cannot create `file/out`", "caused by: Not a directory"]);
}

#[test]
fn a_profile_accounts_for_the_whole_step() {
    let place = Place::new();
    let shape = [
        "--layers",
        "1",
        "--d-model",
        "8",
        "--d-ff",
        "16",
        "--n-heads",
        "2",
    ];
    let mut arguments = vec![
        "bench",
        "train",
        "--profile",
        "--vocabulary",
        "20",
        "--steps",
        "3",
    ];
    arguments.extend(shape);
    let printed = place.run(&arguments).succeeds();
    for line in [
        "matrix products",
        "norm, backward",
        "Adam",
        "everything else",
    ] {
        assert!(printed.contains(line), "no `{line}` in {printed}");
    }

    arguments.push("--json");
    let printed: Value = serde_json::from_str(&place.run(&arguments).succeeds()).unwrap();
    let lines = printed["profile"]["lines"].as_array().unwrap();
    let calls = |name: &str| {
        let line = lines.iter().find(|line| line["name"] == name).unwrap();
        line["calls"].to_string()
    };
    // The encoder layer has two maps for attention and two for feed-forward, the decoder layer three more for its second
    // attention.
    assert_eq!(calls("linear"), "11.0");
    assert_eq!(calls("attention"), "3.0");
    assert!(printed["profile"]["gflop"].as_f64().unwrap() > 0.0);
    assert!(
        lines
            .iter()
            .all(|line| line["milliseconds"].as_f64().unwrap() >= 0.0)
    );
}

/// Lengths of 8, 7, 5, 4 and 2 tokens leave 26 of 40 positions real.
#[test]
fn bench_multiplies_padding_only_if_told_to() {
    let place = Place::new();
    let measured = |padding: &[&str]| {
        let shape = [
            "bench",
            "train",
            "--json",
            "--profile",
            "--layers",
            "1",
            "--d-model",
            "8",
            "--d-ff",
            "16",
            "--n-heads",
            "2",
            "--vocabulary",
            "20",
            "--batch",
            "5",
            "--source-length",
            "8",
            "--target-length",
            "8",
            "--shortest",
            "2",
            "--steps",
            "1",
        ];
        let printed = place.run(&[&shape, padding].concat()).succeeds();
        let printed: Value = serde_json::from_str(&printed).unwrap();
        let lines = printed["profile"]["lines"].as_array().unwrap();
        let is_unpacked = lines.iter().any(|line| line["name"] == "padding rows");
        (is_unpacked, printed["profile"]["gflop"].as_f64().unwrap())
    };
    let [skipped, computed, default] = [
        ["--padding", "skipped"].as_slice(),
        &["--padding", "computed"],
        &[],
    ]
    .map(measured);
    assert_eq!(default, skipped);
    assert!(skipped.0 && !computed.0, "{skipped:?}, {computed:?}");
    // The output map meets real tokens alone on either side.
    let output = 3.0 * 2.0 * 26.0 * 8.0 * 20.0 / 1e9;
    let share = (skipped.1 - output) / (computed.1 - output);
    assert!((share - 26.0 / 40.0).abs() < 1e-9, "{share}");
}

#[test]
fn a_profile_of_search_accounts_for_a_step() {
    let place = Place::new();
    let mut arguments = vec!["bench", "decode", "--profile", "--steps", "2"];
    arguments.extend(["--layers", "2", "--d-model", "8", "--d-ff", "16"]);
    arguments.extend(["--n-heads", "2", "--vocabulary", "20", "--batch", "3"]);
    let printed = place.run(&arguments).succeeds();
    for line in ["matrix products", "everything else", "weights read at"] {
        assert!(printed.contains(line), "no `{line}` in {printed}");
    }

    arguments.push("--json");
    let printed: Value = serde_json::from_str(&place.run(&arguments).succeeds()).unwrap();
    let profile = &printed["profile"];
    let lines = profile["lines"].as_array().unwrap();
    let calls = |name: &str| {
        let line = lines.iter().find(|line| line["name"] == name).unwrap();
        line["calls"].to_string()
    };
    // A step runs two decoder layers of six maps and two attentions each, and the output map; the encoder is not counted.
    assert_eq!(calls("linear"), "13.0");
    assert_eq!(calls("attention"), "4.0");
    assert_eq!(calls("choice of a token"), "1.0");
    let gflop = profile["gflop"].as_f64().unwrap();
    let weights = 2 * (8 * 24 + 3 * 8 * 8 + 2 * 8 * 16) + 8 * 20;
    assert!(
        (gflop * 1e9 - f64::from(2 * 3 * weights)).abs() < 0.5,
        "{gflop}"
    );
}

#[test]
fn bench_prints_its_keys() {
    let place = Place::new();
    let shape = [
        "--json",
        "--layers",
        "1",
        "--d-model",
        "8",
        "--d-ff",
        "16",
        "--n-heads",
        "2",
        "--vocabulary",
        "20",
        "--batch",
        "2",
        "--source-length",
        "9",
        "--target-length",
        "5",
        "--steps",
        "2",
    ];
    for (what, expected) in [
        (
            "train",
            [
                "parameters",
                "peak_memory_mib",
                "seconds_per_step",
                "target_tokens_per_second",
            ]
            .as_slice(),
        ),
        (
            "decode",
            &[
                "peak_memory_mib",
                "sentences_per_second",
                "target_tokens_per_second",
            ],
        ),
    ] {
        let stdout = place
            .run(&[["bench", what].as_slice(), &shape].concat())
            .succeeds();
        let json: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(keys(&json), expected, "bench {what}");
        assert!(json["target_tokens_per_second"].as_f64().unwrap() > 0.0);
    }
}

/// Of a deep and narrow model, nearly all memory is activations.
#[test]
fn layers_that_compute_again_keep_less() {
    let place = Place::new();
    let shape = "bench train --json --profile --steps 1 --layers 8 --d-model 32 --d-ff 128 --n-heads 2 --vocabulary 20 \
                 --batch 64 --source-length 64 --target-length 64";
    let measured = |more: &[&str]| {
        let arguments: Vec<&str> = shape
            .split_whitespace()
            .chain(more.iter().copied())
            .collect();
        let printed: Value = serde_json::from_str(&place.run(&arguments).succeeds()).unwrap();
        let gflop = printed["profile"]["gflop"].as_f64().unwrap();
        (gflop, printed["peak_memory_mib"].as_f64())
    };
    let (kept, again) = (measured(&[]), measured(&["--recompute"]));
    // A third pass beside the forward and the backward one, which is twice as much; keys and values of the source, the
    // embedding and the output map have none.
    let more = again.0 / kept.0;
    assert!(1.25 < more && more < 4.0 / 3.0, "{more} times the products");
    if let (Some(kept), Some(again)) = (kept.1, again.1) {
        assert!(again < 0.5 * kept, "{again} MiB, and {kept} MiB without");
    }
    place
        .run(&["bench", "train", "--model", "luong", "--recompute"])
        .fails(&["`--recompute`: a model of kind luong keeps little between layers"]);
}

#[test]
fn bench_refuses_impossible_shapes() {
    let place = Place::new();
    for what in ["train", "decode"] {
        let shape = [
            "--vocabulary",
            "3",
            "--batch",
            "0",
            "--d-model",
            "10",
            "--n-heads",
            "3",
            "--d-ff",
            "99999999999999",
        ];
        place
            .run(&[["bench", what].as_slice(), &shape].concat())
            .fails(&[
                "vocabulary: expected at least 5, got 3",
                "batch: expected at least 1, got 0",
                "d_model: expected a multiple of n_heads = 3, got 10",
                "expected at most 2.1e9 parameters",
            ]);
    }
}
