//! One comparison with numbers that a script under `scripts/parity` wrote down, to 1e-5 of the largest value.

use burn::module::Module;
use burn::tensor::{Gradients, Tensor};
use regard_nn::{Batch, TargetRows, Tokens};
use safetensors::SafeTensors;

use crate::formula::{ids, numbers};
use crate::parts::{Named, assert_close, gradients, vector};

const TOLERANCE: f64 = 1e-5;

/// The batch of a whole model's case, ids by formula: with padding left out, and with padding computed. Each side has lengths
/// and a padded width.
pub(crate) fn batches(
    [source_vocabulary, target_vocabulary]: [u32; 2],
    [(source_lengths, s), (target_lengths, t)]: [(&[usize], usize); 2],
) -> [Batch; 2] {
    let device = crate::device().autodiff();
    let rows = source_lengths.len();
    let source = ids("source", source_vocabulary, rows * s);
    let target = TargetRows {
        input: &ids("target_in", target_vocabulary, rows * t),
        output: &ids("target_out", target_vocabulary, rows * t),
        lengths: target_lengths,
    };
    let skipped = Tokens::new(&source, source_lengths, &device);
    let skipped = Batch::new(skipped, target, &device);
    let computed = Batch {
        source: Tokens::padded(&source, source_lengths, &device),
        target_in: Tokens::padded(target.input, target.lengths, &device),
        ..skipped.clone()
    };
    [skipped, computed]
}

/// What one case gives: results, and gradients of parameters and inputs.
pub(crate) struct Case {
    /// The bytes of a safetensors file.
    fixture: &'static [u8],
    name: String,
    got: Named,
}

impl Case {
    pub(crate) fn new(fixture: &'static [u8], name: &str) -> Self {
        Self {
            fixture,
            name: name.into(),
            got: Named::new(),
        }
    }

    pub(crate) fn result<const R: usize>(mut self, name: &str, value: Tensor<R>) -> Self {
        self.got.insert(name.into(), vector(value));
        self
    }

    /// The result, and gradients of the sum of it times numbers by formula.
    pub(crate) fn output<const R: usize>(self, value: Tensor<R>) -> Differentiated {
        let weights = numbers("loss", value.dims(), &value.device());
        let loss = (value.clone() * weights).sum();
        self.result("output", value).loss(&loss)
    }

    pub(crate) fn loss(self, loss: &Tensor<1>) -> Differentiated {
        Differentiated {
            case: self,
            gradients: loss.backward(),
        }
    }

    /// All that PyTorch wrote down for this case, and nothing else, must agree.
    pub(crate) fn check(self) {
        let expected = self.expected();
        let names = |named: &Named| named.keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&self.got), names(&expected), "{}", self.name);
        for (name, values) in &self.got {
            let what = format!("{}/{name}", self.name);
            assert_close(values, &expected[name], TOLERANCE, &what);
        }
    }

    fn expected(&self) -> Named {
        let file = SafeTensors::deserialize(self.fixture).expect("a safetensors file");
        let prefix = format!("{}/", self.name);
        let tensors = file.iter().filter_map(|(name, view)| {
            let (quads, _) = view.data().as_chunks::<4>();
            let values = quads.iter().map(|&quad| f32::from_le_bytes(quad));
            Some((name.strip_prefix(&prefix)?.to_owned(), values.collect()))
        });
        tensors.collect()
    }
}

/// A case whose backward pass has run.
pub(crate) struct Differentiated {
    case: Case,
    gradients: Gradients,
}

impl Differentiated {
    /// The gradient of an input is part of the case.
    pub(crate) fn input<const R: usize>(mut self, name: &str, input: &Tensor<R>) -> Self {
        let gradient = input.grad(&self.gradients).expect("a gradient");
        let name = format!("gradient/{name}");
        self.case.got.insert(name, vector(gradient));
        self
    }

    /// For a function, which has no parameters.
    pub(crate) fn check_inputs(self) {
        self.case.check();
    }

    pub(crate) fn check(mut self, module: &impl Module, prefix: &str) {
        for (name, gradient) in gradients(module, prefix, self.gradients) {
            self.case.got.insert(format!("gradient/{name}"), gradient);
        }
        self.case.check();
    }
}
