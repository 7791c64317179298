//! Where it computes: what there is, what there is not, and checkpoints that move.

use serde_json::Value;

use crate::support::{Place, keys};

/// Those to try: all of the processor's that were compiled in, and `wgpu`, which finds a driver where the tests with it run.
fn compiled() -> Vec<&'static str> {
    let mut names = vec!["flex"];
    if cfg!(feature = "ndarray") {
        names.push("ndarray");
    }
    if cfg!(feature = "wgpu") {
        names.push("wgpu");
    }
    names
}

/// The losses of a run's validations.
fn validated(place: &Place, run: &str) -> Vec<f64> {
    let text = place.text(&format!("{run}/validation.jsonl"));
    let lines = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    lines.map(|line| line["nats"].as_f64().unwrap()).collect()
}

#[test]
fn devices_says_what_there_is_and_what_is_missing() {
    let place = Place::new();
    let text = place.run(&["devices"]).succeeds();
    for name in compiled() {
        let line = text.lines().find(|line| line.starts_with(name));
        let line = line.unwrap_or_else(|| panic!("{name}: {text}"));
        assert!(line.contains("f32"), "{line}");
    }
    let json: Value = serde_json::from_str(&place.run(&["devices", "--json"]).succeeds()).unwrap();
    let names = ["flex", "ndarray", "wgpu", "vulkan", "cuda"];
    assert_eq!(json.as_array().unwrap().len(), names.len());
    for (backend, name) in json.as_array().unwrap().iter().zip(names) {
        assert_eq!(backend["backend"], name);
        let found = backend["devices"].as_array().unwrap();
        for device in found {
            assert_eq!(keys(device), ["float_types", "memory_mib", "name", "part"]);
        }
        // A device, or what to do to have one.
        assert_ne!(found.is_empty(), backend["reason"].is_null(), "{backend}");
        assert!(!found.is_empty() || !text.contains(&format!("\n{name} ")));
    }
}

#[test]
fn devices_that_are_not_there_are_refused() {
    let place = Place::new();
    let with = |device: &str| place.run(&["check", "tiny.toml", "--device", device]);
    with("gpu").fails(&["unknown device `gpu`; expected one of: flex"]);
    with("flex:x").fails(&["unknown device `flex:x`"]);
    with("flex:1").fails(&[
        "there is no device `flex:1`",
        "expected a number below 1",
        "regard devices",
    ]);
    with("flex:0,0").fails(&["expected one device, got 2 in `flex:0,0`"]);
    if cfg!(not(feature = "cuda")) {
        with("cuda").fails(&[
            "device `cuda` was not compiled in",
            "cargo build --release --features cuda",
        ]);
    }
    if cfg!(feature = "cuda") {
        // No card is visible, whether there is one or not.
        let check = ["check", "tiny.toml", "--device", "cuda"];
        place
            .run_with(&[("CUDA_VISIBLE_DEVICES", "")], &check)
            .fails(&["`cuda` found no device on this machine; install NVIDIA's driver"]);
    }
    let through_a_driver = [
        ("wgpu", cfg!(feature = "wgpu")),
        ("vulkan", cfg!(feature = "vulkan")),
    ];
    for (name, _) in through_a_driver.into_iter().filter(|(_, there)| *there) {
        let absent = format!("there is no device `{name}:64`");
        with(&format!("{name}:64")).fails(&[&absent]);
        // Where the loaders of Vulkan and of OpenGL look for drivers there are none.
        let nowhere = [
            "VK_DRIVER_FILES",
            "VK_ICD_FILENAMES",
            "__EGL_VENDOR_LIBRARY_FILENAMES",
        ]
        .map(|name| (name, "/dev/null"));
        let check = ["check", "tiny.toml", "--device", name];
        let missing = format!("`{name}` found no device on this machine; install");
        place.run_with(&nowhere, &check).fails(&[&missing]);
    }
}

#[test]
fn the_environment_names_the_device_where_the_command_line_does_not() {
    let place = Place::new();
    let nowhere = [("REGARD_DEVICE", "nowhere")];
    let refusal = ["unknown device `nowhere`"];
    place
        .run_with(&nowhere, &["check", "tiny.toml"])
        .fails(&refusal);
    let named = ["check", "tiny.toml", "--device", "flex"];
    place.run_with(&nowhere, &named).succeeds();
}

/// Two steps on one, two on another, read on a third where there are three: all as the run of four on `flex`, to what f32 allows,
/// with all that a checkpoint holds. A loss per token may be off by 1e-5 nats, the log-probability of a sentence by 1e-4.
#[test]
fn checkpoints_move_between_backends() {
    let place = Place::new();
    let text = place.text("tiny.toml");
    place.write("tiny.toml", text.replace("[train]", "[train]\nema = 0.9"));
    let train = |run: &str, device: &str, more: &[&str]| {
        let train = ["train", "tiny.toml", "--run", run, "--device", device];
        place.run(&[&train, more].concat()).succeeds();
    };
    let scores = |run: &str, device: &str| -> Vec<f64> {
        let score = ["score", run, "--tsv", "held-out.tsv", "--device", device];
        let said = place.run(&[&score[..], &["--json"]].concat()).succeeds();
        let lines = said
            .lines()
            .map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines
            .map(|line| line["log_probability"].as_f64().unwrap())
            .collect()
    };
    let close = |got: &[f64], expected: &[f64], tolerance: f64, what: &str| {
        assert_eq!(got.len(), expected.len(), "{what}");
        for (a, b) in got.iter().zip(expected) {
            assert!(
                (a - b).abs() < tolerance,
                "{what}: {got:?}, not {expected:?}"
            );
        }
    };
    train("whole", "flex", &[]);
    let (whole, read) = (validated(&place, "whole"), scores("whole", "flex"));
    assert_eq!((whole.len(), read.len()), (2, 3));
    for first in compiled() {
        train(first, first, &["--set", "train.steps=2"]);
        for then in compiled() {
            let run = format!("{first}-{then}");
            place.copy_run(first, &run);
            train(&run, then, &["--resume"]);
            close(&validated(&place, &run), &whole, 1e-5, &run);
            let third = compiled()
                .into_iter()
                .find(|name| ![first, then].contains(name));
            let third = third.unwrap_or(first);
            let what = format!("{run}, read on {third}");
            close(&scores(&run, third), &read, 1e-4, &what);
        }
    }
}

#[test]
fn every_backend_translates() {
    let place = Place::with_run();
    let translate = |device: &str| {
        let translate = ["translate", "runs/tiny", "--device", device];
        let beam = ["--beam", "3", "--n-best", "3"];
        place
            .run_on(&[&translate[..], &beam].concat(), "a b c\nd\n")
            .succeeds()
    };
    for device in compiled() {
        let lines = translate(device);
        assert_eq!(lines.lines().count(), 6, "{device}: {lines}");
    }
}

#[test]
fn replicas_on_one_processor_train_what_one_model_does() {
    let place = Place::new();
    let nats = |run: &str, device: &str| {
        let train = ["train", "tiny.toml", "--run", run, "--device", device];
        place.run(&train).succeeds();
        validated(&place, run)
    };
    let alone = nats("one", "flex");
    for (run, device) in [("two", "flex:0,0"), ("three", "flex:0,0,0")] {
        for (one, several) in alone.iter().zip(nats(run, device)) {
            assert!(
                (one - several).abs() < 1e-5,
                "{device}: {several}, not {one}"
            );
        }
    }
    // What uses a model uses one device.
    place
        .run(&["translate", "one", "--device", "flex:0,0"])
        .fails(&["expected one device, got 2"]);
}

#[test]
fn bf16_is_for_transformers_on_devices_that_have_it() {
    let place = Place::new();
    let half = ["tiny.toml", "--set", "train.precision=bf16"];
    let train =
        |run: &str, more: &[&str]| place.run(&[&["train", "--run", run], &half[..], more].concat());
    train("half", &[]).succeeds();
    place
        .run(&["train", "tiny.toml", "--run", "full"])
        .succeeds();
    let (half, full) = (validated(&place, "half"), validated(&place, "full"));
    assert_ne!(half, full, "nothing was computed in bf16");
    for (half, full) in half.iter().zip(&full) {
        assert!((half - full).abs() < 0.02, "{half}, not {full}");
    }
    if cfg!(feature = "ndarray") {
        train("none", &["--device", "ndarray"]).fails(&[
            "`train.precision`: the device does not compute in bf16",
            "set it to `f32`",
        ]);
    }
    let recurrent = Place::with_model("kind = \"luong\"\nd_model = 16");
    recurrent
        .run(&["check", "tiny.toml", "--set", "train.precision=bf16"])
        .fails(&["`train.precision`: expected `f32`", "got `bf16`"]);
}
