//! Sines and cosines of the position.

use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// Which column holds which wave.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SinusoidLayout {
    /// Sine and cosine of a frequency side by side, as in the paper. An odd D ends with a sine.
    #[default]
    Interleaved,
    /// All sines, then all cosines. An odd D ends with a column of zeros.
    Halves,
}

/// How wavelengths grow from `2 pi` positions on, over n frequencies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Wavelengths {
    /// By `10000^(k / (D / 2))`, as in the paper: the last stays below `2 pi 10000`.
    #[default]
    Paper,
    /// By `10000^(k / (n - 1))`: the last is `2 pi 10000`.
    Inclusive,
}

/// Sinusoids as other libraries define them; the default is the paper's.
///
/// For frequency k of n, `n = D / 2` (rounded up if interleaved, down if in halves), and position `p = start + offset + t`:
///
/// ```text
/// angle[t, k] = p / 10000^(k / (D / 2))             wavelengths of the paper
/// angle[t, k] = p / 10000^(k / (n - 1))             inclusive
///
/// y[t, 2k] = sin(angle[t, k])    y[t, 2k + 1] = cos(angle[t, k])       interleaved
/// y[t,  k] = sin(angle[t, k])    y[t, n +  k] = cos(angle[t, k])       halves
/// ```
///
/// # Behaviour
///
/// - Angles are computed in f64, so that far positions are as exact as near ones.
/// - No parameters and no largest position. Cost: `O(T D)`, on the host.
///
/// # Differences
///
/// | library | layout | wavelengths | start |
/// |---------|--------|-------------|-------|
/// | the paper; the Annotated Transformer | interleaved | paper | 0 |
/// | tensor2tensor, Marian | halves | inclusive | 0 |
/// | fairseq, Hugging Face's M2M100 | halves | inclusive | 2 |
/// | Hugging Face's Marian | halves | paper | 0 |
///
/// An odd D is padded with zeros in tensor2tensor and fairseq, as here; Hugging Face's Marian has one more sine instead.
///
/// # References
///
/// Vaswani et al. Attention Is All You Need. 2017. <https://arxiv.org/abs/1706.03762>, section 3.5.
///
/// # Example
///
/// ```
/// use burn::tensor::Device;
/// use regard_nn::{SinusoidLayout, Sinusoids, Wavelengths};
///
/// let marian = Sinusoids {
///     layout: SinusoidLayout::Halves,
///     wavelengths: Wavelengths::Inclusive,
///     start: 0,
/// };
/// let second = marian.table(1, 1, 4, &Device::flex()).into_data();
/// let angles = [1_f32, 1e-4];
/// let expected = [angles[0].sin(), angles[1].sin(), angles[0].cos(), angles[1].cos()];
/// assert_eq!(second.as_slice::<f32>().unwrap(), expected);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sinusoids {
    /// Which column holds which wave.
    pub layout: SinusoidLayout,
    /// How wavelengths grow.
    pub wavelengths: Wavelengths,
    /// The position of the first token of a sequence. Default 0; fairseq starts behind the id of its padding.
    pub start: usize,
}

impl Sinusoids {
    /// Sinusoids of the `length` tokens behind the first `offset` ones: `[length, D]`.
    pub fn table(
        &self,
        offset: usize,
        length: usize,
        d_model: usize,
        device: &Device,
    ) -> Tensor<2> {
        let values: Vec<f64> = self.values(offset, length, d_model).collect();
        Tensor::from_floats(TensorData::new(values, [length, d_model]), device)
    }

    /// The values of that table, row by row.
    pub(crate) fn values(
        self,
        offset: usize,
        length: usize,
        d_model: usize,
    ) -> impl Iterator<Item = f64> {
        let first = self.start + offset;
        (first..first + length).flat_map(move |position| {
            (0..d_model).map(move |column| self.value(position, column, d_model))
        })
    }

    fn value(self, position: usize, column: usize, d_model: usize) -> f64 {
        let count = match self.layout {
            SinusoidLayout::Interleaved => d_model.div_ceil(2),
            SinusoidLayout::Halves => d_model / 2,
        };
        if column >= 2 * count {
            return 0.0;
        }
        let (wave, k) = match self.layout {
            SinusoidLayout::Interleaved => (column % 2, column / 2),
            SinusoidLayout::Halves => (column / count, column % count),
        };
        let exponent = match self.wavelengths {
            Wavelengths::Paper => (2 * k) as f64 / d_model as f64,
            Wavelengths::Inclusive => k as f64 / (count - 1).max(1) as f64,
        };
        let angle = position as f64 / 10_000_f64.powf(exponent);
        if wave == 0 { angle.sin() } else { angle.cos() }
    }
}

/// Sinusoids of positions `start .. start + length`, sines and cosines interleaved: `[length, D]`.
///
/// ```text
/// y[p, 2i]     = sin(p / 10000^(2i / D))
/// y[p, 2i + 1] = cos(p / 10000^(2i / D))
/// ```
///
/// [`Sinusoids`] has the forms of other libraries, and what sets them apart.
///
/// # References
///
/// Vaswani et al. 2017. <https://arxiv.org/abs/1706.03762>, section 3.5.
///
/// # Example
///
/// ```
/// use burn::tensor::Device;
/// let y = regard_nn::sinusoids(1, 1, 4, &Device::flex()).into_data();
/// let expected = [1_f32.sin(), 1_f32.cos(), 0.01_f32.sin(), 0.01_f32.cos()];
/// assert_eq!(y.as_slice::<f32>().unwrap(), expected);
/// ```
pub fn sinusoids(start: usize, length: usize, d_model: usize, device: &Device) -> Tensor<2> {
    Sinusoids::default().table(start, length, d_model, device)
}
