//! The batches of a run, one update after the other.

use burn::tensor::Device;
use regard_nn::Batch;
use regard_text::SpecialIds;
use regard_text::batch::{HostBatch, Plan, plan_epoch, resample, split, worst_batch};
use regard_text::corpus::Example;

use crate::data::device_batch;
use crate::{Corpora, RunConfig, TrainError};

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
    max_length: usize,
    batch_tokens: usize,
    seed: u64,
    device: Device,
    position: Position,
    plan: Plan,
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
            max_length: config.data.max_length,
            batch_tokens: config.data.batch_tokens,
            seed: config.train.seed,
            device: device.clone().autodiff(),
            position,
            plan: Plan::default(),
        };
        feed.plan();
        feed
    }

    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// The batches of the next update, each with its number of rows. There may be more than asked for: a batch whose
    /// text is cut anew may grow, and is parted then, so that none is larger than `data.batch_tokens`.
    pub(crate) fn next(&mut self, batches: usize) -> Result<Vec<(Batch, usize)>, TrainError> {
        let mut fed = Vec::with_capacity(batches);
        for _ in 0..batches {
            if self.position.batch == self.plan.len() {
                self.position.epoch += 1;
                self.position.batch = 0;
                self.plan();
            }
            for batch in self.host_batches(self.plan.batch(self.position.batch))? {
                fed.push((device_batch(&batch, &self.device), batch.rows()));
            }
            self.position.batch += 1;
        }
        Ok(fed)
    }

    /// A batch at least as large as any that comes.
    pub(crate) fn worst(&self) -> Result<(Batch, usize), TrainError> {
        let train = &self.corpora.train;
        let indices = worst_batch(train.lengths(), self.batch_tokens);
        let examples = train.read(&indices)?;
        let rows: Vec<&Example> = examples.iter().collect();
        let indices = indices.iter().map(|&index| index as usize).collect();
        let batch = HostBatch::new(&rows, indices, self.special());
        Ok((device_batch(&batch, &self.device), batch.rows()))
    }

    /// The examples at `indices`: one batch, or its parts.
    fn host_batches(&self, indices: &[u32]) -> Result<Vec<HostBatch>, TrainError> {
        let Corpora {
            tokenizers, train, ..
        } = self.corpora;
        let is_sampled = tokenizers.source().is_sampled() || tokenizers.target().is_sampled();
        let examples = if is_sampled {
            let texts = train.read_with_text(indices)?;
            let draw = (self.seed, self.position.epoch);
            resample(tokenizers, texts, indices, self.max_length, draw)
        } else {
            train.read(indices)?
        };
        let lengths: Vec<_> = examples.iter().map(Example::lengths).collect();
        let parts = split(&lengths, self.batch_tokens).into_iter();
        let batch = |part: std::ops::Range<usize>| {
            let rows: Vec<&Example> = examples[part.clone()].iter().collect();
            let indices = indices[part].iter().map(|&index| index as usize).collect();
            HostBatch::new(&rows, indices, self.special())
        };
        Ok(parts.map(batch).collect())
    }

    fn special(&self) -> SpecialIds {
        self.corpora.tokenizers.target().special()
    }

    fn plan(&mut self) {
        let (seed, epoch) = (self.seed, self.position.epoch);
        // Two plans at once would be forty megabytes too much for ten million pairs.
        self.plan = Plan::default();
        self.plan = plan_epoch(self.corpora.train.lengths(), self.batch_tokens, seed, epoch);
    }
}
