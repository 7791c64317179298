//! Held to PyTorch: outputs and gradients that `scripts/parity/transformer.py` wrote down, to 1e-5 of the largest value.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use regard_kernels::linear_cross_entropy;
use regard_nn::{
    Activation, AttentionMask, FeedForward, FeedForwardConfig, Init, LayerNorm, Layout,
    MultiHeadAttentionConfig, MultiHeadCrossAttention, MultiHeadSelfAttention, Pass, Residual,
    ResidualForm, Seq2Seq, SinusoidLayout, TransformerConfig, Tying, Wavelengths, cross_entropy,
    sinusoids,
};

use crate::case::{Case, batches};
use crate::formula::{fill, ids, numbers};

// As in the script: distinct primes.
const B: usize = 2;
const T: usize = 7;
const S: usize = 11;
const H: usize = 3;
const D: usize = H * 5;
const F: usize = 13;
const SOURCE_VOCABULARY: u32 = 19;
const TARGET_VOCABULARY: u32 = 17;
const SOURCE_LENGTHS: [usize; B] = [S, 5];
const TARGET_LENGTHS: [usize; B] = [3, T];
const SMOOTHING: f64 = 0.1;

const FIXTURE: &[u8] = include_bytes!("../fixtures/transformer.safetensors");

fn device() -> Device {
    crate::device().autodiff()
}

fn init() -> Init {
    Init::new(0, &device())
}

/// An input of the script.
fn input(name: &str, length: usize) -> Tensor<3> {
    numbers(name, [B, length, D], &device()).require_grad()
}

fn pass() -> Pass {
    Pass::evaluation().with_attention()
}

#[test]
fn sinusoidal_positions() {
    let case = Case::new(FIXTURE, "sinusoids");
    case.result("output", sinusoids(5, T, D, &device())).check();
}

#[test]
fn layer_norm() {
    let norm = fill(LayerNorm::new(D, &init()), "norm");
    let x = input("x", T);
    let y = norm.forward(x.clone().flatten(0, 1) / 64.0);
    let case = Case::new(FIXTURE, "layer_norm").output(y);
    case.input("x", &x).check(&norm, "norm");
}

#[test]
fn feed_forward() {
    let feed_forward = FeedForwardConfig::new(D, F).init(&init());
    let feed_forward = fill(feed_forward, "feed_forward");
    let x = input("x", T);
    let y = feed_forward.forward(x.clone().flatten(0, 1));
    let case = Case::new(FIXTURE, "feed_forward").output(y);
    case.input("x", &x).check(&feed_forward, "feed_forward");
}

#[test]
fn self_attention() {
    let masks = [
        ("self_attention/causal", AttentionMask::causal()),
        (
            "self_attention/padded",
            AttentionMask::key_lengths(TARGET_LENGTHS.to_vec()),
        ),
    ];
    for (name, mask) in masks {
        let attention = MultiHeadAttentionConfig::new(D, H).init_self(&init());
        let attention = fill(attention, "attention");
        let x = input("x", T);
        let y = attention.forward(x.clone(), &mask, &pass());
        let case = Case::new(FIXTURE, name).result("weights", y.weights.expect("asked for"));
        let case = case.output(y.context);
        case.input("x", &x).check(&attention, "attention");
    }
}

#[test]
fn cross_attention() {
    let attention = MultiHeadAttentionConfig::new(D, H).init_cross(&init());
    let attention = fill(attention, "attention");
    let (x, memory) = (input("x", T), input("memory", S));
    let mask = AttentionMask::key_lengths(SOURCE_LENGTHS.to_vec());
    let y = attention.forward(x.clone(), memory.clone(), &mask, &pass());
    let case = Case::new(FIXTURE, "cross_attention/padded");
    let case = case.result("weights", y.weights.expect("asked for"));
    let case = case.output(y.context);
    let case = case.input("x", &x).input("memory", &memory);
    case.check(&attention, "attention");
}

/// An output map under the names of the script.
#[derive(Module, Debug)]
struct OutputMap {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

#[test]
fn label_smoothed_cross_entropy() {
    let device = device();
    let vocabulary = TARGET_VOCABULARY as usize;
    let map = OutputMap {
        weight: Param::from_tensor(Tensor::zeros([D, vocabulary], &device)),
        bias: Param::from_tensor(Tensor::zeros([vocabulary], &device)),
    };
    let map = fill(map, "");
    let hidden = input("hidden", T);
    let targets = ids("targets", TARGET_VOCABULARY, B * T);
    let loss = linear_cross_entropy(
        hidden.clone().flatten(0, 1),
        map.weight.val(),
        Some(map.bias.val()),
        Tensor::from_data(TensorData::new(targets, [B * T]), &device),
        SMOOTHING,
    );
    let case = Case::new(FIXTURE, "cross_entropy")
        .result("nats", loss.nats)
        .result("objective", loss.objective.clone())
        .loss(&loss.objective);
    case.input("hidden", &hidden).check(&map, "");
}

/// PyTorch's `TransformerEncoderLayer`, built of the crate's public parts as a user would.
#[derive(Module, Debug)]
struct EncoderLayer {
    self_attention: MultiHeadSelfAttention,
    self_attention_residual: Residual,
    feed_forward: FeedForward,
    feed_forward_residual: Residual,
}

/// PyTorch's `TransformerDecoderLayer`.
#[derive(Module, Debug)]
struct DecoderLayer {
    self_attention: MultiHeadSelfAttention,
    self_attention_residual: Residual,
    cross_attention: MultiHeadCrossAttention,
    cross_attention_residual: Residual,
    feed_forward: FeedForward,
    feed_forward_residual: Residual,
}

#[test]
fn encoder_layer() {
    for (name, pre_norm) in [("encoder_layer/pre", true), ("encoder_layer/post", false)] {
        let residual = || Residual::new(D, 0.0, pre_norm, &init());
        let layer = EncoderLayer {
            self_attention: MultiHeadAttentionConfig::new(D, H).init_self(&init()),
            self_attention_residual: residual(),
            feed_forward: FeedForwardConfig::new(D, F).init(&init()),
            feed_forward_residual: residual(),
        };
        let layer = fill(layer, "layer");
        let (x, pass) = (input("x", S), Pass::evaluation());
        let layout = Layout::dense(B, S);
        let mask = AttentionMask::key_lengths(SOURCE_LENGTHS.to_vec());
        let y = x.clone().flatten(0, 1);
        let y = layer
            .self_attention_residual
            .forward(y, &layout, &pass, |y| {
                let attention = &layer.self_attention;
                attention.attend(y, &layout, mask, None, None, &pass).0
            });
        let y = layer
            .feed_forward_residual
            .forward(y, &layout, &pass, |y| layer.feed_forward.forward(y));
        let case = Case::new(FIXTURE, name).output(layout.unflatten(y));
        case.input("x", &x).check(&layer, "layer");
    }
}

#[test]
fn decoder_layer() {
    for (name, pre_norm) in [("decoder_layer/pre", true), ("decoder_layer/post", false)] {
        let residual = || Residual::new(D, 0.0, pre_norm, &init());
        let layer = DecoderLayer {
            self_attention: MultiHeadAttentionConfig::new(D, H).init_self(&init()),
            self_attention_residual: residual(),
            cross_attention: MultiHeadAttentionConfig::new(D, H).init_cross(&init()),
            cross_attention_residual: residual(),
            feed_forward: FeedForwardConfig::new(D, F).init(&init()),
            feed_forward_residual: residual(),
        };
        let layer = fill(layer, "layer");
        let (x, memory, pass) = (input("x", T), input("memory", S), Pass::evaluation());
        let [layout, source_layout] = [T, S].map(|length| Layout::dense(B, length));
        let source_mask = AttentionMask::key_lengths(SOURCE_LENGTHS.to_vec());
        let key_value = layer
            .cross_attention
            .project(memory.clone().flatten(0, 1), &source_layout);
        let y = x.clone().flatten(0, 1);
        let y = layer
            .self_attention_residual
            .forward(y, &layout, &pass, |y| {
                let mask = AttentionMask::causal();
                let attention = &layer.self_attention;
                attention.attend(y, &layout, mask, None, None, &pass).0
            });
        let y = layer
            .cross_attention_residual
            .forward(y, &layout, &pass, |y| {
                let attention = &layer.cross_attention;
                attention
                    .attend(y, &layout, &key_value, source_mask, &pass)
                    .0
            });
        let y = layer
            .feed_forward_residual
            .forward(y, &layout, &pass, |y| layer.feed_forward.forward(y));
        let case = Case::new(FIXTURE, name).output(layout.unflatten(y));
        let case = case.input("x", &x).input("memory", &memory);
        case.check(&layer, "layer");
    }
}

#[test]
fn whole_model() {
    let form = |residual, tie| TransformerConfig {
        d_model: D,
        n_heads: H,
        d_ff: F,
        encoder_layers: 2,
        decoder_layers: 2,
        residual,
        tie,
        ..TransformerConfig::default()
    };
    // What weights that others have published need.
    let published = TransformerConfig {
        encoder_layers: 1,
        decoder_layers: 1,
        sinusoid_layout: Some(SinusoidLayout::Halves),
        sinusoid_wavelengths: Some(Wavelengths::Inclusive),
        position_start: Some(2),
        embedding_scale: false,
        activation: Activation::Silu,
        norm_epsilon: 1e-3,
        output_bias: Some(true),
        ..form(ResidualForm::Post, Tying::All)
    };
    let models = [
        ("model/pre", form(ResidualForm::Pre, Tying::None)),
        ("model/post", form(ResidualForm::Post, Tying::All)),
        ("model/published", published),
    ];
    for (name, config) in models {
        let source_vocabulary = match config.tie {
            Tying::All => TARGET_VOCABULARY,
            _ => SOURCE_VOCABULARY,
        };
        let model = config.init(
            source_vocabulary as usize,
            TARGET_VOCABULARY as usize,
            &init(),
        );
        let model = fill(model, "");
        let [skipped, computed] = batches(
            [source_vocabulary, TARGET_VOCABULARY],
            [(&SOURCE_LENGTHS, S), (&TARGET_LENGTHS, T)],
        );

        // PyTorch computes its padding, and hidden rows of padding are part of what it wrote down.
        let pass = Pass::evaluation();
        let decoded = model.forward(&computed.source, &computed.target_in, &pass);
        for batch in [computed, skipped] {
            let loss = cross_entropy(&model, &batch, SMOOTHING, &pass);
            Case::new(FIXTURE, name)
                .result("hidden", decoded.hidden.clone())
                .result("nats", loss.nats)
                .result("objective", loss.objective.clone())
                .loss(&loss.objective)
                .check(&model, "");
        }
    }
}
