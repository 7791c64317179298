//! Files that do not fit, and files of another kind: everything that is wrong is said, and nothing is half loaded.

use std::fs;

use regard_decode::{DecodeError, import_weights};
use regard_nn::{ModelConfig, RecurrentCell, ResidualForm, RnnConfig, TransformerConfig, Tying};

use super::parity::{CHECKPOINTS, initialised, model, recurrent, transformer};
use super::{fixture, import_map, problems};

/// What is wrong with a checkpoint for a model.
fn refused(config: &ModelConfig, checkpoint: &str) -> Vec<String> {
    let path = fixture(&format!("{checkpoint}.pt"));
    let error = import_weights(initialised(config), path).unwrap_err();
    assert!(error.hint().unwrap().contains("docs/weights.md"), "{error}");
    problems(&error).to_vec()
}

fn changed(change: impl FnOnce(&mut TransformerConfig)) -> ModelConfig {
    match transformer(2, ResidualForm::Pre, Tying::None) {
        ModelConfig::Transformer(mut config) => {
            change(&mut config);
            ModelConfig::Transformer(config)
        }
        other => other,
    }
}

/// How many of `problems` contain `part`.
fn count(problems: &[String], part: &str) -> usize {
    problems
        .iter()
        .filter(|problem| problem.contains(part))
        .count()
}

#[test]
fn only_its_own_model_takes_a_checkpoint() {
    for name in CHECKPOINTS {
        for other in CHECKPOINTS {
            let path = fixture(&format!("{other}.pt"));
            let fits = import_weights(model(name), path).is_ok();
            assert_eq!(fits, name == other, "a model for {name}.pt and {other}.pt");
        }
    }
}

#[test]
fn shapes_that_differ_are_named_as_pytorch_has_them() {
    let problems = refused(&changed(|config| config.d_ff = 19), "transformer");
    assert_eq!(
        problems.len(),
        4 * 3,
        "two matrices and a bias in each of four layers: {problems:?}"
    );
    let expected = "`decoder.layers.1.linear1.weight`: expected shape [19, 6], got [17, 6]";
    assert!(problems.contains(&expected.into()), "{problems:?}");
}

#[test]
fn what_is_missing_is_named_with_every_name_it_may_have() {
    let problems = refused(&changed(|config| config.decoder_layers = 3), "transformer");
    assert_eq!(problems.len(), 20, "a layer's parameters: {problems:?}");
    let expected = "`decoder.layers.2.cross_attention.query.bias`: missing; expected it as \
                    `decoder.layers.2.cross_attention.query.bias`, `decoder.layers.2.multihead_attn.in_proj_bias`, \
                    `decoder.2.cross_attention.query.bias`";
    assert!(problems.contains(&expected.into()), "{problems:#?}");
}

#[test]
fn what_is_left_over_is_named() {
    let problems = refused(&changed(|config| config.encoder_layers = 1), "transformer");
    assert_eq!(problems.len(), 12, "{problems:?}");
    let expected = "`encoder.layers.1.norm2.bias`: not a parameter of this model";
    assert!(problems.contains(&expected.into()), "{problems:?}");
}

#[test]
fn missing_and_left_over_are_told_together_with_the_nearest_name() {
    // The bias of the only map has no place in a model without, nor its table of positions in the file.
    let problems = refused(
        &changed(|config| config.output_bias = Some(false)),
        "transformer",
    );
    assert_eq!(problems, ["`output.bias`: not a parameter of this model"]);

    // A twin that calls its last map differently.
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.pt");
    let mut bytes = fs::read(fixture("map-no-checksums.pt")).unwrap();
    let at = bytes
        .windows(6)
        .position(|window| window == b"weight")
        .unwrap();
    bytes[at..at + 6].copy_from_slice(b"weighs");
    fs::write(&path, bytes).unwrap();
    let error = import_map(path).unwrap_err();
    let expected = [
        "`weight`: missing; expected it as `weight`; is it `weighs`?",
        "`weighs`: not a parameter of this model",
    ];
    assert_eq!(problems_of(&error), expected);
}

fn problems_of(error: &DecodeError) -> Vec<&str> {
    problems(error).iter().map(String::as_str).collect()
}

#[test]
fn one_matrix_here_cannot_be_two_in_the_file() {
    let shared = |tie| {
        ModelConfig::Bahdanau(RnnConfig {
            d_attention: Some(7),
            ..recurrent(RecurrentCell::Gru, 2, tie)
        })
    };
    // Where the file's output map is the target embedding, a model with two matrices takes it for both, but has a bias.
    let problems = refused(&shared(Tying::None), "bahdanau");
    assert_eq!(
        problems,
        ["`output.bias`: missing; expected it as `output.bias`"]
    );
    // Where they are two in the file, a model with one has no place for the second.
    let tied = changed(|config| {
        config.tie = Tying::Output;
        config.output_bias = Some(true);
    });
    let problems = refused(&tied, "transformer");
    let expected = "`output.weight`: expected the numbers of `target_embedding.weight`, which is the same parameter \
                    here: see `model.tie`";
    assert_eq!(problems, [expected]);
}

#[test]
fn a_gru_of_pytorch_is_not_taken_for_one_that_resets_before() {
    let config = ModelConfig::Bahdanau(RnnConfig {
        d_attention: Some(7),
        ..recurrent(RecurrentCell::GruResetBefore, 2, Tying::Output)
    });
    let problems = refused(&config, "bahdanau");
    assert_eq!(count(&problems, ": missing; "), 6 * 3 + 1, "{problems:#?}");
    assert_eq!(
        count(&problems, "PyTorch's GRU resets after the product"),
        6 * 4,
        "{problems:#?}"
    );
}

#[test]
fn a_model_of_another_kind_gets_a_list_that_ends() {
    let path = fixture("transformer.pt");
    let error = import_weights(model("luong"), path)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("transformer.pt` does not fit the model:"),
        "{error}"
    );
    assert_eq!(error.lines().count(), 22, "{error}");
}

#[test]
fn types_that_are_no_weights_are_named() {
    let cases = [
        (
            "integers",
            "`bias`: expected float32, float16 or bfloat16, got int64",
        ),
        (
            "double",
            "`weight`: expected float32, float16 or bfloat16, got float64",
        ),
        ("not-finite", "`bias`: expected finite numbers, got others"),
    ];
    for (name, expected) in cases {
        let error = import_map(fixture(&format!("map-{name}.pt"))).unwrap_err();
        assert_eq!(problems_of(&error), [expected], "{name}");
    }
}

#[test]
fn a_checkpoint_with_more_than_a_state_dict_says_what_it_has() {
    let error = import_map(fixture("map-training.pt")).unwrap_err();
    let expected = [
        "`bias`: missing; expected it as `bias`",
        "`weight`: missing; expected it as `weight`",
        "`epoch`: not a parameter of this model, but a number",
        "`model`: not a parameter of this model, but a dictionary; save what it holds by itself",
        "`names`: not a parameter of this model, but a list",
        "`rate`: not a parameter of this model, but a number",
    ];
    assert_eq!(problems_of(&error), expected);
}

#[test]
fn nothing_in_a_pickle_is_run() {
    let cases = [
        (
            "command",
            "its pickle names `posix.system`, which no state dict needs; nothing of it was run",
        ),
        (
            "module",
            "its pickle names `torch.nn.modules.linear.Linear`, which no state dict needs; nothing of it was run",
        ),
        ("list", "expected a dictionary of tensors, got a list"),
    ];
    for (name, reason) in cases {
        let error = import_map(fixture(&format!("map-{name}.pt"))).unwrap_err();
        let text = error.to_string();
        assert!(
            text.ends_with(&format!("is not a readable file of weights: {reason}")),
            "{text}"
        );
        assert!(
            error
                .hint()
                .unwrap()
                .contains("torch.save(model.state_dict(), path)")
        );
    }
}

#[test]
fn a_file_of_another_kind_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.pt");
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        import_map(path.clone()).unwrap_err().to_string()
    };
    for bytes in [&b""[..], b"PK", b"weights: 1, 2, 3", &[0xff; 100]] {
        let error = refused(bytes);
        assert!(
            error.contains("nor is it a safetensors file"),
            "{bytes:?}: {error}"
        );
    }
    // >>> torch.save(state, path, _use_new_zipfile_serialization=False); open(path, "rb").read()[:14]
    let error = refused(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19");
    assert!(error.contains("before version 1.6"), "{error}");
    // An empty zip file has no begin of an entry, and one of something else no pickle.
    let error = refused(b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    assert!(error.contains("nor is it a safetensors file"), "{error}");
    let error = import_map(directory.path().join("none.pt")).unwrap_err();
    assert!(matches!(error, DecodeError::Read { .. }), "{error}");
}
