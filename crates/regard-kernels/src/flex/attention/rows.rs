//! What becomes of the rows of a tile: from scores to weights, and back.
//!
//! Each is an operation of its own, so that all of it is compiled for the machine's best instruction set.

#![expect(
    clippy::inline_always,
    reason = "a function gets the instruction set of the loop that it is inlined into, or none"
)]

use pulp::{Simd, WithSimd};

use super::super::simd::exp;

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
    /// Where the weights before dropout go, of a tile that holds all keys, if they are wanted; and the stride there.
    pub(super) weights: Option<(&'a mut [f32], usize)>,
    /// Probability and draws; row of the batch, head, first query and first key.
    pub(super) dropout: Option<(f64, Draws)>,
    pub(super) place: [usize; 4],
}

impl WithSimd for Absorb<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let [row, head, first, first_key] = self.place;
        let states = self.states.iter_mut().step_by(self.n_heads);
        let rows = self.scores.chunks_exact_mut(self.stride).zip(states);
        for (i, (scores, state)) in rows.enumerate() {
            let before = *state;
            absorb(simd, scores, state);
            if let Some((context, context_width)) = &mut self.context {
                let kept = exp(before[0] - state[0]);
                state[1] += before[1] * kept;
                let context = &mut context[i * *context_width..][..self.width];
                for value in context {
                    *value *= kept;
                }
            }
            if let Some((weights, stride)) = &mut self.weights {
                let factor = factor(state[1]);
                for (weight, score) in weights[i * *stride..].iter_mut().zip(&*scores) {
                    *weight = score * factor;
                }
            }
            if let Some((p, draws)) = self.dropout {
                DropoutRow::new(&[row, head, first + i], p, draws).apply(first_key, scores);
            }
        }
    }
}

/// By what a sum is multiplied to be 1, if it is not 0.
fn factor(sum: f32) -> f32 {
    if sum == 0.0 { 0.0 } else { 1.0 / sum }
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
            *sum = factor(*sum);
            for value in context {
                *value *= *sum;
            }
        }
    }
}

/// Makes weights, after dropout, of scores, and gradients of scores of those of the weights.
pub(super) struct Differentiate<'a> {
    /// Rows of `stride` scores, or of weights before dropout; and of gradients.
    pub(super) scores: &'a mut [f32],
    pub(super) gradients: &'a mut [f32],
    pub(super) stride: usize,
    pub(super) are_weights: bool,
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
    fn with_simd<S: Simd>(self, simd: S) {
        let [row, head, first, first_key] = self.place;
        let states = self.states.iter().step_by(self.n_heads).take(self.queries);
        let rows = self.scores.chunks_exact_mut(self.stride);
        let rows = rows.zip(self.gradients.chunks_exact_mut(self.stride));
        for (i, ((weights, gradients), &[largest, factor])) in rows.zip(states).enumerate() {
            if !self.are_weights {
                let (largest, factor) = (simd.splat_f32s(largest), simd.splat_f32s(factor));
                for weight in S::as_mut_simd_f32s(weights).0 {
                    let raised = exp_of_negative(simd, simd.sub_f32s(*weight, largest));
                    *weight = simd.mul_f32s(raised, factor);
                }
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
                    dot(simd, context, gradient)
                }
                None => dot(simd, weights, gradients),
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

/// Replaces scores by `exp(score - largest)`, with the largest so far and among them, and the state by that and their sum.
/// The number of scores is a multiple of that of a panel's rows.
#[inline(always)]
fn absorb<S: Simd>(simd: S, scores: &mut [f32], state: &mut State) {
    let scores = S::as_mut_simd_f32s(scores).0;
    let mut highest = simd.splat_f32s(state[0]);
    for &score in &*scores {
        highest = simd.max_f32s(score, highest);
    }
    let largest = simd.reduce_max_f32s(highest);
    let highest = simd.splat_f32s(largest);
    let mut sum = simd.splat_f32s(0.0);
    for score in scores {
        *score = exp_of_negative(simd, simd.sub_f32s(*score, highest));
        sum = simd.add_f32s(sum, *score);
    }
    *state = [largest, simd.reduce_sum_f32s(sum)];
}

/// `e^x` of numbers that are not positive, as [`exp`]: exactly 0 below -80.
#[inline(always)]
fn exp_of_negative<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    const ROUND: f32 = 12_582_912.0; // 1.5 * 2^23: adding it leaves an integer in the low bits
    let number = |value: f32| simd.splat_f32s(value);
    let shifted = simd.mul_add_e_f32s(x, number(std::f32::consts::LOG2_E), number(ROUND));
    let n = simd.sub_f32s(shifted, number(ROUND));
    let r = simd.mul_add_e_f32s(n, number(-355.0 / 512.0), x);
    let r = simd.mul_add_e_f32s(n, number(2.121_944_4e-4), r);
    let mut polynomial = number(1.0 / 5040.0);
    polynomial = simd.mul_add_e_f32s(polynomial, r, number(1.0 / 720.0));
    polynomial = simd.mul_add_e_f32s(polynomial, r, number(1.0 / 120.0));
    polynomial = simd.mul_add_e_f32s(polynomial, r, number(1.0 / 24.0));
    polynomial = simd.mul_add_e_f32s(polynomial, r, number(1.0 / 6.0));
    polynomial = simd.mul_add_e_f32s(polynomial, r, number(0.5));
    polynomial = simd.mul_add_e_f32s(polynomial, r, number(1.0));
    polynomial = simd.mul_add_e_f32s(polynomial, r, number(1.0));
    let bits = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(shifted), simd.splat_u32s(23));
    let scale = simd.add_u32s(bits, simd.splat_u32s(0x3f80_0000));
    let raised = simd.mul_f32s(polynomial, simd.transmute_f32s_u32s(scale));
    simd.select_f32s(simd.less_than_f32s(x, number(-80.0)), number(0.0), raised)
}

/// Sum of products.
#[inline(always)]
fn dot<S: Simd>(simd: S, a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (S::as_simd_f32s(a), S::as_simd_f32s(b));
    let [a_rest, b_rest] = [a_rest, b_rest].map(|rest| simd.partial_load_f32s(rest));
    let mut sum = simd.mul_f32s(a_rest, b_rest);
    for (&a, &b) in a.iter().zip(b) {
        sum = simd.mul_add_e_f32s(a, b, sum);
    }
    simd.reduce_sum_f32s(sum)
}

#[cfg(test)]
mod tests {
    use pulp::Arch;

    use super::super::product::PANEL;
    use super::*;

    /// `exp_of_negative` of every element.
    struct Exp<'a>(&'a mut [f32]);

    impl WithSimd for Exp<'_> {
        type Output = ();

        #[inline(always)]
        fn with_simd<S: Simd>(self, simd: S) {
            for x in S::as_mut_simd_f32s(self.0).0 {
                *x = exp_of_negative(simd, *x);
            }
        }
    }

    #[test]
    fn exp_is_that_of_f64_to_one_and_a_half_units() {
        let xs: Vec<f32> = (0..PANEL * 3000).map(|i| i as f32 * -0.001_666).collect();
        let mut raised = xs.clone();
        Arch::new().dispatch(Exp(&mut raised));
        for (x, y) in xs.into_iter().zip(raised) {
            let expected = f64::from(x).exp();
            let relative = (f64::from(y) - expected).abs() / expected;
            assert!(
                relative < 1.5 * f64::from(f32::EPSILON),
                "exp({x}) is off by {relative:e}"
            );
        }
    }

    #[test]
    fn exp_of_blocked_scores_is_exactly_zero_and_nan_stays() {
        let mut xs = [-80.1; PANEL];
        xs[1..6].copy_from_slice(&[-1e4, -1e30, f32::MIN, f32::NEG_INFINITY, f32::NAN]);
        Arch::new().dispatch(Exp(&mut xs));
        assert!(xs[5].is_nan());
        xs[5] = 0.0;
        assert_eq!(xs.map(f32::to_bits), [0; PANEL]);
    }
}
