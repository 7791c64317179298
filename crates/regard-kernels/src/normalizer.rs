//! From scores to weights.

use burn::tensor::{Tensor, activation};
use serde::{Deserialize, Serialize};

/// How the scores of a row become weights that are not negative and sum to 1.
///
/// Each is the distribution `w` over the S keys that maximises `w . s + entropy(w)`, for an entropy of its own:
///
/// ```text
/// softmax     w_j = exp(s_j) / sum_k exp(s_k)    entropy  - sum_j w_j ln w_j
/// sparsemax   w_j = max(s_j - tau, 0)            entropy  1/2 sum_j (w_j - w_j^2)
/// entmax15    w_j = max(s_j / 2 - tau, 0)^2      entropy  4/3 sum_j (w_j - w_j^1.5)
/// ```
///
/// `tau` is the one number for which the row sums to 1. Sparsemax is the projection of the scores onto the
/// distributions. Both sparse forms give weight exactly 0 to scores that are far enough below the highest: 1 for
/// sparsemax, 2 for entmax15, and less where several share the weight.
///
/// # Shapes
///
/// Scores and weights are `[B, H, T, S]`; a row is the last axis.
///
/// # Behaviour
///
/// - Adding a number to every score of a row changes nothing: each row is taken relative to its maximum first.
/// - The sparse forms have exact gradients, by differentiation of the operations. With `r_j = 1` where `w_j > 0` for
///   sparsemax, and `r = sqrt(w)` for entmax15, the Jacobian is `diag(r) - r r^T / sum(r)`: keys without weight get no
///   gradient. Where a weight of sparsemax just becomes 0 there is no derivative; that of a weight of 0 is taken.
/// - Cost per row: `O(S)` for softmax. The sparse forms sort, `O(S log S)`, and read each score some ten times; burn's
///   GPU backends sort on the host.
///
/// # Differences
///
/// - Papers: the threshold is found as theirs, by a sort; one step of Newton's method then improves it, and makes it
///   a function of the scores to differentiate.
/// - PyTorch and burn have neither sparse form. Checked against `scripts/parity/blocks.py`.
///
/// # References
///
/// Martins, Astudillo. From Softmax to Sparsemax. 2016. <https://arxiv.org/abs/1602.02068>, algorithm 1. Peters,
/// Niculae, Martins. Sparse Sequence-to-Sequence Models. 2019. <https://arxiv.org/abs/1905.05702>
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::Normalizer;
/// let scores = Tensor::<1>::from_floats([1.0, 0.5, -3.0], &Device::flex()).reshape([1, 1, 1, 3]);
/// let weights = Normalizer::Sparsemax.normalize(scores).into_data();
/// assert_eq!(weights.as_slice::<f32>().unwrap(), [0.75, 0.25, 0.0]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Normalizer {
    /// Every key gets some weight.
    #[default]
    Softmax,
    /// Few keys get weight, and a lead of 1 takes it all.
    Sparsemax,
    /// Between the two: 1.5-entmax, sparse, and smooth where a weight becomes 0.
    Entmax15,
}

impl Normalizer {
    /// Normalises over the last axis.
    pub fn normalize(self, scores: Tensor<4>) -> Tensor<4> {
        if scores.dims()[3] == 0 {
            return scores;
        }
        match self {
            Self::Softmax => softmax(scores),
            Self::Sparsemax => sparsemax(scores),
            Self::Entmax15 => entmax15(scores),
        }
    }
}

fn softmax(scores: Tensor<4>) -> Tensor<4> {
    #[cfg(feature = "flex")]
    if let Some(weights) = fused_softmax(&scores, None) {
        return weights;
    }
    activation::softmax(scores, 3)
}

/// Softmax over the keys that a mask leaves visible, exactly 0 on the others, in one pass; `None` where there is no such
/// operation.
#[cfg(feature = "flex")]
pub(crate) fn fused_softmax(
    scores: &Tensor<4>,
    mask: Option<&crate::AttentionMask>,
) -> Option<Tensor<4>> {
    use crate::flex::{Operand, SoftmaxOp, apply};
    let mask = mask.cloned();
    Some(apply(SoftmaxOp { mask }, [Operand::new(scores)?]))
}

fn sparsemax(scores: Tensor<4>) -> Tensor<4> {
    let scores = below_maximum(scores);
    let sorted = sorted(scores.clone());
    let ranks = sorted.ones_like().cumsum(3);
    let thresholds = (sorted.clone().cumsum(3) - 1.0) / ranks;
    let threshold = last_below(thresholds, sorted);

    let above = activation::relu(scores.clone() - threshold.clone());
    let size = above.clone().detach().sign().sum_dim(3);
    // The derivative of this step is that of the threshold, whose own value came from numbers without a history.
    let threshold = threshold + (above.sum_dim(3) - 1.0) / size;
    activation::relu(scores - threshold)
}

fn entmax15(scores: Tensor<4>) -> Tensor<4> {
    let scores = below_maximum(scores * 0.5);
    let sorted = sorted(scores.clone());
    let ranks = sorted.ones_like().cumsum(3);
    let mean = sorted.clone().cumsum(3) / ranks.clone();
    let mean_of_squares = sorted.clone().square().cumsum(3) / ranks.clone();
    let variance = mean_of_squares - mean.clone().square();
    // The lower root of sum_k (s_k - tau)^2 = 1 over the highest scores; where there is none they are too many.
    let thresholds = mean - (ranks.recip() - variance).clamp_min(0.0).sqrt();
    let threshold = last_below(thresholds, sorted);

    let above = activation::relu(scores.clone() - threshold.clone());
    let slope = above.clone().detach().sum_dim(3) * 2.0;
    // As for sparsemax.
    let threshold = threshold + (above.square().sum_dim(3) - 1.0) / slope;
    activation::relu(scores - threshold).square()
}

/// Scores relative to the highest of their row, at most 0.
fn below_maximum(scores: Tensor<4>) -> Tensor<4> {
    let maximum = scores.clone().max_dim(3).detach();
    scores - maximum
}

/// Each row in descending order, without a history. No threshold is below -1, since no weight is above 1; what lies
/// deeper, like a blocked score, is raised to it, and so cannot drown the others in a sum.
fn sorted(scores: Tensor<4>) -> Tensor<4> {
    scores.detach().clamp_min(-1.0).sort_descending(3)
}

/// The threshold of the largest number of highest scores that all lie above theirs, `[B, H, T, 1]`.
fn last_below(thresholds: Tensor<4>, sorted: Tensor<4>) -> Tensor<4> {
    let too_many = thresholds.clone().greater_equal(sorted);
    thresholds.mask_fill(too_many, -1.0).max_dim(3)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AttentionMask, Key, attention_weights};
    use burn::tensor::{DType, Device, TensorData};

    const SPARSE: [Normalizer; 2] = [Normalizer::Sparsemax, Normalizer::Entmax15];

    /// Rows as `[1, 1, R, S]` in f64.
    fn tensor(rows: &[Vec<f64>], device: &Device) -> Tensor<4> {
        let shape = [1, 1, rows.len(), rows[0].len()];
        let data = TensorData::new(rows.concat(), shape);
        Tensor::from_data(data, (device, DType::F64))
    }

    fn rows(x: Tensor<4>) -> Vec<Vec<f64>> {
        let width = x.dims()[3];
        let values: Vec<f64> = x.into_data().iter::<f64>().collect();
        values.chunks(width).map(<[f64]>::to_vec).collect()
    }

    fn normalize(normalizer: Normalizer, scores: &[f64]) -> Vec<f64> {
        let scores = tensor(&[scores.to_vec()], &crate::test_device());
        rows(normalizer.normalize(scores)).concat()
    }

    /// Rows of random scores: narrow and wide, of one key and of many.
    fn samples() -> Vec<Vec<f64>> {
        let mut samples = Vec::new();
        for (i, size) in [1, 2, 3, 7, 31, 200].into_iter().enumerate() {
            for (j, spread) in [1e-3, 0.3, 1.0, 4.0, 1e4].into_iter().enumerate() {
                let key = Key::new(8).nth(i as u64).nth(j as u64);
                samples.push((0..size).map(|k| key.normal(k) * spread).collect());
            }
        }
        samples
    }

    fn assert_close(got: &[f64], expected: &[f64], tolerance: f64, what: &str) {
        assert_eq!(got.len(), expected.len(), "{what}");
        for (got_one, expected_one) in got.iter().zip(expected) {
            assert!(
                (got_one - expected_one).abs() <= tolerance,
                "{what}: {got:?}, expected {expected:?}"
            );
        }
    }

    #[test]
    fn hand_computed_weights() {
        use Normalizer::{Entmax15, Sparsemax};
        let close = |normalizer, scores: &[f64], expected: &[f64]| {
            let got = normalize(normalizer, scores);
            assert_close(&got, expected, 1e-15, &format!("{normalizer:?}"));
        };
        close(Sparsemax, &[1.0, 0.5, -3.0], &[0.75, 0.25, 0.0]);
        close(
            Sparsemax,
            &[0.0, 0.75, 0.5, 0.25],
            &[0.0, 7.0 / 12.0, 1.0 / 3.0, 1.0 / 12.0],
        );
        close(Sparsemax, &[2.0, 1.0], &[1.0, 0.0]);
        // sqrt(w) = s / 2 - tau: 4/5 and 3/5 lie 1/5 apart, 2/3, 2/3 and 1/3 lie 1/3 apart.
        close(Entmax15, &[-9.0, 0.4, 0.0], &[0.0, 0.64, 0.36]);
        close(
            Entmax15,
            &[5.0, 5.0 - 2.0 / 3.0, 5.0],
            &[4.0 / 9.0, 1.0 / 9.0, 4.0 / 9.0],
        );
        close(Entmax15, &[2.0, 0.0], &[1.0, 0.0]);
    }

    #[test]
    fn rows_are_distributions_with_exact_zeros() {
        for normalizer in SPARSE {
            let mut zeros = 0;
            for scores in samples() {
                let weights = normalize(normalizer, &scores);
                let sum: f64 = weights.iter().sum();
                assert!((sum - 1.0).abs() < 1e-13, "{normalizer:?} sums to {sum}");
                assert!(weights.iter().all(|&weight| weight >= 0.0));
                zeros += weights.iter().filter(|&&weight| weight == 0.0).count();
            }
            assert!(zeros > 500, "{normalizer:?}: {zeros} zeros of 1220");
        }
    }

    /// The conditions of the optimum: the derivatives of `w . s + entropy(w)`, up to a constant `s_j - slope(w_j)`, are
    /// one number on all keys with weight, and no greater on the others.
    fn assert_optimal(normalizer: Normalizer, slope: impl Fn(f64) -> f64) {
        for scores in samples() {
            let weights = normalize(normalizer, &scores);
            let pairs: Vec<(f64, f64)> = scores.into_iter().zip(weights).collect();
            let gain = |&(score, weight): &(f64, f64)| score - slope(weight);
            let level = pairs.iter().map(gain).fold(f64::NEG_INFINITY, f64::max);
            for pair in pairs {
                let short = level - gain(&pair);
                assert!(
                    pair.1 == 0.0 || short < 1e-11,
                    "{normalizer:?}: {pair:?} falls {short:e} short"
                );
            }
        }
    }

    #[test]
    fn sparsemax_is_the_projection_onto_the_distributions() {
        assert_optimal(Normalizer::Sparsemax, |weight| weight);
    }

    #[test]
    fn entmax15_maximises_its_entropy() {
        assert_optimal(Normalizer::Entmax15, |weight| 2.0 * weight.sqrt());
    }

    #[test]
    fn equal_scores_share_the_weight() {
        for normalizer in SPARSE {
            for score in [0.0, -7.5, 1e4, -1e30] {
                let weights = normalize(normalizer, &[score; 7]);
                assert_close(&weights, &[1.0 / 7.0; 7], 1e-15, "all equal");
            }
            let weights = normalize(normalizer, &[1e4, 1e4, 1e4 - 3.0]);
            assert_close(&weights, &[0.5, 0.5, 0.0], 1e-15, "two equal");
        }
    }

    #[test]
    fn order_and_origin_of_scores_play_no_part() {
        for normalizer in SPARSE {
            for scores in samples() {
                let weights = normalize(normalizer, &scores);
                let reversed: Vec<f64> = scores.iter().rev().copied().collect();
                let mut got = normalize(normalizer, &reversed);
                got.reverse();
                assert_close(&got, &weights, 1e-13, "reversed");
                // A power of two that leaves the differences of scores as they are to 1e-12.
                let shifted: Vec<f64> = scores.iter().map(|score| score + 4096.0).collect();
                let got = normalize(normalizer, &shifted);
                assert_close(&got, &weights, 1e-10, "shifted");
            }
        }
    }

    #[test]
    fn single_precision_is_enough() {
        for normalizer in SPARSE {
            for scores in samples() {
                // What f32 can hold is what both are given.
                let scores: Vec<f64> = scores
                    .iter()
                    .map(|&score| f64::from(score as f32))
                    .collect();
                let single =
                    tensor(std::slice::from_ref(&scores), &crate::test_device()).cast(DType::F32);
                let got = rows(normalizer.normalize(single)).concat();
                assert_close(&got, &normalize(normalizer, &scores), 1e-6, "in f32");
            }
        }
    }

    /// The gradient of `weights . direction` for each row of scores.
    fn gradients(normalizer: Normalizer, scores: &[f64], direction: &[f64]) -> Vec<f64> {
        let device = crate::test_device().autodiff();
        let scores = tensor(&[scores.to_vec()], &device).require_grad();
        let direction = tensor(&[direction.to_vec()], &device);
        let objective = (normalizer.normalize(scores.clone()) * direction).sum();
        let gradient = scores.grad(&objective.backward()).expect("a gradient");
        rows(gradient).concat()
    }

    fn direction(size: usize) -> Vec<f64> {
        let key = Key::new(9);
        (0..size as u64).map(|i| key.normal(i)).collect()
    }

    #[test]
    fn gradients_are_the_published_ones() {
        for normalizer in SPARSE {
            for scores in samples() {
                let direction = direction(scores.len());
                let r: Vec<f64> = normalize(normalizer, &scores)
                    .into_iter()
                    .map(|weight| match normalizer {
                        Normalizer::Entmax15 => weight.sqrt(),
                        _ => f64::from(weight > 0.0),
                    })
                    .collect();
                let product: f64 = r.iter().zip(&direction).map(|(r, d)| r * d).sum();
                let mean = product / r.iter().sum::<f64>();
                let expected: Vec<f64> = r
                    .iter()
                    .zip(&direction)
                    .map(|(r, d)| r * (d - mean))
                    .collect();
                let got = gradients(normalizer, &scores, &direction);
                assert_close(&got, &expected, 1e-12, &format!("{normalizer:?}"));
            }
        }
    }

    #[test]
    fn gradients_are_finite_differences() {
        const STEP: f64 = 1e-5;
        for normalizer in SPARSE {
            for scores in samples() {
                let direction = direction(scores.len());
                let value = |i: usize, step: f64| -> f64 {
                    let mut scores = scores.clone();
                    scores[i] += step;
                    let weights = normalize(normalizer, &scores);
                    weights.iter().zip(&direction).map(|(w, d)| w * d).sum()
                };
                let got = gradients(normalizer, &scores, &direction);
                for (i, got) in got.into_iter().enumerate() {
                    let difference = (value(i, STEP) - value(i, -STEP)) / (2.0 * STEP);
                    assert!(
                        (got - difference).abs() < 1e-6,
                        "{normalizer:?}, {} scores, score {i}: {got}, by differences {difference}",
                        scores.len()
                    );
                }
            }
        }
    }

    #[test]
    fn blocked_keys_get_no_weight_and_leave_the_others_theirs() {
        let device = crate::test_device().autodiff();
        // The last score would take all the weight; the last row sees nothing.
        let scores = [
            vec![1.0, 0.5, 1e4],
            vec![-1e4, -1e4, 1e4],
            vec![0.0, 1.0, 2.0],
        ];
        for normalizer in SPARSE {
            let visible = rows(normalizer.normalize(tensor(
                &[vec![1.0, 0.5], vec![-1e4, -1e4]],
                &crate::test_device(),
            )));
            let scores = tensor(&scores, &device).cast(DType::F32).require_grad();
            let batch = scores.clone().reshape([3, 1, 1, 3]);
            let mask = AttentionMask::key_lengths(vec![2, 2, 0]);
            let weights = attention_weights(batch, &mask, normalizer);
            let objective = (weights.clone() * weights.clone()).sum();
            let gradient = rows(scores.grad(&objective.backward()).expect("a gradient"));
            let weights = rows(weights);
            for row in 0..2 {
                assert_close(&weights[row][..2], &visible[row], 1e-7, "visible");
                assert_eq!([&weights[row][2..], &gradient[row][2..]], [[0.0]; 2]);
            }
            assert_eq!([&weights[2], &gradient[2]], [&[0.0; 3]; 2]);
            assert!(gradient.concat().iter().all(|x| x.is_finite()));
        }
    }
}
