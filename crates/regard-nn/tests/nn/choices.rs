//! A small transformer with each choice of `[model]` that PyTorch's own layers do not have, held to
//! `scripts/parity/choices.py`.
use regard_nn::{
    Activation, Batch, FeatureMap, Init, NormKind, Normalizer, Pass, PositionKind, RotaryPairing,
    SelfAttentionKind, Seq2Seq, TargetRows, Tokens, TransformerConfig, Tying, cross_entropy,
};

use crate::case::Case;
use crate::formula::{fill, ids};

const FIXTURE: &[u8] = include_bytes!("../fixtures/choices.safetensors");

// As in the script.
const B: usize = 2;
const T: usize = 7;
const S: usize = 11;
const VOCABULARY: u32 = 17;
/// Where nothing is tied.
const SOURCE_VOCABULARY: u32 = 19;

fn base() -> TransformerConfig {
    TransformerConfig {
        d_model: 12,
        n_heads: 3,
        d_ff: 13,
        encoder_layers: 1,
        decoder_layers: 1,
        positions: PositionKind::None,
        ..TransformerConfig::default()
    }
}

fn choices() -> [(&'static str, TransformerConfig); 10] {
    [
        (
            "rotary",
            TransformerConfig {
                positions: PositionKind::Rotary,
                query_key_norm: true,
                norm: NormKind::Rms,
                activation: Activation::Swiglu,
                bias: false,
                ..base()
            },
        ),
        (
            "rotary_halves",
            TransformerConfig {
                positions: PositionKind::Rotary,
                rotary_pairing: Some(RotaryPairing::Halves),
                n_kv_heads: Some(1),
                attention: SelfAttentionKind::Window,
                window: Some(3),
                ..base()
            },
        ),
        (
            "alibi",
            TransformerConfig {
                positions: PositionKind::Alibi,
                attention: SelfAttentionKind::Window,
                window: Some(2),
                activation: Activation::Gelu,
                ..base()
            },
        ),
        (
            "t5",
            TransformerConfig {
                positions: PositionKind::T5,
                position_buckets: Some(8),
                max_distance: Some(12),
                normalizer: Normalizer::Entmax15,
                activation: Activation::Geglu,
                ..base()
            },
        ),
        (
            "shaw",
            TransformerConfig {
                positions: PositionKind::Shaw,
                max_distance: Some(4),
                normalizer: Normalizer::Sparsemax,
                activation: Activation::GeluTanh,
                ..base()
            },
        ),
        (
            "linear",
            TransformerConfig {
                attention: SelfAttentionKind::Linear,
                positions: PositionKind::Learned,
                max_positions: Some(13),
                activation: Activation::Glu,
                ..base()
            },
        ),
        (
            "linear_relu",
            TransformerConfig {
                attention: SelfAttentionKind::Linear,
                feature_map: Some(FeatureMap::Relu),
                ..base()
            },
        ),
        (
            "memory",
            TransformerConfig {
                attention: SelfAttentionKind::Memory,
                memory_slots: Some(5),
                activation: Activation::Reglu,
                ..base()
            },
        ),
        (
            "window",
            TransformerConfig {
                attention: SelfAttentionKind::Window,
                window: Some(3),
                activation: Activation::Silu,
                ..base()
            },
        ),
        (
            "untied",
            TransformerConfig {
                positions: PositionKind::Learned,
                max_positions: Some(13),
                tie: Tying::None,
                ..base()
            },
        ),
    ]
}

#[test]
fn a_model_of_every_choice() {
    let device = crate::device().autodiff();
    for (name, config) in choices() {
        let source_vocabulary = match config.tie {
            Tying::None => SOURCE_VOCABULARY,
            _ => VOCABULARY,
        };
        let sizes = [source_vocabulary, VOCABULARY].map(|size| size as usize);
        let model = config.init(sizes[0], sizes[1], &Init::new(0, &device));
        let model = fill(model, "");
        let source = ids("source", source_vocabulary, B * S);
        let target = TargetRows {
            input: &ids("target_in", VOCABULARY, B * T),
            output: &ids("target_out", VOCABULARY, B * T),
            lengths: &[3, T],
        };
        let lengths = [S, 5];
        let skipped = Batch::new(Tokens::new(&source, &lengths, &device), target, &device);
        let computed = Batch {
            source: Tokens::padded(&source, &lengths, &device),
            target_in: Tokens::padded(target.input, target.lengths, &device),
            ..skipped.clone()
        };
        // PyTorch computes its padding, and hidden rows of padding are part of what it wrote down.
        let pass = Pass::evaluation();
        let decoded = model.forward(&computed.source, &computed.target_in, &pass);
        for batch in [computed, skipped] {
            let loss = cross_entropy(&model, &batch, 0.0, &pass);
            Case::new(FIXTURE, name)
                .result("hidden", decoded.hidden.clone())
                .result("objective", loss.objective.clone())
                .loss(&loss.objective)
                .check(&model, "");
        }
    }
}
