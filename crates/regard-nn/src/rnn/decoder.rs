//! What the three decoders share.

use burn::module::Module;
use burn::tensor::Tensor;
use regard_kernels::{Direction, Sequences, dropout_rows};

use super::bahdanau::BahdanauDecoder;
use super::bottleneck::BottleneckDecoder;
use super::luong::LuongDecoder;
use super::recurrent::{Recurrent, RecurrentConfig};
use super::{RnnConfig, RnnKind, RnnMemory, RnnState};
use crate::{Init, Layout, Pass, ProjectedMemory};

/// A decoder of any kind.
#[derive(Module, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one to a model, and it is not moved about"
)]
pub(super) enum Decoder {
    /// `bottleneck`
    Bottleneck(BottleneckDecoder),
    /// `bahdanau`
    Bahdanau(BahdanauDecoder),
    /// `luong`
    Luong(LuongDecoder),
}

/// What a decoder reads, and with what behind it.
pub(super) struct Reading<'a> {
    pub(super) layout: &'a Layout,
    pub(super) sequences: Sequences,
    pub(super) memory: &'a RnnMemory,
    pub(super) state: &'a RnnState,
    pub(super) pass: Pass,
}

/// What a decoder makes of it.
pub(super) struct Read {
    /// Before the output map, `[N, E]`.
    pub(super) hidden: Tensor<2>,
    /// Each layer's states after each position, `[N, Z]`; after the last one alone where a step needs no more.
    pub(super) states: Vec<Tensor<2>>,
    /// What the next step is fed, `[R, E]`.
    pub(super) fed: Option<Tensor<2>>,
    /// `[R, 1, T, S]`, if the pass wants them.
    pub(super) weights: Option<Tensor<4>>,
}

impl Decoder {
    pub(super) fn new(kind: RnnKind, config: &RnnConfig, init: &Init) -> Self {
        match kind {
            RnnKind::Bottleneck => Self::Bottleneck(BottleneckDecoder::new(config, init)),
            RnnKind::Bahdanau => Self::Bahdanau(BahdanauDecoder::new(config, init)),
            RnnKind::Luong => Self::Luong(LuongDecoder::new(config, init)),
        }
    }

    /// What is looked at of the encoder's states `[B, S, D]`.
    pub(super) fn project(&self, states: impl FnOnce() -> Tensor<3>) -> Option<ProjectedMemory> {
        match self {
            Self::Bottleneck(_) => None,
            Self::Bahdanau(decoder) => Some(decoder.project(states())),
            Self::Luong(decoder) => Some(decoder.project(states())),
        }
    }

    /// Whether a step is fed what the one before it said.
    pub(super) fn is_fed(&self) -> bool {
        matches!(self, Self::Luong(decoder) if decoder.is_fed())
    }

    /// Reads embeddings `[N, E]`.
    pub(super) fn read(&self, embedded: Tensor<2>, reading: &Reading<'_>) -> Read {
        match self {
            Self::Bottleneck(decoder) => decoder.read(embedded, reading),
            Self::Bahdanau(decoder) => decoder.read(embedded, reading),
            Self::Luong(decoder) => decoder.read(embedded, reading),
        }
    }
}

/// Layers of a decoder, the first of which reads embeddings.
pub(super) fn layers(config: &RnnConfig, init: &Init) -> Vec<Recurrent> {
    let layer = |number: usize| {
        let d_input = match number {
            0 => config.d_embedding(),
            _ => config.d_model,
        };
        let init = init.at("layers").nth(number);
        RecurrentConfig::new(d_input, config.d_model)
            .with_cell(config.cell)
            .init(&init)
    };
    (0..config.layers).map(layer).collect()
}

/// Layers above the first, whose states are `states`; what the last one shows, and the states of all.
pub(super) fn stacked(
    layers: &[Recurrent],
    states: Tensor<2>,
    dropout: f64,
    reading: &Reading<'_>,
) -> (Tensor<2>, Vec<Tensor<2>>) {
    let mut all = vec![states];
    for (number, pair) in (1..).zip(layers.windows(2)) {
        let [below, layer] = pair else {
            unreachable!("windows of two")
        };
        let mut x = below.hidden(all[number - 1].clone());
        let pass = reading.pass.at("layers").nth(number);
        if let Some(dropout) = pass.row_dropout(reading.layout, dropout) {
            x = dropout_rows(x, &dropout);
        }
        let start = Some(reading.state.layers[number].clone());
        all.push(layer.forward(x, start, &reading.sequences, Direction::Forward));
    }
    let top = layers.len() - 1;
    (layers[top].hidden(all[top].clone()), all)
}

/// Which sequence each row belongs to; 0 for a row of none.
pub(super) fn owners(sequences: &Sequences) -> Vec<usize> {
    let mut owners = vec![0; sequences.rows()];
    for sequence in 0..sequences.count() {
        owners[sequences.range(sequence)].fill(sequence);
    }
    owners
}
