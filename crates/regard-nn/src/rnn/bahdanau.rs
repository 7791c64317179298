//! The decoder that looks before each step.

use burn::module::Module;
use burn::tensor::Tensor;
use regard_kernels::{AdditiveWeights, AttendedMemory, Sequences, attentive_recurrence};

use super::RnnConfig;
use super::decoder::{Read, Reading, layers, stacked};
use super::readout::Readout;
use super::recurrent::Recurrent;
use crate::cache::select_rows;
use crate::{
    AdditiveAttention, AdditiveAttentionConfig, AttentionMask, Init, Linear, ProjectedMemory,
};

/// ```text
/// c_t = attention(s_(t-1), source)
/// s_t = cell(e_t W + b + c_t C, s_(t-1))         layers above read s_t
/// t_t = readout(s_t, c_t, e_t)
/// ```
#[derive(Module, Debug)]
pub(super) struct BahdanauDecoder {
    attention: AdditiveAttention,
    layers: Vec<Recurrent>,
    /// C, from the context to the gates of the first layer.
    context: Linear,
    readout: Readout,
    dropout: f64,
}

impl BahdanauDecoder {
    pub(super) fn new(config: &RnnConfig, init: &Init) -> Self {
        let [d_model, d_embedding] = [config.d_model, config.d_embedding()];
        let attention = AdditiveAttentionConfig::new(d_model, d_model, config.d_attention());
        let gates = config.cell.gates() * d_model;
        Self {
            attention: attention.init(&init.at("attention")),
            layers: layers(config, init),
            context: Linear::new(d_model, gates, &init.at("context")).without_bias(),
            readout: Readout::new(
                config.readout(),
                [d_model, d_embedding],
                [Some(d_model), Some(d_embedding)],
                &init.at("readout"),
            ),
            dropout: config.dropout,
        }
    }

    /// The recurrence scores as `attention` does with one head, without a bias and dropout: as it was made above.
    pub(super) fn project(&self, states: Tensor<3>) -> ProjectedMemory {
        self.attention.project(states)
    }

    pub(super) fn read(&self, embedded: Tensor<2>, reading: &Reading<'_>) -> Read {
        let memory = reading.memory.looked_at();
        let [batch, s, d_memory] = memory.value.dims();
        let [_, _, d_attention] = memory.key.dims();
        let looked_at = AttendedMemory {
            keys: memory.key.clone().reshape([batch * s, d_attention]),
            values: memory.value.clone().reshape([batch * s, d_memory]),
            sequences: Sequences::padded(reading.memory.lengths.clone(), s),
        };
        let first = &self.layers[0];
        let start = reading.state.layers[0].clone();
        let attentive = attentive_recurrence(
            first.cell(),
            first.input.forward(embedded.clone()),
            start.clone(),
            first.weights(),
            AdditiveWeights {
                query: self.attention.query.weight.val(),
                score: self.attention.score_weight(),
                context: self.context.weight.val(),
            },
            &looked_at,
            &reading.sequences,
        );
        let queries = || {
            before(
                first.hidden(start),
                first.hidden(attentive.states.clone()),
                reading,
            )
        };
        let weights = reading
            .pass
            .wants_attention()
            .then(|| self.weights(queries(), reading));
        let (hidden, states) = stacked(&self.layers, attentive.states, self.dropout, reading);
        Read {
            hidden: self
                .readout
                .forward(hidden, Some(attentive.contexts), Some(embedded)),
            states,
            fed: None,
            weights: weights.flatten(),
        }
    }

    /// The weights of queries `[R, T, D]`, which the recurrence does not keep.
    fn weights(&self, queries: Tensor<3>, reading: &Reading<'_>) -> Option<Tensor<4>> {
        let mask = AttentionMask::key_lengths(reading.memory.lengths.clone());
        let memory = reading.memory.looked_at();
        self.attention
            .attend(queries, memory, &mask, &reading.pass)
            .weights
    }
}

/// The hidden state before each position, `[R, T, D]`: the start's, then that after the position before.
fn before(start: Tensor<2>, states: Tensor<2>, reading: &Reading<'_>) -> Tensor<3> {
    let sequences = &reading.sequences;
    let count = sequences.count();
    let mut rows = vec![0; sequences.rows()];
    for sequence in 0..count {
        for (t, row) in sequences.range(sequence).enumerate() {
            rows[row] = if t == 0 { sequence } else { count + row - 1 };
        }
    }
    let all = Tensor::cat(vec![start, states], 0);
    reading.layout.unflatten(select_rows(all, &rows))
}
