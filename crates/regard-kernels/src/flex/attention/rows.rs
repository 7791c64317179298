//! What becomes of the rows of a tile: from scores to weights, and back.
//!
//! Each is an operation of its own, so that all of it is compiled for the machine's best instruction set.

#![expect(
    clippy::inline_always,
    reason = "a function gets the instruction set of the loop that it is inlined into, or none"
)]

use pulp::{Simd, WithSimd};

use super::super::simd::exp;
use super::product::PANEL;
use crate::{Draws, DropoutRow};

/// What is known of a query's scores so far: the largest, and the sum of `exp(score - largest)`.
pub(super) type State = [f32; 2];

/// Before any score: lower than all of them but -inf, whose differences with it are no numbers.
pub(super) const NOTHING: State = [f32::MIN, 0.0];

/// Takes a tile of scores into the states of its queries: scores become `exp(score - largest)`, after dropout, and what the
/// context has of other keys is scaled to the new largest score.
pub(super) struct Absorb<'a> {
    /// Rows of `stride` scores.
    pub(super) scores: &'a mut [f32],
    pub(super) stride: usize,
    /// The first state of the head; those of the next query stand `n_heads` further on.
    pub(super) states: &'a mut [State],
    pub(super) n_heads: usize,
    /// The first row of the head's context, where there is something in it, and the width of the rows of all heads.
    pub(super) context: Option<(&'a mut [f32], usize)>,
    pub(super) width: usize,
    /// Probability and draws; row of the batch, head, first query and first key.
    pub(super) dropout: Option<(f64, Draws)>,
    pub(super) place: [usize; 4],
}

impl WithSimd for Absorb<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, _: S) {
        let [row, head, first, first_key] = self.place;
        let states = self.states.iter_mut().step_by(self.n_heads);
        for (i, (scores, state)) in self
            .scores
            .chunks_exact_mut(self.stride)
            .zip(states)
            .enumerate()
        {
            let kept = absorb(scores, state);
            if let Some((context, context_width)) = &mut self.context {
                let context = &mut context[i * *context_width..][..self.width];
                context.iter_mut().for_each(|value| *value *= kept);
            }
            if let Some((p, draws)) = self.dropout {
                DropoutRow::new(&[row, head, first + i], p, draws).apply(first_key, scores);
            }
        }
    }
}

/// Makes states final, and with them the context, `width` numbers for each: what a state's sum is multiplied by to be 1
/// takes the place of the sum.
pub(super) struct Finish<'a> {
    pub(super) context: &'a mut [f32],
    pub(super) width: usize,
    pub(super) states: &'a mut [State],
}

impl WithSimd for Finish<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for (context, [_, sum]) in self.context.chunks_exact_mut(self.width).zip(self.states) {
            *sum = if *sum == 0.0 { 0.0 } else { 1.0 / *sum };
            context.iter_mut().for_each(|value| *value *= *sum);
        }
    }
}

/// Makes weights, after dropout, of scores, and gradients of scores of those of the weights.
pub(super) struct Differentiate<'a> {
    /// Rows of `stride` scores, and of gradients.
    pub(super) scores: &'a mut [f32],
    pub(super) gradients: &'a mut [f32],
    pub(super) stride: usize,
    /// The first row of the head's context and of its gradient, where there are other keys; the width of the rows of all heads.
    pub(super) context: Option<[&'a [f32]; 2]>,
    pub(super) context_width: usize,
    pub(super) width: usize,
    /// The first state of the head, as [`Finish`] left it; those of the next query stand `n_heads` further on.
    pub(super) states: &'a [State],
    pub(super) n_heads: usize,
    /// Probability and draws; row of the batch, head, first query and first key; room for a row of factors.
    pub(super) dropout: Option<(f64, Draws)>,
    pub(super) place: [usize; 4],
    pub(super) factors: &'a mut [f32],
    pub(super) queries: usize,
}

impl WithSimd for Differentiate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let [row, head, first, first_key] = self.place;
        let states = self.states.iter().step_by(self.n_heads).take(self.queries);
        let rows = self.scores.chunks_exact_mut(self.stride);
        let rows = rows.zip(self.gradients.chunks_exact_mut(self.stride));
        for (i, ((weights, gradients), &[largest, factor])) in rows.zip(states).enumerate() {
            for weight in weights.iter_mut() {
                *weight = exp(*weight - largest) * factor;
            }
            let factors = &mut self.factors[..self.stride];
            if let Some((p, draws)) = self.dropout {
                factors.fill(1.0);
                DropoutRow::new(&[row, head, first + i], p, draws).apply(first_key, factors);
                let pairs = gradients.iter_mut().zip(&*factors);
                pairs.for_each(|(gradient, factor)| *gradient *= factor);
            }
            let mean = match self.context {
                Some(rows) => {
                    let [context, gradient] =
                        rows.map(|rows| &rows[i * self.context_width..][..self.width]);
                    dot(context, gradient)
                }
                None => dot(weights, gradients),
            };
            for (gradient, weight) in gradients.iter_mut().zip(&*weights) {
                *gradient = (*gradient - mean) * weight;
            }
            if self.dropout.is_some() {
                let pairs = weights.iter_mut().zip(&*factors);
                pairs.for_each(|(weight, factor)| *weight *= factor);
            }
        }
    }
}

/// Replaces scores by `exp(score - largest)` and takes them into the state. The result is the factor of what was made with
/// the largest score so far. The number of scores is a multiple of [`PANEL`].
#[inline(always)]
pub(super) fn absorb(scores: &mut [f32], state: &mut State) -> f32 {
    let chunks = scores.as_chunks_mut::<PANEL>().0;
    let mut highest = [state[0]; PANEL];
    for chunk in &*chunks {
        for (highest, &score) in highest.iter_mut().zip(chunk) {
            *highest = if score > *highest { score } else { *highest };
        }
    }
    let highest = fold(highest, |a, b| if a > b { a } else { b });
    let mut sums = [0.0; PANEL];
    for chunk in chunks {
        for (sum, score) in sums.iter_mut().zip(chunk) {
            *score = exp(*score - highest);
            *sum += *score;
        }
    }
    let kept = exp(state[0] - highest);
    *state = [highest, state[1] * kept + fold(sums, |a, b| a + b)];
    kept
}

/// Halves against each other, until one is left.
#[inline(always)]
pub(super) fn fold(lanes: [f32; PANEL], f: impl Fn(f32, f32) -> f32) -> f32 {
    let mut lanes = lanes;
    let mut half = PANEL / 2;
    while half > 0 {
        for i in 0..half {
            lanes[i] = f(lanes[i], lanes[i + half]);
        }
        half /= 2;
    }
    lanes[0]
}

/// Sum of products, in as many running sums as a panel has rows.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<PANEL>(), b.as_chunks::<PANEL>());
    let mut sums = [0.0; PANEL];
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    for ((sum, a), b) in sums.iter_mut().zip(a_rest).zip(b_rest) {
        *sum += a * b;
    }
    fold(sums, |a, b| a + b)
}
