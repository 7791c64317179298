//! The decoder that knows the source by one vector.

use burn::module::Module;
use burn::tensor::Tensor;
use regard_kernels::Direction;

use super::RnnConfig;
use super::decoder::{Read, Reading, layers, owners, stacked};
use super::readout::Readout;
use super::recurrent::Recurrent;
use crate::cache::select_rows;
use crate::{Init, Linear};

/// ```text
/// x_t = e_t W + b + summary C            the last term if it is fed at every step
/// s_t = cell(x_t, s_(t-1))
/// t_t = readout(s_t)                     or readout(s_t, summary, e_t) where it is fed
/// ```
#[derive(Module, Debug)]
pub(super) struct BottleneckDecoder {
    layers: Vec<Recurrent>,
    /// C, from the summary to the gates of the first layer.
    summary: Option<Linear>,
    readout: Readout,
    dropout: f64,
}

impl BottleneckDecoder {
    pub(super) fn new(config: &RnnConfig, init: &Init) -> Self {
        let [d_model, d_embedding] = [config.d_model, config.d_embedding()];
        let is_fed = config.feed_summary();
        let gates = config.cell.gates() * d_model;
        Self {
            layers: layers(config, init),
            summary: is_fed
                .then(|| Linear::new(d_model, gates, &init.at("summary")).without_bias()),
            readout: Readout::new(
                config.readout(),
                [d_model, d_embedding],
                [is_fed.then_some(d_model), is_fed.then_some(d_embedding)],
                &init.at("readout"),
            ),
            dropout: config.dropout,
        }
    }

    pub(super) fn read(&self, embedded: Tensor<2>, reading: &Reading<'_>) -> Read {
        let Reading {
            sequences,
            memory,
            state,
            ..
        } = reading;
        let first = &self.layers[0];
        let mut x = first.input.forward(embedded.clone()); // [N, G]
        let mut summaries = None;
        if let Some(map) = &self.summary {
            let looks = sequences.count() / memory.lengths.len().max(1);
            let owner = owners(sequences);
            let rows: Vec<usize> = owner.iter().map(|row| row / looks.max(1)).collect();
            x = x + select_rows(map.forward(memory.summary.clone()), &rows);
            summaries = Some(select_rows(memory.summary.clone(), &rows)); // [N, D]
        }
        let states = first.run(x, state.layers[0].clone(), sequences, Direction::Forward);
        let (hidden, states) = stacked(&self.layers, states, self.dropout, reading);
        Read {
            hidden: self.readout.forward(hidden, summaries, Some(embedded)),
            states,
            fed: None,
            weights: None,
        }
    }
}
