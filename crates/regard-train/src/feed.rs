//! The batches of a run, one update after the other.

use std::ops::Range;

use burn::tensor::Device;
use regard_nn::Batch;
use regard_text::SpecialIds;
use regard_text::batch::{HostBatch, Plan, plan_epoch, resample, split, worst_batch};
use regard_text::corpus::Example;

use crate::data::device_batch;
use crate::replicas::cut;
use crate::{Corpora, Part, RunConfig, TrainError};

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
    most_positions: Option<usize>,
    batch_tokens: usize,
    seed: u64,
    /// One for each replica.
    devices: Vec<Device>,
    position: Position,
    plan: Plan,
}

impl<'a> Feed<'a> {
    /// The batches from `position` on.
    pub(crate) fn new(
        config: &RunConfig,
        corpora: &'a Corpora,
        devices: &[Device],
        position: Position,
    ) -> Self {
        let mut feed = Self {
            corpora,
            max_length: config.data.max_length,
            most_positions: config.model.max_positions(),
            batch_tokens: config.data.batch_tokens,
            seed: config.train.seed,
            devices: devices.iter().cloned().map(Device::autodiff).collect(),
            position,
            plan: Plan::default(),
        };
        feed.plan();
        feed
    }

    pub(crate) fn position(&self) -> Position {
        self.position
    }

    /// The parts of the next update: of so many batches, each cut for the replicas. There may be more batches than asked for: one
    /// whose text is cut anew may grow, and is parted then, so that none is larger than `data.batch_tokens`.
    pub(crate) fn next(&mut self, batches: usize) -> Result<Vec<Part<Batch>>, TrainError> {
        let mut parts = Vec::with_capacity(batches * self.devices.len());
        for _ in 0..batches {
            if self.position.batch == self.plan.len() {
                self.position.epoch += 1;
                self.position.batch = 0;
                self.plan();
            }
            let indices = self.plan.batch(self.position.batch);
            let (examples, pieces) = self.read(indices)?;
            for piece in pieces {
                parts.extend(self.parts(&examples[piece.clone()], &indices[piece]));
            }
            self.position.batch += 1;
        }
        Ok(parts)
    }

    /// A batch at least as large as any that comes.
    pub(crate) fn worst(&self) -> Result<Vec<Part<Batch>>, TrainError> {
        let (examples, indices) = self.worst_rows()?;
        Ok(self.parts(&examples, &indices))
    }

    /// The rows of a batch, each replica's on its device. Replicas for which there is no row get no part.
    fn parts(&self, examples: &[Example], indices: &[u32]) -> Vec<Part<Batch>> {
        let lengths = examples.iter().map(Example::lengths);
        let tokens: Vec<usize> = lengths.map(|(source, target)| source + target).collect();
        let shares = cut(&tokens, self.devices.len());
        let shares = shares.into_iter().zip(&self.devices).enumerate();
        shares
            .filter(|(_, (rows, _))| !rows.is_empty())
            .map(|(replica, (rows, device))| {
                let batch = self.host_batch(&examples[rows.clone()], &indices[rows]);
                Part {
                    rows: batch.rows(),
                    batch: device_batch(&batch, self.most_positions, device),
                    replica,
                }
            })
            .collect()
    }

    /// The examples of a batch at least as large as any that comes, and where they stand in the corpus.
    fn worst_rows(&self) -> Result<(Vec<Example>, Vec<u32>), TrainError> {
        let train = &self.corpora.train;
        let indices = worst_batch(train.lengths(), self.batch_tokens);
        let examples = train.read(&indices)?;
        if !self.is_sampled() {
            return Ok((examples, indices));
        }
        // What is cut anew may come to one token for each byte, and marks of words. So: full rows of the longest that can
        // be, and one more than fit, for what the division leaves.
        let width = self.max_length.min(train.longest_text() + 2);
        let rows = self.batch_tokens.div_ceil(width + 1);
        let full = |ids: &Vec<u32>| ids.iter().copied().cycle().take(width).collect();
        let full = Example {
            source: full(&examples[0].source),
            target: full(&examples[0].target),
        };
        Ok((vec![full; rows], vec![indices[0]; rows]))
    }

    /// The examples at `indices`, and which of them make a batch: all, or some after the other where they grew.
    fn read(&self, indices: &[u32]) -> Result<(Vec<Example>, Vec<Range<usize>>), TrainError> {
        let Corpora {
            tokenizers, train, ..
        } = self.corpora;
        let examples = if self.is_sampled() {
            let texts = train.read_with_text(indices)?;
            let draw = (self.seed, self.position.epoch);
            resample(tokenizers, texts, indices, self.max_length, draw)
        } else {
            train.read(indices)?
        };
        let lengths: Vec<_> = examples.iter().map(Example::lengths).collect();
        Ok((examples, split(&lengths, self.batch_tokens)))
    }

    fn host_batch(&self, examples: &[Example], indices: &[u32]) -> HostBatch {
        let rows: Vec<&Example> = examples.iter().collect();
        let indices = indices.iter().map(|&index| index as usize).collect();
        HostBatch::new(&rows, indices, self.special())
    }

    fn is_sampled(&self) -> bool {
        let tokenizers = &self.corpora.tokenizers;
        tokenizers.source().is_sampled() || tokenizers.target().is_sampled()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prepare_corpora;
    use regard_text::toy::{Generate, Task};
    use regard_text::{DataConfig, TokenizerConfig};

    /// The batches of two epochs, and the worst, with words cut at random by `dropout`.
    fn batches(dropout: f64) -> (Vec<Vec<HostBatch>>, HostBatch) {
        let directory = tempfile::tempdir().unwrap();
        let mut config = RunConfig::load(
            &std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs/copy.toml"),
            &[],
        )
        .unwrap();
        config.data = DataConfig {
            generate: Some(Generate {
                pairs: 300,
                max_length: Some(12),
                ..Generate::new(Task::Toy)
            }),
            cache: directory.path().into(),
            batch_tokens: 150,
            max_length: 40,
            ..DataConfig::default()
        };
        config.tokenizer = TokenizerConfig {
            vocabulary: 300,
            dropout,
            ..TokenizerConfig::default()
        };
        let corpora = prepare_corpora(&config.data, |pairs| {
            let plain = pairs.train_tokenizers(&config.tokenizer)?;
            Ok(plain.sampled(&config.tokenizer)?)
        })
        .unwrap();
        let mut all = Vec::new();
        let mut feed = Feed::new(
            &config,
            &corpora,
            &[regard_kernels::device_of_environment().unwrap()],
            Position::default(),
        );
        for epoch in 0..2 {
            feed.position.epoch = epoch;
            feed.plan();
            for batch in feed.plan.iter() {
                let (examples, pieces) = feed.read(batch).unwrap();
                let piece =
                    |rows: Range<usize>| feed.host_batch(&examples[rows.clone()], &batch[rows]);
                all.push(pieces.into_iter().map(piece).collect());
            }
        }
        let (examples, indices) = feed.worst_rows().unwrap();
        (all, feed.host_batch(&examples, &indices))
    }

    fn padded(batch: &HostBatch) -> usize {
        batch.rows() * batch.source.width.max(batch.target_width)
    }

    #[test]
    fn no_part_is_larger_than_the_budget_or_than_the_worst() {
        for dropout in [0.0, 0.5, 0.9] {
            let (batches, worst) = batches(dropout);
            let parts: Vec<&HostBatch> = batches.iter().flatten().collect();
            assert_eq!(
                parts.len() > batches.len(),
                dropout > 0.0,
                "cutting anew makes batches grow"
            );
            let mut tokens = 0;
            for part in &parts {
                assert!(padded(part) <= 150);
                tokens =
                    tokens.max(part.source.lengths.iter().sum::<usize>() + part.target_tokens());
            }
            let most: usize = worst.source.lengths.iter().sum::<usize>() + worst.target_tokens();
            assert!(tokens <= most, "{tokens} tokens, {most} in the worst batch");
            let rows: usize = parts.iter().map(|part| part.rows()).sum();
            assert_eq!(rows, 2 * 300, "every example in every epoch");
        }
    }

    #[test]
    fn an_epoch_cuts_anew_and_the_same_epoch_alike() {
        let first = batches(0.5).0;
        assert_eq!(first, batches(0.5).0);
        let mut rows: Vec<(usize, Vec<u32>)> = Vec::new();
        for part in first.iter().flatten() {
            for (r, &index) in part.indices.iter().enumerate() {
                let ids = &part.source.ids[r * part.source.width..][..part.source.lengths[r]];
                rows.push((index, ids.to_vec()));
            }
        }
        rows.sort();
        let changed = rows.chunks(2).filter(|pair| pair[0].1 != pair[1].1).count();
        assert!(
            changed > 250,
            "{changed} of 300 sources were cut in two ways"
        );
    }
}
