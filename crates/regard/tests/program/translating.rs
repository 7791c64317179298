//! `translate`: as many lines out as in, whatever they are.

use std::fs::{self, OpenOptions};
use std::process::Command;

use crate::support::{PROGRAM, Place, Ran};

const TRANSLATE: [&str; 2] = ["translate", "runs/tiny"];

#[test]
fn every_line_has_its_line_in_order() {
    let place = Place::with_run();
    let lines = ["a b c", "", "d", "a b c", "   ", "z y x w v u", "d"];
    let text = lines.join("\n");
    let stdout = place.run_on(&TRANSLATE, text.as_str()).succeeds();
    let translations: Vec<&str> = stdout.split('\n').collect();
    assert_eq!(translations.len(), lines.len() + 1, "{stdout}");
    assert!(
        translations[1].is_empty() && translations[4].is_empty(),
        "{stdout}"
    );
    assert_eq!(translations[0], translations[3]);
    assert_eq!(translations[2], translations[6]);
    for (line, translation) in lines.iter().zip(&translations) {
        let alone = place.run_on(&TRANSLATE, *line).succeeds();
        // No line at all is no translation.
        assert_eq!(alone.trim_end_matches('\n'), *translation, "{line}");
    }
}

#[test]
fn line_ends_marks_and_files_change_nothing() {
    let place = Place::with_run();
    let expected = place.run_on(&TRANSLATE, "a b\nc d e\n").succeeds();
    for same in [
        "a b\nc d e",
        "a b\r\nc d e\r\n",
        "\u{feff}a b\nc d e",
        "\ta  b \n c d\u{a0}e\n",
    ] {
        assert_eq!(
            place.run_on(&TRANSLATE, same).succeeds(),
            expected,
            "{same:?}"
        );
        place.write("input", same);
        place
            .run(&[
                "translate",
                "runs/tiny",
                "--input",
                "input",
                "--output",
                "output",
            ])
            .succeeds();
        assert_eq!(place.text("output"), expected, "{same:?}");
    }
}

#[test]
fn nothing_in_nothing_out() {
    assert_eq!(Place::with_run().run_on(&TRANSLATE, "").succeeds(), "");
}

#[test]
fn characters_never_seen_are_translated_somehow() {
    let place = Place::with_run();
    let strange = "\u{e9}\u{df} \u{1f980}\n\u{0}\u{7}\u{1b}[31m\n\u{202e}\u{2028}\u{85}x\n</s> <pad> <unk> <s>\n";
    let stdout = place.run_on(&TRANSLATE, strange).succeeds();
    assert_eq!(stdout.matches('\n').count(), 4, "{stdout:?}");
}

#[test]
fn ten_thousand_words_are_cut_and_counted() {
    let place = Place::with_run();
    let text = format!("a\n{}\nb\n", "a b ".repeat(5_000));
    let ran = place.run_on(&TRANSLATE, text.as_str());
    ran.says(&[
        "warning: cut to `decode.max_source_length` tokens or the model's positions: 1 line\n",
    ]);
    assert_eq!(ran.succeeds().lines().count(), 3);
    let quiet = place.run_on(&["translate", "runs/tiny", "-q"], text.as_str());
    assert_eq!(quiet.stderr, "");
}

#[test]
fn invalid_utf8_ends_it_after_the_lines_before() {
    let place = Place::with_run();
    let expected = place.run_on(&TRANSLATE, "a b\nc\n").succeeds();
    let bytes = b"a b\nc\nd \xff e\nf\n";
    let ran = place.run_on(&TRANSLATE, bytes.as_slice());
    ran.fails(&["error: line 3 of `standard input` is not valid UTF-8 (byte 3 of the line)"]);
    assert_eq!(ran.stdout, expected);

    place.write("input", bytes);
    let ran = place.run(&[
        "translate",
        "runs/tiny",
        "--input",
        "input",
        "--output",
        "output",
    ]);
    ran.fails(&["line 3 of `input` is not valid UTF-8"]);
    assert_eq!(place.text("output"), expected);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::with_run();
    place.write("input", "a b c\n".repeat(50_000));
    let (first, ran) = place.read_a_line(&["translate", "runs/tiny", "--input", "input"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (Some(0), ""));
    assert!(first.ends_with('\n'));
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_named() {
    let place = Place::with_run();
    place
        .run_on(&["translate", "runs/tiny", "--output", "/dev/full"], "a\n")
        .fails(&[
            "error: cannot write `/dev/full`",
            "caused by: No space left on device",
        ]);

    let output = Command::new(PROGRAM)
        .current_dir(place.path("."))
        .args(["inspect", "runs/tiny"])
        .stdout(OpenOptions::new().write(true).open("/dev/full").unwrap())
        .output()
        .unwrap();
    Ran::new(&output).fails(&[
        "error: cannot write standard output",
        "caused by: No space left on device",
    ]);
}

#[test]
fn files_that_cannot_be_opened_are_named() {
    let place = Place::with_run();
    place
        .run(&["translate", "runs/tiny", "--input", "nowhere"])
        .fails(&["cannot read `nowhere`", "caused by: No such file"]);
    place
        .run(&["translate", "runs/tiny", "--output", "nowhere/at/all"])
        .fails(&["cannot write `nowhere/at/all`", "caused by: No such file"]);
}

#[test]
fn the_input_is_never_the_output() {
    let place = Place::with_run();
    place.write("text", "a b\n");
    place
        .run(&[
            "translate",
            "runs/tiny",
            "--input",
            "text",
            "--output",
            "./text",
        ])
        .fails(&["`./text` is both input and output"]);
    assert_eq!(place.text("text"), "a b\n");
}

#[test]
fn what_is_no_run_is_called_so() {
    let place = Place::new();
    for command in [["translate", "runs/tiny"], ["inspect", "."]] {
        place.run_on(&command, "a\n").fails(&[
            "is not a run directory: it has no `config.toml`",
            "hint: name a directory that `regard train` wrote",
        ]);
    }
}

#[test]
fn checkpoints_are_chosen_by_name_or_step() {
    let place = Place::with_run();
    let with = |checkpoint: &str| {
        place.run_on(
            &["translate", "runs/tiny", "--checkpoint", checkpoint],
            "a b\n",
        )
    };
    for checkpoint in ["best", "last", "2", "4"] {
        with(checkpoint).succeeds();
    }
    with("3").fails(&[
        "`runs/tiny` has no checkpoint at step 3",
        "hint: there are checkpoints at steps [2, 4]",
    ]);
    with("worst").fails(&["expected `best`, `last`, `average` or a step, got `worst`"]);
}

#[test]
fn a_missing_or_foreign_tokenizer_is_named() {
    let place = Place::with_run();
    let tokenizer = place.path("runs/tiny/tokenizer.json");
    let expected = [
        "error: the run `runs/tiny` has no usable tokenizer",
        "hint: the run needs the `tokenizer.json`",
    ];
    fs::write(&tokenizer, "{}").unwrap();
    place.run_on(&TRANSLATE, "a\n").fails(&expected);
    place
        .run(&["train", "tiny.toml", "--resume"])
        .fails(&expected);
    fs::remove_file(&tokenizer).unwrap();
    place.run_on(&TRANSLATE, "a\n").fails(&[
        expected[0],
        "caused by: cannot read `runs/tiny/tokenizer.json`",
    ]);

    // Two tokenizers where the model wants one.
    place
        .run(&[
            "train",
            "tiny.toml",
            "--run",
            "two",
            "--set",
            "tokenizer.shared=false",
            "--set",
            "model.tie=output",
        ])
        .succeeds();
    for side in ["source", "target"] {
        let name = format!("{side}-tokenizer.json");
        fs::copy(
            place.path("two").join(&name),
            place.path("runs/tiny").join(&name),
        )
        .unwrap();
    }
    place
        .run_on(&TRANSLATE, "a\n")
        .fails(&["which needs one vocabulary, but tokenizers of 30 and 30 tokens"]);
}

#[test]
fn a_truncated_checkpoint_is_refused() {
    let place = Place::with_run();
    let weights = "runs/tiny/checkpoints/step-000004/model.safetensors";
    let whole = place.read(weights);
    for length in [0, 5, 300, whole.len() / 2, whole.len() - 1] {
        place.write(weights, &whole[..length]);
        place.run_on(&TRANSLATE, "a\n").fails(&[
            "step-000004/model.safetensors` is not a readable safetensors file",
            "hint: the file is damaged: choose another checkpoint with `--checkpoint STEP`",
        ]);
    }
    place
        .run_on(&["translate", "runs/tiny", "--checkpoint", "2"], "a\n")
        .succeeds();
}

#[test]
fn the_weights_of_another_model_are_refused_by_name() {
    let place = Place::with_run();
    let weights = "checkpoints/step-000004/model.safetensors";
    let put = |run: &str, set: &str| {
        place
            .run(&["train", "tiny.toml", "--run", run, "--set", set])
            .succeeds();
        fs::copy(
            place.path(run).join(weights),
            place.path("runs/tiny").join(weights),
        )
        .unwrap();
        place.run_on(&TRANSLATE, "a\n")
    };
    let hint = "hint: weights and configuration must come from the same run";
    put("narrow", "model.d_model=8").fails(&[
        "step-000004/model.safetensors` does not fit the model",
        "`target_embedding.weight`: expected shape [30, 16], got [30, 8]",
        hint,
    ]);
    put("deep", "model.encoder_layers=2").fails(&["not a parameter of this model", hint]);
    put("bare", "model.tie=none").fails(&["`output.weight`: not a parameter of this model", hint]);
}
