//! Token embeddings and positions.

use burn::module::{Module, Param};
use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::{Init, Layout};

/// Token vectors scaled by `sqrt(D)`, plus sinusoids of the position.
///
/// ```text
/// y[b, t] = sqrt(D) weight[ids[b, t]] + sinusoid(offset + t)
/// ```
///
/// # Parameters
///
/// `weight: [V, D]`, normal with deviation `1 / sqrt(D)`, so that scaled vectors have unit variance and the same
/// matrix, used as an output map, gives logits of unit variance.
///
/// # References
///
/// Vaswani et al. 2017. <https://arxiv.org/abs/1706.03762>, sections 3.4 and 3.5.
#[derive(Module, Debug)]
pub struct Embedding {
    /// Token vectors, `[V, D]`.
    pub weight: Param<Tensor<2>>,
}

impl Embedding {
    /// Vectors of width `d_model` for `vocabulary` tokens.
    pub fn new(vocabulary: usize, d_model: usize, init: &Init) -> Self {
        Self {
            weight: init.normal([vocabulary, d_model], 1.0 / (d_model as f64).sqrt()),
        }
    }

    /// `ids: [B, T]`, the first of which stands at position `offset`, to `[N, D]`.
    pub fn forward(&self, ids: Tensor<2, Int>, offset: usize) -> (Tensor<2>, Layout) {
        let [batch, length] = ids.dims();
        let layout = Layout { batch, length };
        let weight = self.weight.val();
        let [_, d_model] = weight.dims();
        let positions = sinusoids(offset, length, d_model, &ids.device());
        let vectors = regard_kernels::embedding(weight, ids.reshape([batch * length]));
        let vectors = layout.unflatten(vectors * (d_model as f64).sqrt());
        (Layout::flatten(vectors + positions.unsqueeze()), layout)
    }
}

/// Sinusoids of positions `start .. start + length`, sines and cosines interleaved: `[length, D]`.
///
/// ```text
/// y[p, 2i]     = sin(p / 10000^(2i / D))
/// y[p, 2i + 1] = cos(p / 10000^(2i / D))
/// ```
///
/// # References
///
/// Vaswani et al. 2017. <https://arxiv.org/abs/1706.03762>, section 3.5.
pub fn sinusoids(start: usize, length: usize, d_model: usize, device: &Device) -> Tensor<2> {
    let mut values = Vec::with_capacity(length * d_model);
    for position in start..start + length {
        for i in 0..d_model {
            let exponent = (i / 2 * 2) as f64 / d_model as f64;
            let angle = position as f64 / 10_000_f64.powf(exponent);
            let value = if i % 2 == 0 { angle.sin() } else { angle.cos() };
            values.push(value);
        }
    }
    Tensor::from_floats(TensorData::new(values, [length, d_model]), device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sinusoids_of_hand_computed_values() {
        let device = Device::flex();
        let values = sinusoids(0, 2, 4, &device).into_data();
        let expected = [
            0.0,
            1.0,
            0.0,
            1.0,
            1_f32.sin(),
            1_f32.cos(),
            0.01_f32.sin(),
            0.01_f32.cos(),
        ];
        for (a, b) in values.as_slice::<f32>().unwrap().iter().zip(expected) {
            assert!((a - b).abs() < 1e-7);
        }
    }

    #[test]
    fn an_offset_continues_the_table() {
        let device = Device::flex();
        let whole = sinusoids(0, 7, 6, &device).slice(4..7).into_data();
        assert_eq!(whole, sinusoids(4, 3, 6, &device).into_data());
    }
}
