//! `--threads`: what is the same on any number of them, and that there are no others.

use crate::support::Place;

/// Large enough that matrix products and rows are divided.
const LARGER: [&str; 12] = [
    "--set",
    "model.d_model=96",
    "--set",
    "model.d_ff=200",
    "--set",
    "model.dropout=0.1",
    "--set",
    "model.attention_dropout=0.1",
    "--set",
    "data.batch_tokens=2000",
    "--set",
    "data.generate.max_length=30",
];

#[test]
fn a_run_is_the_same_on_any_number_of_threads() {
    same_on_any_number(&Place::new(), &LARGER);
}

#[test]
fn a_recurrent_run_is_the_same_on_any_number_of_threads() {
    for kind in ["bottleneck", "bahdanau", "luong"] {
        let place = Place::with_model(&format!("kind = \"{kind}\"\nd_model = 96\n"));
        same_on_any_number(&place, &LARGER[LARGER.len() - 4..]);
    }
}

fn same_on_any_number(place: &Place, larger: &[&str]) {
    let run = |threads: &str| {
        let name = format!("on-{threads}");
        let arguments = ["train", "tiny.toml", "--run", &name, "--threads", threads];
        place.run(&[&arguments[..], larger].concat()).succeeds();
        let source = "a b c\nd e f g\nz\n";
        let translation = place
            .run_on(&["translate", &name, "--threads", threads], source)
            .succeeds();
        let weights = "checkpoints/step-000004/model.safetensors";
        let files = ["log.jsonl", "validation.jsonl", weights];
        (
            files.map(|file| place.read(&format!("{name}/{file}"))),
            translation,
        )
    };
    let one = run("1");
    for threads in ["2", "4"] {
        assert!(run(threads) == one, "{threads} threads gave another run");
    }
}

/// Neither burn nor the matrix products may start a pool of their own, as wide as the machine.
#[cfg(target_os = "linux")]
#[test]
fn a_number_of_threads_is_that_number() {
    let place = Place::new();
    for threads in [1, 3] {
        let (name, threads_text) = (format!("on-{threads}"), threads.to_string());
        let endless = ["--set", "train.steps=1000000"];
        let arguments = [
            "train",
            "tiny.toml",
            "--run",
            &name,
            "--threads",
            &threads_text,
        ];
        let mut child = place.start(&[&arguments[..], &LARGER, &endless].concat());
        // Steps, a validation and a checkpoint lie behind it.
        place.wait_for_lines(&format!("{name}/log.jsonl"), 3);
        let tasks = format!("/proc/{}/task", child.id());
        let tasks: Vec<String> = std::fs::read_dir(tasks)
            .unwrap()
            .map(|task| task.unwrap().path().join("comm"))
            .map(|path| std::fs::read_to_string(path).unwrap().trim().to_owned())
            .collect();
        child.kill().unwrap();
        child.wait().unwrap();
        // And the first thread of the process, which waits for them, and one that waits for a signal.
        assert_eq!(tasks.len(), threads + 2, "{tasks:?}");
    }
}
