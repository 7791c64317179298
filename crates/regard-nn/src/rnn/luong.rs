//! The decoder that looks after each step.

use burn::module::Module;
use burn::tensor::Tensor;
use regard_kernels::{Direction, Sequences, cut_rows};

use super::decoder::{Read, Reading, layers, stacked};
use super::readout::{Readout, ReadoutKind};
use super::recurrent::Recurrent;
use super::{LuongAlignment, RnnConfig};
use crate::{
    AttentionMask, AttentionOutput, Init, Layout, Linear, LocalAlignment, LocalAttention,
    LocalAttentionConfig, LuongAttention, LuongAttentionConfig, ProjectedMemory,
};

/// ```text
/// s_t = cell(e_t W + b + t_(t-1) F, s_(t-1))     the last term with input feeding; layers above read s_t
/// c_t = attention(s_t, source)
/// t_t = tanh(s_t W_s + b_s + c_t W_c)
/// ```
#[derive(Module, Debug)]
pub(super) struct LuongDecoder {
    layers: Vec<Recurrent>,
    attention: Attention,
    /// F, from what was said last to the gates of the first layer.
    feed: Option<Linear>,
    readout: Readout,
    dropout: f64,
}

#[derive(Module, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one to a model, and it is not moved about"
)]
enum Attention {
    Global(LuongAttention),
    Local(LocalAttention),
}

impl Attention {
    fn new(config: &RnnConfig, init: &Init) -> Self {
        let score = LuongAttentionConfig::new(config.d_model, config.d_model, config.score());
        let local = |score, alignment| {
            LocalAttentionConfig::new(score, alignment)
                .with_half_width(config.half_width())
                .init(init)
        };
        match config.alignment() {
            LuongAlignment::Global => Self::Global(score.init(init)),
            LuongAlignment::Monotonic => Self::Local(local(score, LocalAlignment::Monotonic)),
            LuongAlignment::Predictive => Self::Local(local(score, LocalAlignment::Predictive)),
        }
    }
}

impl LuongDecoder {
    pub(super) fn new(config: &RnnConfig, init: &Init) -> Self {
        let [d_model, d_embedding] = [config.d_model, config.d_embedding()];
        let gates = config.cell.gates() * d_model;
        Self {
            layers: layers(config, init),
            attention: Attention::new(config, &init.at("attention")),
            feed: config
                .input_feeding()
                .then(|| Linear::new(d_embedding, gates, &init.at("feed")).without_bias()),
            readout: Readout::new(
                ReadoutKind::Plain,
                [d_model, d_embedding],
                [Some(d_model), None],
                &init.at("readout"),
            ),
            dropout: config.dropout,
        }
    }

    pub(super) fn is_fed(&self) -> bool {
        self.feed.is_some()
    }

    pub(super) fn project(&self, states: Tensor<3>) -> ProjectedMemory {
        match &self.attention {
            Attention::Global(attention) => attention.project(states),
            Attention::Local(attention) => attention.project(states),
        }
    }

    pub(super) fn read(&self, embedded: Tensor<2>, reading: &Reading<'_>) -> Read {
        let x = self.layers[0].input.forward(embedded); // [N, G]
        match (&self.feed, &reading.state.fed) {
            (Some(feed), Some(fed)) => self.one_by_one(x, (feed, fed.clone()), reading),
            _ => self.all_at_once(x, reading),
        }
    }

    /// Without feeding, no position needs what was said before it.
    fn all_at_once(&self, x: Tensor<2>, reading: &Reading<'_>) -> Read {
        let start = reading.state.layers[0].clone();
        let states = self.layers[0].run(x, start, &reading.sequences, Direction::Forward);
        let (top, states) = stacked(&self.layers, states, self.dropout, reading);
        let (hidden, weights) = self.say(top, reading);
        Read {
            hidden,
            states,
            fed: None,
            weights,
        }
    }

    /// With feeding, each position waits for what was said at the one before it.
    fn one_by_one(
        &self,
        x: Tensor<2>,
        (feed, mut fed): (&Linear, Tensor<2>),
        reading: &Reading<'_>,
    ) -> Read {
        let Reading { layout, .. } = reading;
        let [rows, length] = [layout.batch(), layout.length()];
        let [_, gates] = x.dims();
        // Padding is read as well, but nothing behind it.
        let by_time = layout
            .unflatten(x)
            .swap_dims(0, 1)
            .reshape([length * rows, gates]);
        let mut state = reading.state.clone();
        let (mut said, mut weights) = (Vec::new(), Vec::new());
        for x in cut_rows(by_time, &vec![rows; length]) {
            let step = Reading {
                layout: &Layout::dense(rows, 1),
                sequences: Sequences::padded(vec![1; rows], 1),
                memory: reading.memory,
                state: &state,
                pass: reading.pass.nth(state.position),
            };
            let x = x + feed.forward(fed);
            let start = state.layers[0].clone();
            let states = self.layers[0].run(x, start, &step.sequences, Direction::Forward);
            let (top, states) = stacked(&self.layers, states, self.dropout, &step);
            let (hidden, step_weights) = self.say(top, &step);
            fed = hidden.clone();
            said.push(hidden.unsqueeze_dim::<3>(1));
            weights.extend(step_weights);
            state.layers = states;
            state.position += 1;
        }
        Read {
            hidden: layout.flatten(Tensor::cat(said, 1)),
            states: state.layers,
            fed: Some(fed),
            weights: (!weights.is_empty()).then(|| Tensor::cat(weights, 2)),
        }
    }

    /// What is said in states `[N, D]` of the last layer, `[N, E]`, and where they look.
    fn say(&self, top: Tensor<2>, reading: &Reading<'_>) -> (Tensor<2>, Option<Tensor<4>>) {
        let query = reading.layout.unflatten(top.clone());
        let AttentionOutput { context, weights } = self.attend(query, reading);
        let context = reading.layout.flatten(context);
        (self.readout.forward(top, Some(context), None), weights)
    }

    fn attend(&self, query: Tensor<3>, reading: &Reading<'_>) -> AttentionOutput {
        let pass = &reading.pass;
        let mask = AttentionMask::key_lengths(reading.memory.lengths.clone());
        let memory = reading.memory.looked_at();
        match &self.attention {
            Attention::Global(attention) => attention.attend(query, memory, &mask, pass),
            Attention::Local(attention) => {
                attention.attend(query, memory, reading.state.position, &mask, pass)
            }
        }
    }
}
