//! `import`: a run of weights from elsewhere is a run.

use std::path::PathBuf;

use crate::support::{Place, TINY, tiny_on};

const LINES: &str = "a b c\nd\n\nz y x w v u\n";
const WEIGHTS: &str = "runs/tiny/checkpoints/step-000004/model.safetensors";

fn translate(place: &Place, arguments: &[&str]) -> String {
    let arguments = [&["translate"], arguments].concat();
    place.run_on(&arguments, LINES).succeeds()
}

#[test]
fn own_weights_make_a_run_that_is_the_same() {
    let place = Place::with_run();
    let expected = translate(&place, &["runs/tiny", "--checkpoint", "4", "--json"]);
    for (i, tokenizer) in ["runs/tiny", "runs/tiny/tokenizer.json"].iter().enumerate() {
        let run = format!("runs/import-{i}");
        let import = ["import", "tiny.toml", WEIGHTS, "--run", &run];
        let ran = place.run(&[&import[..], &["--tokenizer", tokenizer]].concat());
        ran.says(&[&format!(
            "imported 6112 parameters into `{run}`; translate with `regard translate {run}`"
        )]);
        assert_eq!(ran.succeeds(), "");
        assert_eq!(translate(&place, &[&run, "--json"]), expected);
        let weights = format!("{run}/checkpoints/step-000000/model.safetensors");
        assert_eq!(place.read(&weights), place.read(WEIGHTS));
        let tokenizer = format!("{run}/tokenizer.json");
        assert_eq!(
            place.read(&tokenizer),
            place.read("runs/tiny/tokenizer.json")
        );
    }
    // It is used as any other, and trained on.
    let inspected = place.run(&["inspect", "runs/import-0"]).succeeds();
    assert!(
        inspected.contains("checkpoints: steps [0], last 0"),
        "{inspected}"
    );
    place
        .run(&["pack", "runs/import-0", "--output", "tiny.regard"])
        .succeeds();
    assert_eq!(translate(&place, &["tiny.regard", "--json"]), expected);
    let more = [
        "train",
        "tiny.toml",
        "--init",
        "runs/import-0",
        "--run",
        "runs/more",
    ];
    place.run(&more).succeeds();
    // By the name of the configuration, which may be that of a run, and with values replaced.
    place.write("wide.toml", place.read("runs/tiny/config.toml"));
    let import = ["import", "wide.toml", WEIGHTS, "--tokenizer", "runs/tiny"];
    place
        .run(&[&import[..], &["--set", "decode.beam=4"]].concat())
        .succeeds();
    let wide = translate(&place, &["runs/tiny", "--checkpoint", "4", "--beam", "4"]);
    assert_eq!(translate(&place, &["runs/wide"]), wide);
    // Without a tokenizer on the command line it is the one that the configuration names.
    let named = TINY.replace("kind = \"word\"", "file = \"runs/tiny/tokenizer.json\"");
    place.write("named.toml", named);
    place.run(&["import", "named.toml", WEIGHTS]).succeeds();
    assert_eq!(translate(&place, &["runs/named", "--json"]), expected);
}

/// The model of `scripts/parity/weights.py`: 13 source tokens, 11 target tokens.
#[test]
fn weights_of_pytorch_make_a_run() {
    let place = Place::new();
    place.write("words.tsv", "a b c\tA B\nd e f\tC D E\ng h i\tF G\n");
    let words = tiny_on("{ tsv = \"words.tsv\" }")
        .replace("kind = \"word\"", "kind = \"word\"\nshared = false")
        .replace("decoder_layers = 1", "decoder_layers = 1\ntie = \"none\"");
    place.write("words.toml", &words);
    place.run(&["train", "words.toml"]).succeeds();
    let model = words
        .replace("d_model = 16", "d_model = 6")
        .replace("d_ff = 32", "d_ff = 17")
        .replace("coder_layers = 1", "coder_layers = 2");
    place.write("torch.toml", model);
    let fixtures =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../regard-decode/tests/fixtures");
    let weights = fixtures.join("weights/transformer.pt");
    let weights = weights.to_str().unwrap();
    let import = ["import", "torch.toml", weights, "--tokenizer"];
    place
        .run(&[&import[..], &["runs/words"]].concat())
        .succeeds();
    let translated = translate(&place, &["runs/torch", "--json"]);
    assert_eq!(translated.lines().count(), LINES.lines().count());

    // The same by files of the two sides, and of what was imported.
    let files = ["source", "target"].map(|side| format!("runs/words/{side}-tokenizer.json"));
    let imported = "runs/torch/checkpoints/step-000000/model.safetensors";
    let again = ["import", "torch.toml", imported, "--run", "runs/again"];
    let files = ["--tokenizer", &files[0], "--tokenizer", &files[1]];
    place.run(&[&again[..], &files].concat()).succeeds();
    assert_eq!(translate(&place, &["runs/again", "--json"]), translated);

    let refused = |more: &[&str], problems: &[&str]| {
        let import = ["import", "torch.toml", weights, "--run", "runs/refused"];
        place.run(&[&import[..], more].concat()).fails(problems);
        assert!(!place.path("runs/refused").exists(), "{problems:?}");
    };
    let of_run = ["--tokenizer", "runs/words"];
    let missing = [&of_run[..], &["--set", "model.encoder_layers=3"]].concat();
    refused(
        &missing,
        &[
            "transformer.pt` does not fit the model",
            "`encoder.layers.2.",
            "missing; expected it as `",
            "hint: `docs/weights.md` has the names",
        ],
    );
    let tied = [
        &of_run[..],
        &["--set", "tokenizer.shared=true", "--set", "model.tie=all"],
    ]
    .concat();
    refused(
        &tied,
        &["needs one vocabulary, but tokenizers of 13 and 11 tokens"],
    );
    let one = ["--tokenizer", "runs/words/source-tokenizer.json"];
    refused(&one, &["does not fit the model", "expected shape"]);
}

#[test]
fn what_cannot_be_imported_leaves_nothing_behind() {
    let place = Place::with_run();
    place.write("text", "no weights");
    std::fs::create_dir(place.path("empty")).unwrap();
    let refused = |arguments: &[&str], problems: &[&str]| {
        let import = ["import", "--run", "runs/refused"];
        place
            .run(&[&import[..], arguments].concat())
            .fails(problems);
        assert!(!place.path("runs/refused").exists(), "{arguments:?}");
    };
    let of_run = ["--tokenizer", "runs/tiny"];
    for (arguments, problems) in [
        (
            &["tiny.toml", WEIGHTS, "--set", "model.d_ff=33"][..],
            &[
                "model.safetensors` does not fit the model",
                "feed_forward.inner.weight`",
            ][..],
        ),
        (
            &["tiny.toml", WEIGHTS, "--set", "model.decoder_layers=2"],
            &["`decoder.layers.1.", "hint: weights and configuration must"],
        ),
        (&["tiny.toml", "nowhere.pt"], &["cannot read `nowhere.pt`"]),
        (
            &["tiny.toml", "text"],
            &["`text` is not a readable file of weights", "torch.save"],
        ),
        (&["nowhere.toml", WEIGHTS], &["cannot read `nowhere.toml`"]),
        (
            &["tiny.toml", WEIGHTS, "--set", "model.n_head=3"],
            &["`model.n_head`: unknown key; did you mean `n_heads`?"],
        ),
    ] {
        refused(&[arguments, &of_run].concat(), problems);
    }
    let weights = ["tiny.toml", WEIGHTS];
    for (tokenizers, problems) in [
        (&[][..], &["no tokenizer; give --tokenizer"][..]),
        (
            &["--tokenizer", "empty"],
            &["the run `empty` has no usable tokenizer"],
        ),
        (&["--tokenizer", "nowhere.json"], &["nowhere.json"]),
        (&["--tokenizer", "tiny.toml"], &["tiny.toml"]),
        (
            &["--tokenizer", "a", "--tokenizer", "b", "--tokenizer", "c"],
            &["expected one --tokenizer, or that of the source and that of the target, got 3"],
        ),
    ] {
        refused(&[&weights[..], tokenizers].concat(), problems);
    }

    let before = place.read("runs/tiny/config.toml");
    let existing = ["import", "tiny.toml", WEIGHTS, "--tokenizer", "runs/tiny"];
    place.run(&existing).fails(&[
        "`runs/tiny` holds a run already",
        "hint: choose another directory with `--run`, or remove `runs/tiny`",
    ]);
    assert_eq!(place.read("runs/tiny/config.toml"), before);
}
