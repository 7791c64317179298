//! A run that is stopped and resumed is the run that was never stopped.

use std::fs;

use serde_json::Value;

use crate::support::{Place, TINY};

/// Dropout everywhere, two batches a step, and intervals that do not divide each other.
fn place() -> Place {
    let place = Place::new();
    let text = TINY
        .replace(
            "n_heads = 2",
            "n_heads = 2\ndropout = 0.2\nattention_dropout = 0.1\nembedding_dropout = 0.1",
        )
        .replace("log_every = 1", "log_every = 3\naccumulate = 2\nkeep = 2")
        .replace("validate_every = 2", "validate_every = 10")
        .replace("checkpoint_every = 2", "checkpoint_every = 7");
    place.write("tiny.toml", text);
    place
}

fn train<'a>(run: &'a str, steps: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [
        [
            "train",
            "tiny.toml",
            "--threads",
            "2",
            "--run",
            run,
            "--set",
            steps,
        ]
        .as_slice(),
        more,
    ]
    .concat()
}

/// All that two runs to `step` must have in common.
fn assert_equal(place: &Place, one: &str, other: &str, step: u64) {
    let checkpoint = format!("checkpoints/step-{step:06}");
    for name in [
        "log.jsonl".into(),
        "validation.jsonl".into(),
        "tokenizer.json".into(),
        "config.toml".into(),
        "checkpoints/best".into(),
        "checkpoints/last".into(),
        format!("{checkpoint}/model.safetensors"),
        format!("{checkpoint}/optimizer.safetensors"),
    ] {
        let read = |run: &str| place.read(&format!("{run}/{name}"));
        assert!(read(one) == read(other), "{name} differs");
    }
    let state = |run: &str| {
        let mut state: Value =
            serde_json::from_slice(&place.read(&format!("{run}/{checkpoint}/state.json"))).unwrap();
        state.as_object_mut().unwrap().remove("seconds");
        state
    };
    assert_eq!(state(one), state(other));
    assert_eq!(
        place.logged(&format!("{one}/log.jsonl")),
        place.logged(&format!("{one}/timing.jsonl"))
    );
}

#[test]
fn stopped_killed_and_resumed_is_never_stopped() {
    for model in ["transformer", "luong"] {
        let place = place();
        let text = place.text("tiny.toml");
        let text = if model == "luong" {
            text.replace("kind = \"transformer\"", "kind = \"luong\"")
                .replace("n_heads = 2\n", "")
                .replace("attention_dropout = 0.1\n", "")
                .replace("d_ff = 32\nencoder_layers = 1\ndecoder_layers = 1\n", "")
        } else {
            text
        };
        // All that an update may leave behind.
        let text = text
            .replace("steps = 4", "steps = 4\nema = 0.99\nr_drop = 1.0")
            .replace("kind = \"word\"", "kind = \"bpe\"\ndropout = 0.3");
        place.write("tiny.toml", text);
        stopped_killed_and_resumed(&place);
        let average = "checkpoints/step-000300/ema.safetensors";
        let read = |run: &str| place.read(&format!("{run}/{average}"));
        assert!(read("whole") == read("parts"), "{model}: {average} differs");
    }
}

fn stopped_killed_and_resumed(place: &Place) {
    place
        .run(&train("whole", "train.steps=300", &[]))
        .succeeds();

    place
        .run(&train("parts", "train.steps=100", &[]))
        .succeeds();
    for lines in [45, 60] {
        let mut child = place.start(&train("parts", "train.steps=300", &["--resume"]));
        place.wait_for_lines("parts/log.jsonl", lines);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    place
        .run(&train("parts", "train.steps=300", &["--resume"]))
        .succeeds();
    assert_equal(place, "whole", "parts", 300);
}

#[test]
fn a_run_killed_before_its_first_checkpoint_begins_again() {
    let place = place();
    let rare = [
        "--set",
        "train.checkpoint_every=1000000",
        "--set",
        "train.validate_every=1000000",
    ];
    let mut child = place.start(&train("killed", "train.steps=1000000", &rare));
    place.wait_for_lines("killed/log.jsonl", 4);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!place.path("killed/checkpoints").exists());
    place.run_on(&["translate", "killed"], "a\n").fails(&[
        "`killed` has no checkpoint `last`",
        "hint: the run has not written a checkpoint yet; train on with `--resume`",
    ]);

    place
        .run(&train("killed", "train.steps=30", &["--resume"]))
        .succeeds();
    place.run(&train("whole", "train.steps=30", &[])).succeeds();
    assert_equal(&place, "whole", "killed", 30);
}

#[test]
fn what_was_logged_after_the_checkpoint_is_forgotten() {
    let place = place();
    place.run(&train("whole", "train.steps=30", &[])).succeeds();
    place.run(&train("parts", "train.steps=15", &[])).succeeds();
    for (log, later) in [("log", 18), ("timing", 18), ("validation", 20)] {
        let name = format!("parts/{log}.jsonl");
        let text = place.text(&name);
        let last = text.lines().last().unwrap();
        let step: Value = serde_json::from_str::<Value>(last).unwrap()["step"].clone();
        let stale = last.replace(&format!("\"step\":{step}"), &format!("\"step\":{later}"));
        place.write(
            &name,
            format!("{text}{stale}\n{}", &stale[..stale.len() / 2]),
        );
    }
    // As if it had been killed while it wrote or removed checkpoints.
    fs::create_dir_all(place.path("parts/checkpoints/.step-000021.partial")).unwrap();
    place.write(
        "parts/checkpoints/.step-000021.partial/model.safetensors",
        "half",
    );
    place.write(
        "parts/checkpoints/.step-000028.partial",
        "a file of that name",
    );
    place
        .run(&train("parts", "train.steps=30", &["--resume"]))
        .succeeds();
    assert_equal(&place, "whole", "parts", 30);
    let left: Vec<_> = fs::read_dir(place.path("parts/checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with('.'))
        .collect();
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn pointers_that_a_kill_left_behind_are_put_right() {
    let place = place();
    place.run(&train("whole", "train.steps=30", &[])).succeeds();
    place.run(&train("parts", "train.steps=20", &[])).succeeds();
    for damage in ["", "step-", "step-999999\n", "nonsense"] {
        place.copy_run("parts", "copy");
        place.write("copy/checkpoints/last", damage);
        fs::remove_file(place.path("copy/checkpoints/best")).unwrap();
        place
            .run(&train("copy", "train.steps=30", &["--resume"]))
            .succeeds();
        assert_equal(&place, "whole", "copy", 30);
        fs::remove_dir_all(place.path("copy")).unwrap();
    }
}

#[test]
fn nothing_left_to_do_says_so() {
    let place = place();
    place.run(&train("run", "train.steps=9", &[])).succeeds();
    let log = place.read("run/log.jsonl");
    let ran = place.run(&train("run", "train.steps=9", &["--resume"]));
    ran.says(&["`run` has made its 9 steps; raise `train.steps` to go on"]);
    assert_eq!(ran.succeeds(), "");
    assert_eq!(place.read("run/log.jsonl"), log);
    let fewer = place.run(&train("run", "train.steps=5", &["--resume"]));
    fewer.says(&["raise `train.steps`"]);
    fewer.succeeds();
}

#[test]
fn other_keys_may_not_change() {
    let place = place();
    place.run(&train("run", "train.steps=9", &[])).succeeds();
    let config = place.read("run/config.toml");
    place
        .run(&train(
            "run",
            "train.steps=20",
            &[
                "--resume",
                "--set",
                "train.clip_norm=2",
                "--set",
                "model.dropout=0.5",
                "--seed",
                "9",
            ],
        ))
        .fails(&[
            "error: a resumed run keeps its configuration",
            "`train.clip_norm` was 1.0 and is now 2",
            "`model.dropout` was 0.2 and is now 0.5",
            "`train.seed` was 1 and is now 9",
            "hint: start a new run with `--run DIR`",
        ]);
    assert_eq!(place.read("run/config.toml"), config);
    let intervals = [
        "train.log_every=2",
        "train.validate_every=4",
        "train.checkpoint_every=5",
        "train.keep=1",
    ];
    let intervals: Vec<&str> = intervals
        .iter()
        .flat_map(|set| ["--set", set])
        .chain(["--resume"])
        .collect();
    place
        .run(&train("run", "train.steps=12", &intervals))
        .succeeds();
    assert!(place.text("run/config.toml").contains("steps = 12"));
}

#[test]
fn other_training_pairs_are_noticed() {
    let place = Place::new();
    place.write("train.tsv", "a b\ta b\nc d e\tc d e\nf\tf\n");
    place.write(
        "tiny.toml",
        crate::support::tiny_on("{ tsv = \"train.tsv\" }"),
    );
    place.run(&["train", "tiny.toml"]).succeeds();
    place.write("train.tsv", "a b\ta b\nc d e\tc d f\nf\tf\n");
    place.run(&["train", "tiny.toml", "--resume", "--set", "train.steps=9"]).fails(&[
        "the training pairs are not those that the checkpoint at step 4 of `runs/tiny` was trained on",
        "hint: bring back the files",
    ]);
}

#[test]
fn there_must_be_a_run_to_resume() {
    let place = Place::new();
    place.run(&["train", "tiny.toml", "--resume"]).fails(&[
        "error: cannot resume `runs/tiny`: it holds no run",
        "hint: start it without `--resume`",
    ]);
    assert!(!place.path("runs").exists());
}

#[test]
fn a_damaged_checkpoint_is_not_resumed() {
    let place = Place::with_run();
    let resume = ["train", "tiny.toml", "--resume", "--set", "train.steps=8"];
    let at = |name: &str| format!("runs/tiny/checkpoints/step-000004/{name}");
    let state = place.text(&at("state.json"));
    for damage in [
        "",
        "{}",
        &state[..state.len() / 2],
        "\u{0}",
        &state.replace("\"step\": 4", "\"step\": 3"),
    ] {
        place.write(&at("state.json"), damage);
        place
            .run(&resume)
            .fails(&["step-000004/state.json` is damaged: ", "hint: "]);
    }
    place.write(&at("state.json"), state);
    let moments = place.read(&at("optimizer.safetensors"));
    place.write(&at("optimizer.safetensors"), &moments[..moments.len() / 2]);
    place
        .run(&resume)
        .fails(&["step-000004/optimizer.safetensors` is not a readable safetensors file"]);

    // Moments of a wider model.
    place
        .run(&[
            "train",
            "tiny.toml",
            "--run",
            "wide",
            "--set",
            "model.d_ff=40",
        ])
        .succeeds();
    let foreign = place.read("wide/checkpoints/step-000004/optimizer.safetensors");
    place.write(&at("optimizer.safetensors"), foreign);
    place.run(&resume).fails(&[
        "step-000004/optimizer.safetensors` does not fit the model",
        ".first_moment`: expected shape [16, 32], got [16, 40]",
    ]);
    fs::remove_file(place.path(&at("optimizer.safetensors"))).unwrap();
    place
        .run(&resume)
        .fails(&["cannot read `runs/tiny/checkpoints/step-000004/optimizer.safetensors`"]);
}
