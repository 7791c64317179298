//! Copies of a model that share an update's rows among them.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use regard_nn::{LossSum, Pass};

use crate::Objective;
use crate::optimizer::ParameterGradients;

/// Rows of an update that are computed together.
#[derive(Clone, Debug)]
pub struct Part<B> {
    /// On the device of its replica.
    pub batch: B,
    /// Number of rows.
    pub rows: usize,
    /// Which replica computes them: 0 is the model itself, the others are the trainer's copies in order.
    pub replica: usize,
}

impl<B> Part<B> {
    /// For the first replica, or the only one.
    pub fn new(batch: B, rows: usize) -> Self {
        Self {
            batch,
            rows,
            replica: 0,
        }
    }
}

/// What the parts of an update came to. Devices may still be computing it.
#[derive(Debug)]
pub(crate) struct Computed {
    /// Sums over all tokens, on the device of the model.
    pub(crate) gradients: ParameterGradients,
    /// Of each part, `[1]`, on the device of its replica.
    pub(crate) nats: Vec<Tensor<1>>,
    pub(crate) tokens: usize,
}

/// Loss and gradient of all `parts`, each on the replica that it is for: `model` itself, or one of its `copies`. `pass` says how
/// the rows from a number on are passed through.
///
/// No GPU is waited for: all have their work before one is done.
pub(crate) fn compute<O: Objective>(
    objective: &O,
    model: &O::Model,
    copies: &[Device],
    parts: &[Part<O::Batch>],
    pass: impl Fn(u64) -> Pass,
) -> Computed {
    let models = copies.iter().map(|device| model.clone().fork(device));
    let models: Vec<O::Model> = std::iter::once(model.clone()).chain(models).collect();
    let mut gradients: Vec<ParameterGradients> = models
        .iter()
        .map(|_| ParameterGradients::default())
        .collect();
    let (mut nats, mut tokens, mut first_row) = (Vec::with_capacity(parts.len()), 0, 0);
    for part in parts {
        let model = &models[part.replica];
        let loss: LossSum = objective.loss(model, &part.batch, &pass(first_row));
        first_row += part.rows as u64;
        tokens += loss.tokens;
        nats.push(loss.nats);
        gradients[part.replica].add(ParameterGradients::of(model, loss.objective.backward()));
    }
    // A replica without rows has its part in the sum, too.
    for (model, gradients) in models.iter().zip(&mut gradients) {
        if gradients.is_empty() {
            *gradients = ParameterGradients::zeros(model);
        }
    }
    Computed {
        gradients: ParameterGradients::sum(gradients),
        nats,
        tokens,
    }
}

/// Where `n` replicas cut rows that have so many tokens each: ranges one after the other, of as nearly equal numbers of tokens
/// as rows allow. Some are empty where there are fewer rows.
pub(crate) fn cut(tokens: &[usize], n: usize) -> Vec<std::ops::Range<usize>> {
    let all: usize = tokens.iter().sum();
    let (mut begin, mut behind, mut ranges) = (0, 0, Vec::with_capacity(n));
    for replica in 1..=n {
        let mut end = begin;
        // A row belongs where its middle lies.
        while end < tokens.len() && (2 * behind + tokens[end]) * n <= 2 * all * replica {
            behind += tokens[end];
            end += 1;
        }
        if replica == n {
            end = tokens.len();
        }
        ranges.push(begin..end);
        begin = end;
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rows_are_cut_where_tokens_halve() {
        assert_eq!(cut(&[1, 1, 1, 1], 2), [0..2, 2..4]);
        assert_eq!(cut(&[6, 1, 1, 1], 2), [0..1, 1..4]);
        assert_eq!(cut(&[5], 2), [0..1, 1..1]);
        assert_eq!(cut(&[], 3), [0..0, 0..0, 0..0]);
    }

    proptest! {
        #[test]
        fn every_row_is_cut_to_one_replica(
            tokens in prop::collection::vec(1_usize..40, 0..20),
            n in 1_usize..5,
        ) {
            let ranges = cut(&tokens, n);
            prop_assert_eq!(ranges.len(), n);
            let rows: Vec<usize> = ranges.iter().cloned().flatten().collect();
            prop_assert_eq!(rows, (0..tokens.len()).collect::<Vec<_>>());
            let all: usize = tokens.iter().sum();
            let longest = tokens.iter().copied().max().unwrap_or(0);
            for range in ranges {
                let share: usize = tokens[range].iter().sum();
                prop_assert!(share * n <= all + longest * n, "{} of {}", share, all);
            }
        }
    }
}
