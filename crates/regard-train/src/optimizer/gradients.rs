use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor, TensorData};
use regard_kernels::sum_of_squares;

/// The gradient of every parameter, in order of declaration.
#[derive(Debug, Default)]
pub(crate) struct ParameterGradients(Vec<TensorData>);

impl ParameterGradients {
    /// Takes the gradients of a module's parameters.
    pub(crate) fn of(model: &impl Module, gradients: Gradients) -> Self {
        let mut taker = Taker {
            gradients,
            taken: Vec::new(),
        };
        model.visit(&mut taker);
        Self(taker.taken)
    }

    /// Adds another batch's.
    pub(crate) fn add(&mut self, other: Self) {
        if self.0.is_empty() {
            *self = other;
            return;
        }
        for (sum, addend) in self.0.iter_mut().zip(&other.0) {
            let addend = slice(addend);
            for (sum, addend) in slice_mut(sum).iter_mut().zip(addend) {
                *sum += addend;
            }
        }
    }

    /// The Euclidean norm of all gradients together.
    pub(crate) fn norm(&self) -> f64 {
        self.0
            .iter()
            .map(|gradient| sum_of_squares(slice(gradient)))
            .sum::<f64>()
            .sqrt()
    }

    /// One after the other, in order of declaration.
    pub(super) fn into_iter(self) -> std::vec::IntoIter<TensorData> {
        self.0.into_iter()
    }
}

pub(super) fn slice(data: &TensorData) -> &[f32] {
    data.as_slice().expect("parameters and gradients are f32")
}

pub(super) fn slice_mut(data: &mut TensorData) -> &mut [f32] {
    data.as_mut_slice()
        .expect("parameters and gradients are f32")
}

struct Taker {
    gradients: Gradients,
    taken: Vec<TensorData>,
}

impl ModuleVisitor for Taker {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        // A parameter that the loss did not use has a gradient of zero.
        let gradient = value
            .grad_remove(&mut self.gradients)
            .unwrap_or_else(|| value.inner().zeros_like());
        self.taken.push(gradient.into_data());
    }
}
