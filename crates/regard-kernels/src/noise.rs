//! Random numbers whose draws belong to examples, not to batches.

use burn::tensor::{Device, Tensor, TensorData};

use crate::Draws;
use crate::dropout::row_key;

/// Independent draws of the standard Gumbel distribution: added to the scores of a row, they turn its largest element
/// into a draw from the softmax of the scores.
///
/// ```text
/// g = -ln(-ln(u)),  u uniform in (0, 1);    P(argmax_j(s_j + g_j) = i) = softmax(s)_i
/// ```
///
/// # Shapes
///
/// `shape` is `[B, ..., W]`, of rank 2 at least. Draws are keyed as those of [`dropout`](crate::dropout()): by example
/// `first_row + b`, by the index along each inner axis, and by the index along the last. Neither the size of the batch
/// nor the padded length of an axis enters.
///
/// # Behaviour
///
/// Values are in `[-3.7, 36.8]`: there are 53 random bits to a draw. Made on the host, `O(B .. W)` time.
///
/// # Panics
///
/// If the rank is 1.
///
/// # Differences
///
/// PyTorch's `gumbel_softmax` draws from a global generator in the order of elements; here every draw is a function of its place.
///
/// # References
///
/// Gumbel. Statistical Theory of Extreme Values. 1954. Maddison, Mnih, Teh 2016. <https://arxiv.org/abs/1611.00712>
///
/// # Example
///
/// ```
/// use burn::tensor::Device;
/// use regard_kernels::{Draws, Key, gumbel};
/// let draws = |first_row| Draws { key: Key::new(1), first_row };
/// let batch = gumbel([3, 5], draws(0), &Device::flex());
/// let third = gumbel([1, 4], draws(2), &Device::flex()); // by itself, and cut short
/// assert_eq!(batch.slice([2..3, 0..4]).into_data(), third.into_data());
/// ```
pub fn gumbel<const D: usize>(shape: [usize; D], draws: Draws, device: &Device) -> Tensor<D> {
    assert!(D >= 2, "gumbel: expected a rank of 2 at least, got {D}");
    let (outer, width) = (&shape[..D - 1], shape[D - 1]);
    let rows: usize = outer.iter().product();
    let mut values = Vec::with_capacity(rows * width);
    for row in 0..rows {
        let key = row_key(row, outer, draws);
        values.extend((0..width).map(|i| standard_gumbel(key.uniform(i as u64))));
    }
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// The quantile of `uniform`, which may be 0 but not 1.
fn standard_gumbel(uniform: f64) -> f32 {
    let positive = uniform.max(2.0_f64.powi(-54));
    -(-positive.ln()).ln() as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Key;

    fn draw<const D: usize>(shape: [usize; D], first_row: u64) -> Tensor<D> {
        let key = Key::new(3);
        gumbel(shape, Draws { key, first_row }, &crate::test_device())
    }

    #[test]
    fn an_example_meets_the_same_noise_in_every_batch() {
        let whole = draw([4, 3, 5, 7], 0);
        let part = draw([2, 3, 2, 6], 2);
        let cut = whole.slice([2..4, 0..3, 0..2, 0..6]);
        assert_eq!(cut.into_data(), part.into_data());
    }

    #[test]
    fn every_place_has_a_draw_of_its_own() {
        let mut values: Vec<f32> = draw([3, 2, 5, 7], 0).into_data().iter().collect();
        values.sort_by(f32::total_cmp);
        assert!(values.windows(2).all(|pair| pair[0] < pair[1]));
    }

    #[test]
    fn draws_have_the_moments_of_their_distribution() {
        let n = 100_000.0;
        let values: Vec<f32> = draw([100, 1000], 0).into_data().iter().collect();
        let values = values.into_iter().map(f64::from);
        let mean = values.clone().sum::<f64>() / n;
        let variance = values.map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        // Euler's constant and pi^2 / 6; the kurtosis is 5.4. Bounds are five standard errors.
        let expected = std::f64::consts::PI.powi(2) / 6.0;
        assert!((mean - 0.577_216).abs() < 5.0 * (expected / n).sqrt());
        assert!((variance - expected).abs() < 5.0 * expected * (4.4 / n).sqrt());
    }

    #[test]
    fn the_ends_are_finite() {
        assert!((standard_gumbel(0.0) + 3.62).abs() < 0.01);
        assert!((standard_gumbel(1.0 - 2.0_f64.powi(-53)) - 36.74).abs() < 0.01);
    }

    #[test]
    #[should_panic(expected = "gumbel: expected a rank of 2 at least, got 1")]
    fn examples_without_a_row_are_refused() {
        draw([5], 0);
    }
}
