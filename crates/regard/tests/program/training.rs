//! `train`: what it leaves behind, and what can come in between.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::support::{PROGRAM, Place, Ran};

/// Far more steps than any test waits for; the logs tell how far it is.
const ENDLESS: [&str; 6] = [
    "train",
    "tiny.toml",
    "--set",
    "train.steps=1000000",
    "--set",
    "train.validate_every=50",
];

#[test]
fn a_run_directory_holds_everything() {
    let place = Place::new();
    let ran = place.run(&["train", "tiny.toml"]);
    ran.says(&[
        "6112 parameters; 200 training pairs, 3 validation pairs",
        "step 4: validation loss",
    ]);
    let stdout = ran.succeeds();
    for part in ["source", "all: 3 sentences, BLEU", "next: "] {
        assert!(stdout.contains(part), "no `{part}` in {stdout}");
    }
    assert_eq!(place.logged("runs/tiny/log.jsonl"), [1, 2, 3, 4]);
    assert_eq!(place.logged("runs/tiny/timing.jsonl"), [1, 2, 3, 4]);
    assert_eq!(place.logged("runs/tiny/validation.jsonl"), [2, 4]);
    assert_eq!(
        place.checkpoints(),
        ["best", "last", "step-000002", "step-000004"]
    );
    assert_eq!(place.text("runs/tiny/checkpoints/last"), "step-000004\n");
    let config = place.text("runs/tiny/config.toml");
    assert!(config.starts_with("format = 1\nregard = \""), "{config}");
    assert!(
        config.contains("label_smoothing = 0.1"),
        "defaults are written, too: {config}"
    );

    let line: Value =
        serde_json::from_str(place.text("runs/tiny/log.jsonl").lines().next().unwrap()).unwrap();
    let mut keys: Vec<&String> = line.as_object().unwrap().keys().collect();
    keys.sort();
    assert_eq!(
        keys,
        [
            "epoch",
            "gradient_norm",
            "learning_rate",
            "nats",
            "step",
            "tokens"
        ]
    );
}

#[test]
fn a_run_goes_with_its_directory_and_nothing_else() {
    let place = Place::with_run();
    let expected = place
        .run_on(&["translate", "runs/tiny"], "a b c\n")
        .succeeds();
    fs::rename(place.path("runs/tiny"), place.path("elsewhere")).unwrap();
    fs::remove_file(place.path("tiny.toml")).unwrap();
    fs::remove_file(place.path("held-out.tsv")).unwrap();
    assert_eq!(
        place
            .run_on(&["translate", "elsewhere"], "a b c\n")
            .succeeds(),
        expected
    );
}

#[test]
fn quiet_says_nothing_but_results() {
    let ran = Place::new().run(&["train", "tiny.toml", "-q"]);
    assert_eq!(ran.stderr, "");
    ran.succeeds();
}

#[test]
fn the_same_seed_is_the_same_run_and_another_is_not() {
    let place = Place::new();
    let run = |name: &str, seed: &str| {
        place
            .run(&[
                "train",
                "tiny.toml",
                "--run",
                name,
                "--seed",
                seed,
                "--threads",
                "2",
                "--set",
                "model.dropout=0.3",
                "--set",
                "model.attention_dropout=0.2",
                "--set",
                "train.steps=20",
            ])
            .succeeds();
        let weights = "checkpoints/step-000020/model.safetensors";
        [
            "log.jsonl",
            "validation.jsonl",
            "tokenizer.json",
            "config.toml",
            weights,
        ]
        .map(|file| place.read(&format!("{name}/{file}")))
    };
    let first = run("first", "7");
    assert!(
        first == run("second", "7"),
        "the same seed gave another run"
    );
    let other = run("other", "8");
    assert!(
        first[0] != other[0] && first[4] != other[4],
        "another seed gave the same run"
    );
}

#[test]
fn a_run_that_is_there_is_not_overwritten() {
    let place = Place::with_run();
    let before = place.read("runs/tiny/log.jsonl");
    place.run(&["train", "tiny.toml"]).fails(&[
        "error: `runs/tiny` holds a run already",
        "hint: continue it with `--resume`, choose another directory with `--run`",
    ]);
    assert_eq!(place.read("runs/tiny/log.jsonl"), before);
    // Checkpoints are somebody's work even without their configuration.
    fs::remove_file(place.path("runs/tiny/config.toml")).unwrap();
    place
        .run(&["train", "tiny.toml"])
        .fails(&["`runs/tiny` holds a run already"]);
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let place = Place::new();
    place.write("file", "");
    for run in ["file", "file/run"] {
        place.run(&["train", "tiny.toml", "--run", run]).fails(&[
            "cannot write `file",
            "hint: check that the directory exists",
        ]);
    }
}

#[test]
fn old_checkpoints_go_but_the_best_stays() {
    let place = Place::new();
    // So high a rate that the first validation is the best.
    place
        .run(&[
            "train",
            "tiny.toml",
            "--set",
            "train.keep=2",
            "--set",
            "train.steps=12",
            "--set",
            "train.learning_rate=3",
            "--set",
            "train.warmup=8",
        ])
        .succeeds();
    let best = place.text("runs/tiny/checkpoints/best");
    assert_eq!(best, "step-000002\n");
    assert_eq!(
        place.checkpoints(),
        ["best", "last", "step-000002", "step-000010", "step-000012"]
    );
}

#[test]
fn a_loss_that_is_no_number_stops_before_the_update() {
    let place = Place::new();
    let ran = place.run(&[
        "train",
        "tiny.toml",
        "--set",
        "train.learning_rate=1e30",
        "--set",
        "train.checkpoint_every=1",
    ]);
    ran.fails(&[
        "error: step 2, batch 1 of the step: the loss is ",
        "the parameters were not updated",
        "hint: lower `train.learning_rate`",
    ]);
    assert_eq!(place.checkpoints(), ["last", "step-000001"]);
    assert_eq!(place.logged("runs/tiny/log.jsonl"), [1]);
}

#[test]
fn what_is_no_number_never_becomes_a_checkpoint() {
    let place = Place::new();
    let diverge = |run: &str, sets: &[&str]| {
        let sets: Vec<&str> = sets.iter().flat_map(|set| ["--set", set]).collect();
        let ran = place.run(&[["train", "tiny.toml", "--run", run].as_slice(), &sets].concat());
        assert!(!place.path(run).join("checkpoints").exists());
        ran
    };
    diverge("a", &["train.learning_rate=1e39", "train.steps=1"]).fails(&[
        "step 1: the parameter `",
        "` is not finite; no checkpoint was written",
    ]);
    diverge("b", &["train.learning_rate=1e30", "train.validate_every=1"])
        .fails(&["step 1: the validation loss is not finite"]);
}

#[cfg(unix)]
#[test]
fn a_disk_that_fills_up_leaves_the_last_good_checkpoint() {
    let place = Place::with_run();
    let before = place.read("runs/tiny/checkpoints/step-000004/model.safetensors");
    // Blocks of 512 bytes: the logs fit, the weights do not, and pictures of samples are not asked for.
    let limited = "trap '' XFSZ; ulimit -f 16; exec \"$0\" train tiny.toml --resume --set train.steps=8 --set train.samples=0";
    let output = Command::new("sh")
        .args(["-c", limited, PROGRAM])
        .current_dir(place.path("."))
        .output()
        .unwrap();
    Ran::new(&output).fails(&[
        "error: cannot write `runs/tiny/checkpoints/",
        "model.safetensors`",
        "caused by: File too large",
        "hint: check that the directory exists, is writable and has space left",
    ]);
    assert_eq!(
        place.checkpoints(),
        ["best", "last", "step-000002", "step-000004"]
    );
    assert_eq!(place.text("runs/tiny/checkpoints/last"), "step-000004\n");
    assert_eq!(
        place.read("runs/tiny/checkpoints/step-000004/model.safetensors"),
        before
    );
    place
        .run_on(&["translate", "runs/tiny", "--checkpoint", "last"], "a b\n")
        .succeeds();

    // With room again, it goes on as if nothing had happened.
    place
        .run(&["train", "tiny.toml", "--resume", "--set", "train.steps=8"])
        .succeeds();
    place
        .run(&[
            "train",
            "tiny.toml",
            "--run",
            "whole",
            "--set",
            "train.steps=8",
        ])
        .succeeds();
    for name in [
        "log.jsonl",
        "validation.jsonl",
        "checkpoints/step-000008/model.safetensors",
    ] {
        assert_eq!(
            place.read(&format!("runs/tiny/{name}")),
            place.read(&format!("whole/{name}")),
            "{name}"
        );
    }
}

#[test]
fn checkpoints_that_cannot_be_written_are_named() {
    let place = Place::new();
    fs::create_dir_all(place.path("runs/tiny")).unwrap();
    place.write(
        "runs/tiny/checkpoints",
        "a file where a directory should be",
    );
    let ran = place.run(&["train", "tiny.toml"]);
    ran.fails(&["runs/tiny/checkpoints", "caused by: "]);
}

#[cfg(unix)]
#[test]
fn an_interrupt_writes_a_checkpoint_and_ends_well() {
    let place = Place::new();
    let child = place.start(&ENDLESS);
    place.wait_for_lines("runs/tiny/log.jsonl", 3);
    let interrupt = ["-INT", &child.id().to_string()];
    assert!(
        Command::new("kill")
            .args(interrupt)
            .status()
            .unwrap()
            .success()
    );
    let ran = Ran::new(&child.wait_with_output().unwrap());
    assert_eq!(ran.code, Some(0), "{ran:#?}");
    ran.says(&[
        "writing a checkpoint",
        "stopped; continue with: regard train tiny.toml --run runs/tiny --resume",
    ]);
    let step = place.logged("runs/tiny/log.jsonl").pop().unwrap();
    assert_eq!(
        place.text("runs/tiny/checkpoints/last"),
        format!("step-{step:06}\n")
    );

    let steps = format!("train.steps={}", step + 5);
    place
        .run(&[
            "train",
            "tiny.toml",
            "--resume",
            "--set",
            &steps,
            "--set",
            "train.validate_every=50",
        ])
        .succeeds();
    place
        .run(&[
            "train",
            "tiny.toml",
            "--run",
            "whole",
            "--set",
            &steps,
            "--set",
            "train.validate_every=50",
        ])
        .succeeds();
    assert_eq!(
        place.text("runs/tiny/log.jsonl"),
        place.text("whole/log.jsonl")
    );
}

#[test]
fn a_second_process_is_kept_out() {
    let place = Place::new();
    let mut child = place.start(&ENDLESS);
    place.wait_for_lines("runs/tiny/log.jsonl", 3);
    let resume = [ENDLESS.as_slice(), &["--resume"]].concat();
    let ran = place.run(&resume);
    child.kill().unwrap();
    child.wait().unwrap();
    ran.fails(&[
        "error: another process is training in `runs/tiny`",
        "hint: wait for it",
    ]);
    // The lock went with its process.
    let last = place.logged("runs/tiny/log.jsonl").pop().unwrap();
    let more = format!("train.steps={}", last + 2);
    place
        .run(&[&resume[..], &["--set", &more]].concat())
        .succeeds();
}
