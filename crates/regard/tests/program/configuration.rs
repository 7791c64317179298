//! What is wrong with a configuration is said before anything is done.

use crate::support::{Place, TINY};

#[test]
fn a_missing_configuration_is_named() {
    Place::new()
        .run(&["train", "tinny.toml"])
        .fails(&["error: cannot read `tinny.toml`", "caused by: No such file"]);
}

#[test]
fn what_is_not_toml_is_shown_with_line_and_column() {
    let place = Place::new();
    place.write("bad.toml", "[train]\nsteps = 1\nseed = = 2\n");
    place.run(&["check", "bad.toml"]).fails(&[
        "error: `bad.toml` is not valid TOML",
        "line 3, column 8",
        "seed = = 2",
    ]);
}

#[test]
fn all_problems_come_together_and_the_nearest_names_with_them() {
    let place = Place::new();
    let text = TINY
        .replace("pairs = 200", "pair = 200")
        .replace("[tokenizer]", "[tokeniser]")
        .replace("d_ff", "d_fff")
        .replace("steps = 4", "steps = \"four\"")
        .replace("warmup = 2", "warmup = -2\nlearning_rate = 0")
        .replace("max_source_length = 20", "max_source_length = 0");
    place.write("bad.toml", text);
    for command in ["check", "train"] {
        place.run(&[command, "bad.toml"]).fails(&[
            "`bad.toml` has 7 problems",
            "`[tokeniser]`: unknown section; did you mean `tokenizer`?",
            "`data.generate.pair`: unknown key; did you mean `pairs`?",
            "`model.d_fff`: unknown key; did you mean `d_ff`?",
            "`train.steps`: invalid type: string \"four\"",
            "`train.warmup`: invalid value: integer `-2`",
            "`train.learning_rate`: expected a number above 0, got 0",
            "`decode.max_source_length`: expected at least 1, got 0",
        ]);
    }
    assert!(!place.path("runs").exists());
}

#[test]
fn a_corpus_that_cannot_be_read_is_not_called_missing_besides() {
    let ran = Place::new().run(&["check", "tiny.toml", "--set", "data.generate.task=copi"]);
    ran.fails(&[
        "has a problem",
        "`data.generate.task`: unknown variant `copi`",
    ]);
}

#[test]
fn heads_must_divide_the_width() {
    Place::new()
        .run(&["check", "tiny.toml", "--set", "model.n_heads=3"])
        .fails(&["`model.d_model`: expected a multiple of n_heads = 3, got 16"]);
}

#[test]
fn an_unknown_kind_of_model_gets_the_nearest_one() {
    Place::new()
        .run(&["check", "tiny.toml", "--set", "model.kind=tranformer"])
        .fails(&["`model.kind`: unknown kind `tranformer`; did you mean `transformer`?"]);
}

#[test]
fn two_vocabularies_cannot_share_every_embedding() {
    Place::new()
        .run(&["check", "tiny.toml", "--set", "tokenizer.shared=false"])
        .fails(&["`model.tie`", "`tokenizer.shared` is false"]);
}

#[test]
fn a_model_larger_than_any_memory_is_an_error_and_not_a_crash() {
    for slip in [
        "d_model=16000000",
        "d_ff=99999999999",
        "encoder_layers=1000000000000",
    ] {
        Place::new()
            .run(&["check", "tiny.toml", "--set", &format!("model.{slip}")])
            .fails(&["`model`: expected at most 2.1e9 parameters, got about"]);
    }
}

#[test]
fn what_set_cannot_set_is_refused() {
    let place = Place::new();
    for (assignment, reason) in [
        ("train.steps", "expected `section.key=value`"),
        ("steps=3", "expected `section.key`"),
        ("train.steps.x=3", "`steps` is a value, not a table"),
        (
            "train.step=3",
            "`train.step`: unknown key; did you mean `steps`?",
        ),
        (
            "trian.steps=3",
            "`[trian]`: unknown section; did you mean `train`?",
        ),
        (
            "train.steps=many",
            "`train.steps`: invalid type: string \"many\"",
        ),
    ] {
        place
            .run(&["check", "tiny.toml", "--set", assignment])
            .fails(&[reason]);
    }
}

#[test]
fn a_later_format_is_refused_with_a_sentence() {
    let place = Place::with_run();
    let config = place.text("runs/tiny/config.toml");
    place.write(
        "runs/tiny/config.toml",
        config.replace("format = 1", "format = 2\nunheard_of = true"),
    );
    let refusal = [
        "config.toml` has format 2; this program reads formats up to 1",
        "hint: use the version of Regard that wrote it, or a later one",
    ];
    for command in [
        ["translate", "runs/tiny"].as_slice(),
        &["inspect", "runs/tiny"],
        &["train", "tiny.toml", "--resume"],
        &["train", "runs/tiny/config.toml", "--run", "other"],
    ] {
        place.run(command).fails(&refusal);
    }
}

#[test]
fn unknown_devices_and_no_threads_are_refused() {
    let place = Place::new();
    for command in [
        ["check", "tiny.toml"],
        ["train", "tiny.toml"],
        ["translate", "runs/tiny"],
    ] {
        let with = |flags: [&str; 2]| place.run(&[command.as_slice(), &flags].concat());
        with(["--device", "cuda"]).fails(&["device `cuda`"]);
        with(["--threads", "0"])
            .fails(&["'--threads <N>'", "expected a whole number from 1, got `0`"]);
    }
}

#[test]
fn check_counts_and_finds_no_problem() {
    let stdout = Place::new().run(&["check", "tiny.toml"]).succeeds();
    for line in [
        "train: 200 pairs read, 200 kept; dropped: 0 with an empty side, 0 too long; 0 truncated",
        "valid: 3 pairs read, 3 kept",
        "test: 3 pairs",
        "tokenizer: 30 shared tokens",
        "model: 6112 parameters",
        "no problem found",
    ] {
        assert!(stdout.contains(line), "no `{line}` in {stdout}");
    }
}
