//! Schedules that depend on validations, in whole runs.

use regard_train::{Outcome, RunConfig, Schedule, TrainConfig, TrainOptions, train};
use serde_json::Value;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use crate::run::{Told, config};

/// A rate so small that nothing changes: no validation is better than the first.
fn idle(steps: u64) -> RunConfig {
    RunConfig {
        train: TrainConfig {
            steps,
            learning_rate: Some(1e-30),
            schedule: Schedule::Plateau,
            warmup: 0,
            plateau_patience: Some(1),
            log_every: 1,
            validate_every: 2,
            checkpoint_every: 5,
            ..config().train
        },
        ..config()
    }
}

fn run(path: &Path, steps: u64, resume: bool) {
    let options = TrainOptions {
        run: path.into(),
        resume,
        init: None,
        devices: vec![crate::device()],
    };
    let stop = AtomicBool::new(false);
    let outcome = train(idle(steps), &options, &stop, &mut Told::default()).unwrap();
    assert_eq!(outcome, Outcome::Finished);
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_plateau_is_reached_again_by_a_run_that_is_resumed() {
    let directory = tempfile::tempdir().unwrap();
    let (whole, parts) = (
        directory.path().join("whole"),
        directory.path().join("parts"),
    );
    run(&whole, 9, false);
    let log = read(&whole.join("log.jsonl"));
    let rates: Vec<f64> = log
        .lines()
        .map(|line| {
            serde_json::from_str::<Value>(line).unwrap()["learning_rate"]
                .as_f64()
                .unwrap()
        })
        .collect();
    // Validations after steps 2, 4, 6 and 8; the first is the best.
    let shares = [1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.125];
    assert_eq!(rates, shares.map(|share| 1e-30 * share));

    // 5 is no step of a validation, and 7 none of a checkpoint that is due.
    for (steps, resume) in [(5, false), (7, true), (9, true)] {
        run(&parts, steps, resume);
    }
    assert_eq!(log, read(&parts.join("log.jsonl")));
    let state = |run: &Path| -> Value {
        let text = read(&run.join("checkpoints/step-000009/state.json"));
        serde_json::from_str::<Value>(&text).unwrap()["plateau"].clone()
    };
    assert_eq!(state(&whole), state(&parts));
    assert_eq!(state(&whole)["reductions"].as_u64(), Some(3));
}

#[test]
fn a_plateau_without_validations_is_refused() {
    let text = "[data]\ntrain = { tsv = \"a.tsv\" }\n[model]\nkind = \"transformer\"\n[train]\nschedule = \"plateau\"\n";
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.toml");
    std::fs::write(&path, text).unwrap();
    let error = RunConfig::load(&path, &[]).unwrap_err().to_string();
    let expected = "`train.schedule`: `plateau` needs validations: give `data.valid`";
    assert!(error.contains(expected), "{error}");
}
