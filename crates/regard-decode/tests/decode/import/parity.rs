//! What PyTorch's models say, said here, to 1e-5 of the largest value.

use std::fs;

use burn::tensor::Tensor;
use regard_decode::{TensorFile, import_weights, load_parameters, parameters, write_tensors};
use regard_nn::{
    Init, Model, ModelConfig, Pass, RecurrentCell, ResidualForm, RnnConfig, Seq2Seq, Tokens,
    TransformerConfig, Tying, each_model,
};
use safetensors::SafeTensors;

use super::{fixture, import_map};

// As in the script.
const SOURCE_LENGTHS: [usize; 3] = [5, 1, 3];
const TARGET_LENGTHS: [usize; 3] = [2, 7, 1];
const SOURCE_VOCABULARY: usize = 13;
const TARGET_VOCABULARY: usize = 11;
const TOLERANCE: f32 = 1e-5;

pub(super) fn transformer(layers: usize, residual: ResidualForm, tie: Tying) -> ModelConfig {
    ModelConfig::Transformer(TransformerConfig {
        d_model: 6,
        n_heads: 2,
        d_ff: 17,
        encoder_layers: layers,
        decoder_layers: layers,
        residual,
        tie,
        ..TransformerConfig::default()
    })
}

pub(super) fn recurrent(cell: RecurrentCell, layers: usize, tie: Tying) -> RnnConfig {
    RnnConfig {
        d_model: 6,
        d_embedding: Some(5),
        cell,
        layers,
        tie,
        ..RnnConfig::default()
    }
}

/// The model of a checkpoint, drawn.
pub(super) fn model(name: &str) -> Model {
    let (gru, lstm) = (RecurrentCell::Gru, RecurrentCell::Lstm);
    let config = match name {
        "transformer" => transformer(2, ResidualForm::Pre, Tying::None),
        "transformer-tied" => transformer(1, ResidualForm::Post, Tying::All),
        "bench-transformer" => transformer(1, ResidualForm::Pre, Tying::All),
        "bahdanau" => ModelConfig::Bahdanau(RnnConfig {
            d_attention: Some(7),
            ..recurrent(gru, 2, Tying::Output)
        }),
        "bench-bahdanau" => ModelConfig::Bahdanau(RnnConfig {
            d_embedding: None,
            ..recurrent(gru, 1, Tying::All)
        }),
        "luong" => ModelConfig::Luong(recurrent(lstm, 1, Tying::None)),
        "bottleneck" => ModelConfig::Bottleneck(RnnConfig {
            bidirectional: false,
            ..recurrent(lstm, 2, Tying::Output)
        }),
        other => panic!("no checkpoint {other}"),
    };
    initialised(&config)
}

pub(super) fn initialised(config: &ModelConfig) -> Model {
    let source = if config.needs_joint_vocabulary() {
        TARGET_VOCABULARY
    } else {
        SOURCE_VOCABULARY
    };
    config.init(source, TARGET_VOCABULARY, &Init::new(1, &crate::device()))
}

pub(super) const CHECKPOINTS: [&str; 7] = [
    "transformer",
    "transformer-tied",
    "bahdanau",
    "luong",
    "bottleneck",
    "bench-transformer",
    "bench-bahdanau",
];

/// Hidden states and logits of every real target position.
fn said<M: Seq2Seq>(model: &M, source: &[u32], target_in: &[u32]) -> [Vec<f32>; 2] {
    let device = crate::device();
    let source = Tokens::new(source, &SOURCE_LENGTHS, &device);
    let target_in = Tokens::new(target_in, &TARGET_LENGTHS, &device);
    let hidden = model
        .forward(&source, &target_in, &Pass::evaluation())
        .hidden;
    let logits = model.output().logits(hidden.clone());
    let values = |x: Tensor<2>| x.into_data().iter::<f32>().collect();
    [hidden, logits].map(values)
}

#[test]
fn an_imported_model_says_what_it_said_in_pytorch() {
    let bytes = fs::read(fixture("outputs.safetensors")).unwrap();
    let outputs = SafeTensors::deserialize(&bytes).unwrap();
    let words = |name: &str| -> Option<Vec<[u8; 4]>> {
        let (words, _) = outputs.tensor(name).ok()?.data().as_chunks::<4>();
        Some(words.to_vec())
    };
    let ids = |name| -> Vec<u32> {
        let words = words(name).unwrap();
        words.into_iter().map(u32::from_le_bytes).collect()
    };
    let (source, target_in) = (ids("source"), ids("target_in"));
    let mut compared = 0;
    for name in CHECKPOINTS {
        let model = import_weights(model(name), fixture(&format!("{name}.pt"))).unwrap();
        let got = each_model!(&model, model => said(model, &source, &target_in));
        for (part, got) in ["hidden", "logits"].into_iter().zip(got) {
            let Some(expected) = words(&format!("{name}/{part}")) else {
                assert!(
                    name.starts_with("bench-") && part == "hidden",
                    "{name}: {part}"
                );
                continue;
            };
            let expected: Vec<f32> = expected.into_iter().map(f32::from_le_bytes).collect();
            assert_eq!(got.len(), expected.len(), "{name}: {part}");
            let largest = expected.iter().fold(0.0, |max: f32, x| max.max(x.abs()));
            let pairs = got.iter().zip(&expected);
            let off = pairs.fold(0.0, |max: f32, (a, b)| max.max((a - b).abs()));
            assert!(
                off <= TOLERANCE * largest,
                "{name}: {part} off by {off} of {largest}"
            );
            compared += 1;
        }
    }
    assert_eq!(compared, 12);
}

#[test]
fn an_imported_model_is_saved_and_loaded_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("model.safetensors");
    for name in CHECKPOINTS {
        let imported = import_weights(model(name), fixture(&format!("{name}.pt"))).unwrap();
        let expected = parameters(&imported);
        write_tensors(&path, &expected).unwrap();
        assert_eq!(
            TensorFile::read(&path).unwrap().names().count(),
            expected.len()
        );
        let loaded = load_parameters(model(name), &path).unwrap();
        assert_eq!(parameters(&loaded), expected, "{name}");
        // Our own form is told by its content, whatever the file is called.
        let other = directory.path().join("model.pt");
        fs::copy(&path, &other).unwrap();
        let loaded = import_weights(model(name), &other).unwrap();
        assert_eq!(parameters(&loaded), expected, "{name}");
    }
}

#[test]
fn every_form_in_which_pytorch_saves_has_the_same_numbers() {
    let expected = import_map(fixture("map-plain.pt")).unwrap();
    let shapes: Vec<&[usize]> = expected
        .iter()
        .map(|tensor| tensor.shape.as_slice())
        .collect();
    assert_eq!(shapes, [&[2, 3][..], &[3]], "[in, out], and a bias");
    // >>> [(x * 2**19).int().tolist() for x in [formula.numbers("weight", 3, 2).T, formula.numbers("bias", 3)]]
    let numbers = |values: &[f32]| -> Vec<f32> { values.iter().map(|x| x * 524_288.0).collect() };
    let weight = [
        -162_059.0, -225_881.0, 33_321.0, 458_023.0, -126_353.0, 326_789.0,
    ];
    assert_eq!(numbers(&expected[0].values), weight);
    assert_eq!(
        numbers(&expected[1].values),
        [482_459.0, -137_898.0, 12_464.0]
    );
    for form in ["protocol-5", "parameters", "views", "no-checksums"] {
        let got = import_map(fixture(&format!("map-{form}.pt"))).unwrap();
        assert_eq!(got, expected, "{form}");
    }
}
