//! What training does besides updates: averages, fine-tuning, measures of the best, early ends, full disks.

use std::fs;

use regard_decode::TensorFile;
use serde_json::Value;

use crate::support::{PROGRAM, Place, Ran, TINY};

fn validations(place: &Place, run: &str) -> Vec<Value> {
    place
        .text(&format!("{run}/validation.jsonl"))
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The losses in a log.
fn nats(place: &Place, run: &str) -> Vec<f64> {
    let text = place.text(&format!("{run}/log.jsonl"));
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| line["nats"].as_f64().unwrap()).collect()
}

fn tensors(place: &Place, name: &str) -> Vec<(String, Vec<f32>)> {
    let file = TensorFile::read(&place.path(name)).unwrap();
    file.into_tensors()
        .map(|tensor| (tensor.name, tensor.values))
        .collect()
}

#[test]
fn an_average_is_the_mean_of_its_checkpoints() {
    let place = Place::with_run();
    place
        .run(&["average", "runs/tiny", "--last", "2"])
        .says(&["averaged the checkpoints at steps [2, 4]"]);
    let at = |name: &str| {
        tensors(
            &place,
            &format!("runs/tiny/checkpoints/{name}/model.safetensors"),
        )
    };
    let (two, four, average) = (at("step-000002"), at("step-000004"), at("average"));
    assert!(two.len() > 10);
    for ((a, b), (name, mean)) in two.iter().zip(&four).zip(&average) {
        assert_eq!((&a.0, &b.0), (name, name));
        for ((a, b), &mean) in a.1.iter().zip(&b.1).zip(mean) {
            let expected = f64::midpoint(f64::from(*a), f64::from(*b));
            assert!(
                (f64::from(mean) - expected).abs() <= 1e-7 * expected.abs(),
                "{name}"
            );
        }
    }

    // It is what the run translates with from here on.
    let translate = |more: &[&str]| {
        let arguments = [["translate", "runs/tiny"].as_slice(), more].concat();
        place.run_on(&arguments, "a b c\n").succeeds()
    };
    assert_eq!(translate(&[]), translate(&["--checkpoint", "average"]));
    place.run(&["inspect", "runs/tiny"]).succeeds();
    let inspected = place.run(&["inspect", "runs/tiny"]).succeeds();
    assert!(
        inspected.contains("steps [2, 4], last 4, and an average"),
        "{inspected}"
    );

    // Training on makes it one of another run.
    place
        .run(&["train", "tiny.toml", "--resume", "--set", "train.steps=6"])
        .succeeds();
    assert!(!place.path("runs/tiny/checkpoints/average").exists());
    place
        .run_on(
            &["translate", "runs/tiny", "--checkpoint", "average"],
            "a\n",
        )
        .fails(&[
            "`runs/tiny` has no checkpoint `average`",
            "hint: write it with `regard average RUN`",
        ]);
}

#[test]
fn averages_ask_for_checkpoints_that_are_there() {
    let place = Place::with_run();
    place
        .run(&["average", "runs/tiny", "--best", "1"])
        .succeeds();
    let best = place.text("runs/tiny/checkpoints/best");
    let best = tensors(
        &place,
        &format!("runs/tiny/checkpoints/{}/model.safetensors", best.trim()),
    );
    let average = tensors(&place, "runs/tiny/checkpoints/average/model.safetensors");
    assert_eq!(average, best, "the average of one is itself");

    place.run(&["average", "runs/tiny", "--last", "3"]).fails(&[
        "cannot average 3 checkpoints of `runs/tiny`: there are 2",
        "raise `train.keep`, or ask for fewer",
    ]);
    place
        .run(&["average", "runs/tiny", "--last", "0"])
        .says(&["expected a whole number from 1"]);
    place.run(&["average", "nothing"]).fails(&["`nothing`"]);
}

#[test]
fn training_ends_with_an_average_by_choice() {
    let place = Place::new();
    let train = ["train", "tiny.toml", "--set", "train.average=2"];
    place.run(&train).succeeds();
    let average = place.read("runs/tiny/checkpoints/average/model.safetensors");
    place
        .run(&["average", "runs/tiny", "--last", "2"])
        .succeeds();
    assert_eq!(
        average,
        place.read("runs/tiny/checkpoints/average/model.safetensors")
    );
    place
        .run(&["check", "tiny.toml", "--set", "train.average=9"])
        .fails(&["`train.average`: expected at most keep = 3, got 9"]);
}

#[test]
fn a_moving_average_is_validated_and_kept_beside_the_parameters() {
    let place = Place::new();
    let train = |run: &str, ema: &str| {
        place
            .run(&["train", "tiny.toml", "--run", run, "--set", ema])
            .succeeds();
    };
    train("with", "train.ema=0.9");
    train("without", "train.ema=0");
    // It changes nothing of the training itself.
    for name in ["log.jsonl", "checkpoints/step-000004/model.safetensors"] {
        let read = |run: &str| place.read(&format!("{run}/{name}"));
        assert!(read("with") == read("without"), "{name}");
    }
    assert!(
        !place
            .path("without/checkpoints/step-000004/ema.safetensors")
            .exists()
    );
    assert_ne!(
        place.read("with/checkpoints/step-000004/ema.safetensors"),
        place.read("with/checkpoints/step-000004/model.safetensors")
    );
    assert_ne!(validations(&place, "with"), validations(&place, "without"));

    // Step i decays by at most (1 + i) / (10 + i), and the first parameters are the first average.
    place
        .run(&[
            "train",
            "tiny.toml",
            "--run",
            "every",
            "--set",
            "train.ema=0.9",
            "--set",
            "train.checkpoint_every=1",
            "--set",
            "train.keep=9",
        ])
        .succeeds();
    let at = |step: u32, file: &str| {
        tensors(
            &place,
            &format!("every/checkpoints/step-00000{step}/{file}.safetensors"),
        )
    };
    assert_eq!(at(1, "ema"), at(1, "model"));
    let decay = 3.0_f32 / 12.0;
    for ((old, new), average) in at(1, "ema").iter().zip(&at(2, "model")).zip(&at(2, "ema")) {
        for ((old, new), average) in old.1.iter().zip(&new.1).zip(&average.1) {
            assert!((decay * old + (1.0 - decay) * new - average).abs() < 1e-6);
        }
    }
}

#[test]
fn a_run_begins_with_another_ones_tokenizers_and_weights() {
    let place = Place::with_run();
    let fine = |more: &[&str]| {
        let arguments = ["train", "tiny.toml", "--run", "fine", "--init", "runs/tiny"];
        place.run(&[arguments.as_slice(), more].concat())
    };
    fine(&["--set", "train.steps=1", "--seed", "7"]).succeeds();
    assert_eq!(
        place.read("fine/tokenizer.json"),
        place.read("runs/tiny/tokenizer.json")
    );
    let best = place.text("runs/tiny/checkpoints/best");
    assert_eq!(
        place.read("fine/checkpoints/step-000000/model.safetensors"),
        place.read(&format!(
            "runs/tiny/checkpoints/{}/model.safetensors",
            best.trim()
        ))
    );
    // A run that goes on does not need the other one.
    fs::rename(place.path("runs/tiny"), place.path("runs/gone")).unwrap();
    place
        .run(&[
            "train",
            "tiny.toml",
            "--run",
            "fine",
            "--seed",
            "7",
            "--resume",
            "--set",
            "train.steps=2",
        ])
        .succeeds();
    fine(&["--resume"]).says(&["cannot be used with"]);
    let other = ["train", "tiny.toml", "--run", "other", "--init"];
    place
        .run(&[other.as_slice(), &["runs/none"]].concat())
        .fails(&["`runs/none`"]);
    assert!(!place.path("other/config.toml").exists());
    place
        .run(&[other.as_slice(), &["runs/gone", "--set", "model.d_ff=40"]].concat())
        .fails(&["does not fit the model", "expected shape"]);
}

#[test]
fn a_run_stopped_before_its_first_update_goes_on_with_the_other_ones_weights() {
    let place = Place::with_run();
    let ema = ["--set", "train.ema=0.9"];
    let train = |run: &str, more: &[&str]| {
        place
            .run(&[&["train", "tiny.toml", "--run", run], &ema[..], more].concat())
            .succeeds();
    };
    train("whole", &["--init", "runs/tiny"]);
    // As it is when it is killed in its first steps.
    place.copy_run("whole", "parts");
    for step in ["step-000002", "step-000004"] {
        fs::remove_dir_all(place.path(&format!("parts/checkpoints/{step}"))).unwrap();
    }
    for name in ["best", "last"] {
        fs::remove_file(place.path(&format!("parts/checkpoints/{name}"))).unwrap();
    }
    place.run_on(&["translate", "parts"], "a b\n").succeeds();
    train("parts", &["--resume"]);
    for file in ["model", "ema", "optimizer"] {
        let name = format!("checkpoints/step-000004/{file}.safetensors");
        let read = |run: &str| place.read(&format!("{run}/{name}"));
        assert!(read("whole") == read("parts"), "{name} differs");
    }
    assert_eq!(place.read("whole/log.jsonl"), place.read("parts/log.jsonl"));
}

#[test]
fn the_best_is_what_was_asked_for() {
    let place = Place::new();
    for (best, keys) in [
        ("loss", &[][..]),
        ("perplexity", &[]),
        ("accuracy", &["accuracy"]),
        ("bleu", &["bleu", "chrf"]),
        ("chrf", &["bleu", "chrf"]),
    ] {
        let set = format!("train.best={best}");
        place
            .run(&["train", "tiny.toml", "--run", best, "--set", &set])
            .succeeds();
        for validation in validations(&place, best) {
            for key in ["accuracy", "bleu", "chrf"] {
                let score = validation[key].as_f64();
                assert_eq!(score.is_some(), keys.contains(&key), "{best}: {key}");
                assert!(score.is_none_or(|score| (0.0..=100.0).contains(&score)));
            }
        }
    }
    place
        .run(&["check", "tiny.toml", "--set", "train.best=luck"])
        .fails(&["`train.best`: unknown variant `luck`"]);
}

#[test]
fn training_ends_early_when_nothing_gets_better() {
    let place = Place::new();
    // A model that has learned nothing has a BLEU of 0 at every validation.
    let train = |steps: &str, more: &[&str]| {
        let arguments = [
            "train",
            "tiny.toml",
            "--set",
            "train.best=bleu",
            "--set",
            "train.patience=2",
            "--set",
            steps,
            "--set",
            "train.learning_rate=1e-9",
        ];
        place.run(&[arguments.as_slice(), more].concat())
    };
    train("train.steps=100", &[])
        .says(&["no validation was better in 2 in a row: training ended early"]);
    assert_eq!(place.logged("runs/tiny/validation.jsonl"), [2, 4, 6]);
    assert_eq!(place.text("runs/tiny/checkpoints/best"), "step-000002\n");
    assert_eq!(place.text("runs/tiny/checkpoints/last"), "step-000006\n");
    let log = place.read("runs/tiny/log.jsonl");
    train("train.steps=200", &["--resume"]).says(&["training ended early"]);
    assert_eq!(
        log,
        place.read("runs/tiny/log.jsonl"),
        "there is nothing to go on with"
    );
}

#[test]
fn r_drop_changes_the_loss_and_nothing_of_a_run_without() {
    let place = Place::new();
    let train = |run: &str, set: &[&str]| {
        let set = set.iter().flat_map(|set| ["--set", set]);
        let arguments: Vec<&str> = ["train", "tiny.toml", "--run", run]
            .into_iter()
            .chain(set)
            .collect();
        place.run(&arguments).succeeds();
    };
    train("without", &["model.dropout=0", "model.embedding_dropout=0"]);
    train(
        "alike",
        &[
            "model.dropout=0",
            "model.embedding_dropout=0",
            "train.r_drop=5",
        ],
    );
    train("apart", &["train.r_drop=5"]);
    // Without dropout both passes say the same: the loss is that of one.
    for (one, two) in nats(&place, "without").iter().zip(nats(&place, "alike")) {
        assert!((one - two).abs() < 1e-5 * one, "{one} and {two}");
    }
    assert_ne!(nats(&place, "without"), nats(&place, "apart"));
    place
        .run(&["check", "tiny.toml", "--set", "train.r_drop=-1"])
        .fails(&["`train.r_drop`: expected a number from 0, got -1"]);
}

/// A process that may not write files beyond a size gets an error from the system, as on a full disk.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_last_checkpoint_intact() {
    let place = Place::with_run();
    let before = place.read("runs/tiny/checkpoints/step-000004/model.safetensors");
    let limit = before.len() / 1024 / 2;
    let command = format!(
        "trap '' XFSZ; ulimit -f {limit}; exec {PROGRAM} train tiny.toml --resume --set train.steps=6"
    );
    let output = std::process::Command::new("bash")
        .args(["-c", &command])
        .current_dir(place.path("."))
        .output()
        .unwrap();
    Ran::new(&output).fails(&[
        "cannot write `runs/tiny/checkpoints/",
        "hint: check that the directory exists, is writable and has space left",
    ]);
    assert_eq!(
        place.checkpoints(),
        ["best", "last", "step-000002", "step-000004"]
    );
    assert_eq!(
        before,
        place.read("runs/tiny/checkpoints/step-000004/model.safetensors")
    );
    place
        .run(&["train", "tiny.toml", "--resume", "--set", "train.steps=6"])
        .succeeds();
    let text = TINY.replace("steps = 4", "steps = 6");
    place.write("tiny.toml", text);
    place
        .run(&["train", "tiny.toml", "--run", "whole"])
        .succeeds();
    assert_eq!(
        place.read("whole/checkpoints/step-000006/model.safetensors"),
        place.read("runs/tiny/checkpoints/step-000006/model.safetensors")
    );
}

#[test]
fn computing_layers_again_changes_nothing_but_memory() {
    let place = Place::new();
    for recompute in ["none", "layers"] {
        let set = format!("train.recompute={recompute}");
        let dropout = "model.attention_dropout=0.2";
        place
            .run(&[
                "train",
                "tiny.toml",
                "--run",
                recompute,
                "--set",
                &set,
                "--set",
                dropout,
            ])
            .succeeds();
    }
    for name in ["log.jsonl", "checkpoints/step-000004/model.safetensors"] {
        let read = |run: &str| place.read(&format!("{run}/{name}"));
        assert!(read("none") == read("layers"), "{name} differs");
    }
    let recurrent = Place::with_model("kind = \"luong\"\nd_model = 16");
    recurrent
        .run(&["check", "tiny.toml", "--set", "train.recompute=layers"])
        .fails(&["`train.recompute`: expected `none`", "got `layers`"]);
}

#[cfg(target_os = "linux")]
#[test]
fn the_memory_that_check_measures_is_what_training_needs() {
    let place = Place::new();
    // Large ones: in 40 MiB, most is what the threads' allocator keeps, which depends on when they ran.
    let batches = TINY.replace("pairs = 200", "pairs = 4000");
    place.write("tiny.toml", &batches);
    for (run, sets) in [
        ("batches", ["data.batch_tokens=8192", "model.d_ff=1024"]),
        ("parameters", ["data.batch_tokens=256", "model.d_ff=16384"]),
        ("both", ["data.batch_tokens=4096", "model.d_model=256"]),
    ] {
        let sets = sets.map(|set| ["--set", set]).concat();
        let checked = place.run(&[&["check", "tiny.toml"], &sets[..]].concat());
        let checked = checked.succeeds();
        let (_, behind) = checked.split_once("memory: about ").expect("an estimate");
        let estimate: f64 = behind.split(' ').next().unwrap().parse().unwrap();
        let train = ["train", "tiny.toml", "--run", run];
        place.run(&[&train, &sets[..]].concat()).succeeds();
        let timing = place.text(&format!("{run}/timing.jsonl"));
        let last: Value = serde_json::from_str(timing.lines().last().unwrap()).unwrap();
        let peak = last["peak_memory_mib"].as_f64().unwrap();
        assert!(
            (0.75 * peak..=1.25 * peak).contains(&estimate),
            "{run}: {estimate} MiB were expected, {peak} measured"
        );
    }
}
