//! What a run shows: pictures of its logs, event files, samples, warnings.

use std::fs;

use crate::support::{Place, tiny_on};

/// Names in a folder of `runs/tiny`.
fn names(place: &Place, folder: &str) -> Vec<String> {
    let path = place.path("runs/tiny").join(folder);
    let Ok(entries) = fs::read_dir(path) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn runs_are_drawn_and_their_last_and_best_values_told() {
    let place = Place::with_run();
    place.copy_run("runs/tiny", "runs/other");
    let one = place.run(&["plot", "runs/tiny"]).succeeds();
    assert!(
        one.lines().any(|line| line.starts_with("validation loss ")),
        "{one}"
    );
    let arguments = [
        "plot",
        "runs/tiny",
        "runs/other",
        "--svg",
        "plot.svg",
        "--html",
        "plot.html",
    ];
    let table = place.run(&arguments).succeeds();
    for part in [
        "training loss",
        "perplexity",
        "gradient norm",
        "learning rate",
        "target tokens per second",
        "other",
    ] {
        assert!(table.contains(part), "no `{part}` in {table}");
    }
    let (svg, html) = (place.text("plot.svg"), place.text("plot.html"));
    assert!(svg.starts_with("<svg ") && html.starts_with("<!DOCTYPE html>"));
    for page in [svg, html] {
        assert!(page.contains("Loss, nats per token") && page.contains("Learning rate"));
    }
}

#[test]
fn every_number_of_a_validation_is_a_curve() {
    let place = Place::with_run();
    let log = "runs/tiny/validation.jsonl";
    let more = place
        .text(log)
        .replace("\"nats\"", "\"bleu\":12.5,\"mood\":\"good\",\"nats\"");
    place.write(log, more);
    let table = place
        .run(&["plot", "runs/tiny", "--svg", "plot.svg"])
        .succeeds();
    assert!(table.contains("BLEU") && table.contains("12.50"), "{table}");
    assert!(
        !table.contains("mood") && !table.contains("tokens  "),
        "{table}"
    );
    assert!(place.text("plot.svg").contains("BLEU"));
}

#[test]
fn what_cannot_be_drawn_is_named() {
    let place = Place::with_run();
    place.run(&["plot", "nowhere"]).fails(&["`nowhere`"]);
    place
        .run(&["plot", "runs/tiny", "runs/tiny"])
        .fails(&["two runs are called `tiny`"]);
    place
        .run(&["plot", "runs/tiny", "--svg", "no/such.svg"])
        .fails(&["cannot write `no/such.svg`"]);
    assert_eq!(place.run(&["plot"]).code, Some(2));

    let log = place.text("runs/tiny/log.jsonl");
    let lines: Vec<&str> = log.lines().collect();
    let damaged = |text: String, parts: &[&str]| {
        place.write("runs/tiny/log.jsonl", text);
        place.run(&["plot", "runs/tiny"]).fails(parts);
    };
    damaged(
        format!("{}\n{{\"step\n", lines[0]),
        &[
            "`runs/tiny/log.jsonl`, line 2: expected a JSON object",
            "caused by: ",
        ],
    );
    damaged(
        format!("{}\n\u{fffd}{{}}\n", lines[0]),
        &["`runs/tiny/log.jsonl`, line 2"],
    );
    damaged(
        "{\"nats\":1.0}\n".into(),
        &["`runs/tiny/log.jsonl`, line 1: expected a whole number as `step`"],
    );
    damaged(
        format!("{}\n{}\n", lines[1], lines[0]),
        &["line 2: expected a step behind 2, got 1"],
    );
    // Half a line at the end is being written.
    place.write("runs/tiny/log.jsonl", format!("{}\n{{\"ste", lines[0]));
    place.run(&["plot", "runs/tiny"]).succeeds();

    for file in ["log", "timing", "validation"] {
        place.write(&format!("runs/tiny/{file}.jsonl"), "");
    }
    place
        .run(&["plot", "runs/tiny"])
        .fails(&["run `tiny` has logged nothing yet"]);
}

#[test]
fn samples_and_what_was_looked_at_are_written_at_each_validation() {
    let place = Place::with_run();
    assert_eq!(
        names(&place, "samples"),
        ["step-000002.txt", "step-000004.txt"]
    );
    let sample = place.text("runs/tiny/samples/step-000004.txt");
    assert!(
        sample.starts_with("step 4\n\nsource      a b c\nreference   a b c\ntranslation "),
        "{sample}"
    );
    assert_eq!(sample.matches("\nsource ").count(), 3);
    for map in names(&place, "attention") {
        let picture = place.text(&format!("runs/tiny/attention/{map}"));
        assert!(
            map.starts_with("step-00000") && picture.starts_with("<svg "),
            "{map}"
        );
    }
}

#[test]
fn samples_can_be_fewer_or_none_and_change_no_result() {
    let place = Place::with_run();
    let run = |run: &str, samples: &str| {
        let arguments = ["train", "tiny.toml", "--run", run, "--set", samples];
        place.run(&arguments).succeeds();
    };
    run("one", "train.samples=1");
    let text = place.text("one/samples/step-000002.txt");
    assert_eq!(text.matches("source").count(), 1);
    assert!(text.contains("source      d e"), "the middle one: {text}");
    run("none", "train.samples=0");
    assert!(!place.path("none/samples").exists());
    for file in ["log.jsonl", "checkpoints/step-000004/model.safetensors"] {
        let expected = place.read(&format!("runs/tiny/{file}"));
        assert!(place.read(&format!("none/{file}")) == expected, "{file}");
    }
}

#[test]
fn a_model_without_attention_has_samples_alone() {
    let place = Place::with_model("kind = \"bottleneck\"\nd_model = 16");
    place.run(&["train", "tiny.toml"]).succeeds();
    assert_eq!(names(&place, "samples").len(), 2);
    assert!(names(&place, "attention").is_empty());
}

#[test]
fn event_files_are_written_by_choice_and_resumed() {
    let place = Place::with_run();
    assert!(!place.path("runs/tiny/tensorboard").exists());
    let resume = |steps: &str| {
        place
            .run(&[
                "train",
                "tiny.toml",
                "--resume",
                "--set",
                steps,
                "--set",
                "train.tensorboard=true",
            ])
            .succeeds();
    };
    resume("train.steps=8");
    assert_eq!(names(&place, "tensorboard").len(), 1);
    // Back to step 6, as if the process had been killed before it wrote the last checkpoint.
    fs::remove_dir_all(place.path("runs/tiny/checkpoints/step-000008")).unwrap();
    place.write("runs/tiny/checkpoints/last", "step-000006\n");
    place.write("runs/tiny/checkpoints/best", "step-000006\n");
    resume("train.steps=10");
    let files = names(&place, "tensorboard");
    assert_eq!(files.len(), 2, "one for each session: {files:?}");
    let size = |name: &str| place.read(&format!("runs/tiny/tensorboard/{name}")).len();
    // Two steps of the first session stayed and four of the second came.
    assert!(size(&files[1]) > size(&files[0]), "{files:?}");
    assert_eq!(names(&place, "samples").len(), 5);
}

#[test]
fn a_run_that_will_not_validate_is_warned_of() {
    let place = Place::new();
    let arguments = ["train", "tiny.toml", "--set", "train.validate_every=5"];
    place.run(&arguments).says(&[
        "warning: step 0: no validation will be made: `train.validate_every` is 5, `train.steps` is 4",
    ]);
    let text = tiny_on(r#"{ tsv = "held-out.tsv" }"#);
    let valid = "valid = { tsv = \"held-out.tsv\" }\n";
    assert!(text.contains(valid));
    place.write("tiny.toml", text.replace(valid, ""));
    let ran = place.run(&["train", "tiny.toml", "--run", "other"]);
    ran.says(&["warning: step 0: there is nothing to validate on"]);
    ran.succeeds();
}
