//! Copies of a model that share an update's rows among them.

use burn::module::Module;
use burn::tensor::{Device, Gradients, Tensor};
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

/// What the parts of an update came to.
#[derive(Debug, Default)]
pub(crate) struct Computed {
    /// Sums over all tokens.
    pub(crate) gradients: ParameterGradients,
    pub(crate) nats: f64,
    pub(crate) tokens: usize,
    /// The first part whose loss is no finite number, from 1.
    pub(crate) broken: Option<usize>,
}

/// A model on a device, with what it computed so far.
struct Replica<M> {
    model: M,
    computed: Computed,
    pending: Option<Pending>,
}

/// What a device may still be busy with.
struct Pending {
    part: usize,
    nats: Tensor<1>,
    tokens: usize,
    gradients: Gradients,
}

impl<M: Module> Replica<M> {
    fn new(model: M) -> Self {
        Self {
            model,
            computed: Computed::default(),
            pending: None,
        }
    }

    /// Waits for what is pending, and adds it.
    fn finish(&mut self) {
        let Some(pending) = self.pending.take() else {
            return;
        };
        let gradients = ParameterGradients::of(&self.model, pending.gradients);
        self.computed.gradients.add(gradients);
        self.computed.tokens += pending.tokens;
        self.computed.nats += f64::from(pending.nats.into_scalar::<f32>());
        if !self.computed.nats.is_finite() {
            self.computed.broken.get_or_insert(pending.part);
        }
    }
}

/// Loss and gradient of all `parts`, each on the replica that it is for: `model` itself, or one of its `copies`. `pass` says how
/// the rows from a number on are passed through.
///
/// No device waits for another one before all have their work, and none holds two parts at a time.
pub(crate) fn compute<O: Objective>(
    objective: &O,
    model: &O::Model,
    copies: &[Device],
    parts: &[Part<O::Batch>],
    pass: impl Fn(u64) -> Pass,
) -> Computed {
    let copies = copies.iter().map(|device| model.clone().fork(device));
    let models = std::iter::once(model.clone()).chain(copies);
    let mut replicas: Vec<Replica<O::Model>> = models.map(Replica::new).collect();
    let mut first_row = 0;
    for (place, part) in parts.iter().enumerate() {
        let replica = &mut replicas[part.replica];
        replica.finish();
        let loss: LossSum = objective.loss(&replica.model, &part.batch, &pass(first_row));
        first_row += part.rows as u64;
        replica.pending = Some(Pending {
            part: place + 1,
            nats: loss.nats,
            tokens: loss.tokens,
            gradients: loss.objective.backward(),
        });
    }
    for replica in &mut replicas {
        replica.finish();
    }
    sum(replicas.into_iter().map(|replica| replica.computed))
}

/// The sum over replicas, in their order, in the memory of the host: the one place where they meet.
fn sum(replicas: impl Iterator<Item = Computed>) -> Computed {
    let mut total = Computed::default();
    for computed in replicas {
        total.gradients.add(computed.gradients);
        total.nats += computed.nats;
        total.tokens += computed.tokens;
        let broken = [total.broken, computed.broken];
        total.broken = broken.into_iter().flatten().min();
    }
    total
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
