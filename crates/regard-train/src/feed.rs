//! The batches of a run, one update after the other.

use burn::tensor::Device;
use regard_nn::Batch;
use regard_text::SpecialIds;
use regard_text::batch::{HostBatch, plan_epoch};
use regard_text::corpus::Example;

use crate::data::device_batch;
use crate::{Corpora, RunConfig};

/// Which batch of which pass over the corpus comes next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// Passes over the corpus completed.
    pub(crate) epoch: u64,
    /// Batches of this pass used.
    pub(crate) batch: usize,
}

/// Hands out training batches; which ones is a function of (seed, position) alone.
pub(crate) struct Feed<'a> {
    corpora: &'a Corpora,
    lengths: Vec<(usize, usize)>,
    batch_tokens: usize,
    seed: u64,
    device: Device,
    position: Position,
    plan: Vec<Vec<usize>>,
}

impl<'a> Feed<'a> {
    /// The batches from `position` on.
    pub(crate) fn new(
        config: &RunConfig,
        corpora: &'a Corpora,
        device: &Device,
        position: Position,
    ) -> Self {
        let mut feed = Self {
            corpora,
            lengths: corpora.train.iter().map(Example::lengths).collect(),
            batch_tokens: config.data.batch_tokens,
            seed: config.train.seed,
            device: device.clone().autodiff(),
            position,
            plan: Vec::new(),
        };
        feed.plan();
        feed
    }

    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// The batches of the next update, each with its number of rows.
    pub(crate) fn next(&mut self, batches: usize) -> Vec<(Batch, usize)> {
        (0..batches)
            .map(|_| {
                if self.position.batch == self.plan.len() {
                    self.position.epoch += 1;
                    self.position.batch = 0;
                    self.plan();
                }
                let indices = &self.plan[self.position.batch];
                self.position.batch += 1;
                let batch = HostBatch::gather(&self.corpora.train, indices, self.special());
                (device_batch(&batch, &self.device), batch.rows())
            })
            .collect()
    }

    fn special(&self) -> SpecialIds {
        self.corpora.tokenizers.target().special()
    }

    fn plan(&mut self) {
        let (seed, epoch) = (self.seed, self.position.epoch);
        self.plan = plan_epoch(&self.lengths, self.batch_tokens, seed, epoch);
    }
}
