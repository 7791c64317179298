use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{DType, Gradients, Tensor, TensorData};
use regard_kernels::{is_gpu, sum_of_squares, sum_over_replicas};

use crate::vectors::slice;

/// The gradient of every parameter, in order of declaration, each as one vector on the device of its parameter.
#[derive(Debug, Default)]
pub(crate) struct ParameterGradients(Vec<Tensor<1>>);

impl ParameterGradients {
    /// Takes the gradients of a module's parameters.
    pub(crate) fn of(model: &impl Module, gradients: Gradients) -> Self {
        Self::taken(model, Some(gradients))
    }

    /// Those of a loss that uses no parameter.
    pub(crate) fn zeros(model: &impl Module) -> Self {
        Self::taken(model, None)
    }

    fn taken(model: &impl Module, gradients: Option<Gradients>) -> Self {
        let mut taker = Taker {
            gradients,
            taken: Vec::new(),
        };
        model.visit(&mut taker);
        Self(taker.taken)
    }

    /// Whether nothing was added yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds another batch's, of the same device.
    pub(crate) fn add(&mut self, other: Self) {
        if self.0.is_empty() {
            *self = other;
            return;
        }
        let sums = std::mem::take(&mut self.0).into_iter();
        self.0 = sums
            .zip(other.0)
            .map(|(sum, addend)| sum + addend)
            .collect();
    }

    /// The sum over replicas, on the device of the first.
    pub(crate) fn sum(replicas: Vec<Self>) -> Self {
        let parameters = replicas.first().map_or(0, |first| first.0.len());
        let mut replicas: Vec<_> = replicas.into_iter().map(Self::into_iter).collect();
        let mut next = || replicas.iter_mut().filter_map(Iterator::next).collect();
        Self((0..parameters).map(|_| sum_over_replicas(next())).collect())
    }

    /// The Euclidean norm of all gradients together, `[1]`: in f64 on the host, in f32 on a GPU, which is not waited for.
    ///
    /// # Panics
    ///
    /// If there are none.
    pub(crate) fn norm(&mut self) -> Tensor<1> {
        let device = self.0[0].device();
        if is_gpu(&device) {
            let squares = self
                .0
                .iter()
                .map(|gradient| gradient.clone().square().sum());
            let sum = squares.reduce(|sum, squares| sum + squares);
            return sum.expect("a gradient").sqrt();
        }
        let mut sum = 0.0;
        let gradients = std::mem::take(&mut self.0).into_iter();
        let measured = gradients.map(|gradient| {
            let data = gradient.into_data();
            sum += sum_of_squares(slice(&data));
            Tensor::from_data(data, &device)
        });
        self.0 = measured.collect();
        Tensor::from_data(TensorData::from([f64::sqrt(sum)]), (&device, DType::F64))
    }

    /// One after the other, in order of declaration.
    pub(super) fn into_iter(self) -> std::vec::IntoIter<Tensor<1>> {
        self.0.into_iter()
    }
}

struct Taker {
    gradients: Option<Gradients>,
    taken: Vec<Tensor<1>>,
}

impl ModuleVisitor for Taker {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        // A parameter that the loss did not use has a gradient of zero.
        let gradients = self.gradients.as_mut();
        let gradient = gradients
            .and_then(|gradients| value.grad_remove(gradients))
            .unwrap_or_else(|| value.inner().zeros_like());
        self.taken.push(gradient.flatten(0, D - 1));
    }
}
