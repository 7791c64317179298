//! A rotation of queries and keys by their position.

use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Which two elements of a head are turned together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RotaryPairing {
    /// `2i` and `2i + 1`, as in the paper.
    #[default]
    Interleaved,
    /// `i` and `K / 2 + i`.
    Halves,
}

/// Turns pairs of a head's elements by angles that grow with the position; the default is the paper's.
///
/// Pair i of K / 2, at position `p = offset + t`, with `(a, b)` its elements:
///
/// ```text
/// angle = p base^(-2i / K)
/// a'    = a cos(angle) - b sin(angle)
/// b'    = a sin(angle) + b cos(angle)
/// ```
///
/// so that the product of a query at p and a key at p' depends on `p - p'` alone.
///
/// # Shapes
///
/// `x: [B, T, H * K]`, queries or keys of all heads; the result has the same shape.
///
/// # Behaviour
///
/// - Rows may start at positions of their own: `offsets` has one entry for each row, or one for all.
/// - Norms are kept. A key is turned once, by its own position, and may then be kept for later steps.
/// - Angles are computed in f64 on the host. Cost: `O(B T H K)` time and memory, besides `O(T K)` sines for each offset.
///
/// # Differences
///
/// - GPT-J pairs as the paper does; GPT-NeoX and Hugging Face's Llama pair halves (`rotate_half`). Weights of the one
///   kind serve the other with the columns of the query and key projections in another order.
/// - GPT-J and GPT-NeoX may turn only the first elements of a head; here all are turned.
/// - burn's `RotaryEncoding` interleaves, with one offset for all rows and a table of a fixed length.
///
/// # References
///
/// Su et al. `RoFormer`: Enhanced Transformer with Rotary Position Embedding. 2021. <https://arxiv.org/abs/2104.09864>,
/// section 3.2.2 and equation 34.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{Rotary, RotaryPairing};
///
/// let x = Tensor::<3>::from_floats([[[1.0, 2.0, 0.0, 0.0]]], &Device::flex());
/// let rotary = Rotary { pairing: RotaryPairing::Halves, ..Rotary::default() };
/// let y = rotary.rotate(x, 1, &[1]).into_data();
/// let angles = [1_f32, 0.01];
/// let expected = [angles[0].cos(), 2.0 * angles[1].cos(), angles[0].sin(), 2.0 * angles[1].sin()];
/// assert_eq!(y.as_slice::<f32>().unwrap(), expected);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rotary {
    /// Which elements are a pair.
    pub pairing: RotaryPairing,
    /// Base of the wavelengths, above 1. Default 10000, the paper's; longer contexts are trained with larger ones.
    pub base: f64,
}

impl Default for Rotary {
    fn default() -> Self {
        Self {
            pairing: RotaryPairing::default(),
            base: 10_000.0,
        }
    }
}

impl Rotary {
    /// `x: [B, T, H * K]`, the rows of which start at `offsets`, turned.
    ///
    /// # Panics
    ///
    /// If the width is not a multiple of `2 H` (K must be even), or `offsets` has neither one entry nor one for each row.
    pub fn rotate(&self, x: Tensor<3>, n_heads: usize, offsets: &[usize]) -> Tensor<3> {
        let [batch, length, width] = x.dims();
        assert!(
            n_heads > 0 && width.is_multiple_of(2 * n_heads),
            "rotary: expected a width that is a multiple of 2 x {n_heads} heads, got {width}"
        );
        assert!(
            offsets.len() == 1 || offsets.len() == batch,
            "rotary: expected one offset, or one for each of {batch} rows, got {}",
            offsets.len()
        );
        let pairs = width / n_heads / 2;
        let (shape, table_shape, pair_axis) = match self.pairing {
            RotaryPairing::Interleaved => ([pairs, 2], [pairs, 1], 4),
            RotaryPairing::Halves => ([2, pairs], [1, pairs], 3),
        };
        let wavelength = |i: usize| self.base.powf(i as f64 / pairs as f64);
        let wavelengths: Vec<f64> = (0..pairs).map(wavelength).collect();
        let mut angles = Vec::with_capacity(offsets.len() * length * pairs);
        for position in offsets.iter().flat_map(|&offset| offset..offset + length) {
            angles.extend(wavelengths.iter().map(|by| position as f64 / by));
        }
        let table = |wave: fn(f64) -> f64| {
            let values: Vec<f64> = angles.iter().copied().map(wave).collect();
            let [first, second] = table_shape;
            let values = TensorData::new(values, [offsets.len(), length, 1, first, second]);
            Tensor::<5>::from_floats(values, &x.device())
        };
        let (cosines, sines) = (table(f64::cos), table(f64::sin));
        let sines = Tensor::cat(vec![sines.clone().neg(), sines], pair_axis);

        let [first, second] = shape;
        let x = x.reshape([batch, length, n_heads, first, second]);
        let turned = x.clone() * cosines + x.flip([pair_axis]) * sines;
        turned.reshape([batch, length, width])
    }
}

/// [`Rotary::rotate`] as in the paper: neighbours are a pair, and the base is 10000.
///
/// # Panics
///
/// As [`Rotary::rotate`].
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// let x = Tensor::<3>::from_floats([[[1.0, 0.0], [1.0, 0.0]]], &Device::flex());
/// let y = regard_nn::rotary(x, 1, &[0]).into_data();
/// assert_eq!(y.as_slice::<f32>().unwrap(), [1.0, 0.0, 1_f32.cos(), 1_f32.sin()]);
/// ```
pub fn rotary(x: Tensor<3>, n_heads: usize, offsets: &[usize]) -> Tensor<3> {
    Rotary::default().rotate(x, n_heads, offsets)
}
