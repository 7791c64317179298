//! Softmax over the last axis, of all elements or of those that a mask leaves.

use std::ops::Range;

use burn::backend::flex::FlexTensor;

use super::simd::{mapped_rows, softmax, sum_pairs};
use super::{FusedOp, elements, matrix_shape};
use crate::AttentionMask;

/// Operand: scores, any shape; with a mask `[B, H, T, S]`.
#[derive(Clone, Debug)]
pub(crate) struct SoftmaxOp {
    pub(crate) mask: Option<AttentionMask>,
}

impl SoftmaxOp {
    /// The elements of row `row` among which all that the mask leaves lie; blocked ones between them become -inf.
    fn visible(&self, row: usize, shape: &[usize], scores: &mut [f32]) -> Range<usize> {
        let (Some(mask), &[_, heads, t, s]) = (&self.mask, shape) else {
            return 0..scores.len();
        };
        let (example, query) = (row / (heads * t), row % t);
        let visible = mask.visible_range(example, query, [t, s]);
        if !mask.is_contiguous() {
            for key in visible.clone() {
                if mask.is_blocked(example, query, key, [t, s]) {
                    scores[key] = f32::NEG_INFINITY;
                }
            }
        }
        visible
    }
}

impl FusedOp<1> for SoftmaxOp {
    const NAMES: [&'static str; 2] = ["softmax", "softmax, backward"];

    /// The result.
    type Saved = FlexTensor;

    fn forward(
        &self,
        [scores]: [FlexTensor; 1],
        tracked: bool,
    ) -> (FlexTensor, Option<FlexTensor>) {
        let [_, width] = matrix_shape(&scores);
        let shape = scores.layout().shape().clone();
        let weights = mapped_rows(
            scores,
            width,
            #[inline(always)]
            |row, scores| {
                let visible = self.visible(row, shape.as_slice(), scores);
                scores[..visible.start].fill(0.0);
                scores[visible.end..].fill(0.0);
                if !visible.is_empty() {
                    softmax(&mut scores[visible]);
                }
            },
        );
        let saved = tracked.then(|| weights.clone());
        (weights, saved)
    }

    fn backward(
        &self,
        weights: FlexTensor,
        gradient: FlexTensor,
        _: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        let ([_, width], weights) = (matrix_shape(&weights), elements(&weights));
        let d_scores = mapped_rows(
            gradient,
            width,
            #[inline(always)]
            |row, gradient| {
                let weights = &weights[row * width..][..width];
                let mean = sum_pairs(gradient, weights, |g, w| g * w);
                for (g, w) in gradient.iter_mut().zip(weights) {
                    *g = (*g - mean) * w;
                }
            },
        );
        [Some(d_scores)]
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor, TensorData};

    use crate::flex::tests::{agree_on_threads, check_differences, values};
    use crate::{AttentionMask, Graph, Normalizer, attention_weights};

    fn weights(scores: Tensor<3>, heads: usize, mask: &AttentionMask) -> Tensor<4> {
        let [batch, rows, s] = scores.dims();
        let scores = scores.reshape([batch, heads, rows / heads, s]);
        attention_weights(scores, mask, Normalizer::Softmax)
    }

    #[test]
    fn softmax_is_its_composition() {
        for (t, s) in [(5, 5), (3, 7), (1, 19), (41, 133)] {
            let graph = Graph::new(s, &[[0, s - 1], [s - 1, s - 1], [s / 2, s - 1]]);
            for mask in [
                AttentionMask::none(),
                AttentionMask::causal(),
                AttentionMask::key_lengths(vec![s, 0, s / 2]),
                AttentionMask::causal().and(AttentionMask::key_lengths(vec![1, s, s - 1])),
                AttentionMask::window(2, 1),
                AttentionMask::graph(vec![graph]),
            ] {
                agree_on_threads(|device| {
                    let scores = values("scores", [3, 2 * t, s], device);
                    (weights(scores.clone() * 9.0, 2, &mask), vec![scores])
                });
            }
        }
        agree_on_threads(|device| {
            let scores = values("scores", [3, 7, 4], device);
            let rows = scores.clone().swap_dims(1, 2); // [3, 4, 7]
            (weights(rows, 2, &AttentionMask::none()), vec![scores])
        });
    }

    #[test]
    fn nothing_has_no_weights() {
        let device = Device::flex();
        for [rows, s] in [[0, 3], [2, 0]] {
            let scores = Tensor::<4>::zeros([2, 1, rows, s], &device);
            let weights = attention_weights(scores, &AttentionMask::none(), Normalizer::Softmax);
            assert_eq!(weights.dims(), [2, 1, rows, s]);
        }
    }

    #[test]
    fn gradients_are_differences() {
        let mask = AttentionMask::causal();
        check_differences(&[[1, 6, 3]], |scores| weights(scores[0].clone(), 2, &mask));
    }

    #[test]
    fn scores_far_apart_and_blocked_ones() {
        let device = Device::flex().autodiff();
        let scores = [
            [1e30, -1e30, 0.0, 1e30],
            [-1e30, -1e30, -1e30, f32::INFINITY],
            [-1e4, 1e-30, f32::MIN_POSITIVE, 1e30],
            [3.0, 3.0, 3.0, 3.0],
        ];
        let data = TensorData::new(scores.concat(), [4, 1, 4]);
        let scores = Tensor::<3>::from_data(data, &device).require_grad();
        let mask = AttentionMask::key_lengths(vec![3, 3, 3, 0]);
        let got = weights(scores.clone(), 1, &mask);
        let squares = got.clone() * got.clone();
        let gradient = scores.grad(&squares.sum().backward()).expect("a gradient");
        let third = 1.0 / 3.0;
        let expected = [
            [1.0, 0.0, 0.0, 0.0],
            [third, third, third, 0.0],
            [0.0, 0.5, 0.5, 0.0],
            [0.0; 4],
        ];
        let got: Vec<f32> = got.into_data().iter::<f32>().collect();
        for (got, expected) in got.iter().zip(expected.concat()) {
            assert!((got - expected).abs() < 1e-6, "{got}, expected {expected}");
            assert_eq!(*got == 0.0, expected == 0.0);
        }
        let largest = gradient.abs().max().into_scalar::<f32>();
        assert!(largest < 1e-6, "all are at an extreme: {largest}");
    }
}
