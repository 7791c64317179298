//! Where parameters come from.

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use regard_kernels::Key;

/// A device and a key: each parameter's values are a function of the seed and of its path.
///
/// burn initialises parameters lazily from one generator per device, so values depend on the order of first use;
/// here the order does not matter.
#[derive(Clone, Debug)]
pub struct Init {
    key: Key,
    device: Device,
}

impl Init {
    /// Parameters on `device`, drawn from `seed`. Give an autodiff device to train.
    pub fn new(seed: u64, device: &Device) -> Self {
        Self {
            key: Key::new(seed).at("init"),
            device: device.clone(),
        }
    }

    /// The place of a named part.
    #[must_use]
    pub fn at(&self, name: &str) -> Self {
        Self {
            key: self.key.at(name),
            device: self.device.clone(),
        }
    }

    /// The place of a numbered part.
    #[must_use]
    pub fn nth(&self, index: usize) -> Self {
        Self {
            key: self.key.nth(index as u64),
            device: self.device.clone(),
        }
    }

    /// Xavier uniform: uniform in `[-a, a]` with `a = sqrt(6 / (fan_in + fan_out))`, for maps to `fan_out` that stand side
    /// by side in one matrix, each as if alone.
    ///
    /// Glorot, Bengio. Understanding the difficulty of training deep feedforward neural networks. 2010, eq. 16.
    pub(crate) fn xavier(&self, [fan_in, columns]: [usize; 2], fan_out: usize) -> Param<Tensor<2>> {
        self.xavier_packed(fan_in, &vec![fan_out; columns / fan_out])
    }

    /// [`xavier`](Self::xavier) for maps to several widths.
    pub(crate) fn xavier_packed(&self, fan_in: usize, widths: &[usize]) -> Param<Tensor<2>> {
        let bound = |fan_out: usize| (6.0 / (fan_in + fan_out) as f64).sqrt();
        let bounds: Vec<f64> = widths
            .iter()
            .flat_map(|&width| std::iter::repeat_n(bound(width), width))
            .collect();
        let columns = bounds.len().max(1);
        self.draw([fan_in, bounds.len()], |i| {
            let column = usize::try_from(i).expect("an index of an array") % columns;
            (2.0 * self.key.uniform(i) - 1.0) * bounds[column]
        })
    }

    /// Normal with mean 0.
    pub(crate) fn normal(&self, shape: [usize; 2], deviation: f64) -> Param<Tensor<2>> {
        self.draw(shape, |i| self.key.normal(i) * deviation)
    }

    /// All elements equal.
    pub(crate) fn constant(&self, size: usize, value: f64) -> Param<Tensor<1>> {
        self.draw([size], |_| value)
    }

    /// Elements by their place.
    pub(crate) fn values(&self, size: usize, value: impl Fn(usize) -> f64) -> Param<Tensor<1>> {
        self.draw([size], |i| {
            value(usize::try_from(i).expect("an index of an array"))
        })
    }

    fn draw<const D: usize>(
        &self,
        shape: [usize; D],
        value: impl Fn(u64) -> f64,
    ) -> Param<Tensor<D>> {
        let n = shape.iter().product::<usize>() as u64;
        let values: Vec<f64> = (0..n).map(value).collect();
        let values = TensorData::new(values, shape);
        Param::from_tensor(Tensor::from_floats(values, &self.device))
    }
}
