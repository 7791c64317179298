//! Parameters and gradients by name.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor, TensorData};

/// Values by parameter name.
pub(crate) type Named = BTreeMap<String, Vec<f32>>;

/// Every parameter's values.
pub(crate) fn parameters(module: &impl Module) -> Named {
    let mut collector = Collector::default();
    module.visit(&mut collector);
    collector.named
}

/// Every parameter's gradient, under its name behind `prefix`; zeros where the loss did not use it.
pub(crate) fn gradients(module: &impl Module, prefix: &str, gradients: Gradients) -> Named {
    let mut collector = Collector {
        path: Path::starting(prefix),
        gradients: Some(gradients),
        ..Collector::default()
    };
    module.visit(&mut collector);
    collector.named
}

/// The module with new parameters, made from each one's name (behind `prefix`) and values.
pub(crate) fn replace<M: Module>(
    module: M,
    prefix: &str,
    values: impl FnMut(&str, Vec<f32>) -> Vec<f32>,
) -> M {
    module.map(&mut Replacer {
        path: Path::starting(prefix),
        values,
    })
}

/// The values of a tensor.
pub(crate) fn vector<const D: usize>(x: Tensor<D>) -> Vec<f32> {
    x.into_data().iter::<f32>().collect()
}

/// The largest difference, relative to the largest of the expected values.
pub(crate) fn relative_difference(got: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(got.len(), expected.len(), "numbers of elements");
    let largest = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, f64::max);
    let pairs = got.iter().zip(expected);
    // A maximum would lose NaN.
    assert!(got.iter().all(|x| x.is_finite()), "every element is finite");
    let difference = largest(&mut pairs.map(|(&a, &b)| f64::from(a - b).abs()));
    let size = largest(&mut expected.iter().map(|&b| f64::from(b).abs()));
    if difference == 0.0 {
        0.0
    } else {
        difference / size
    }
}

/// Fails unless the two agree to `tolerance`, relative to the largest value.
pub(crate) fn assert_close(got: &[f32], expected: &[f32], tolerance: f64, what: &str) {
    let difference = relative_difference(got, expected);
    assert!(
        difference <= tolerance,
        "{what}: differs by {difference:e}, relative to the largest value; allowed are {tolerance:e}"
    );
}

/// [`assert_close`] for every name; the largest of all values is the measure, because some gradients are 0 in theory.
pub(crate) fn assert_all_close(got: &Named, expected: &Named, tolerance: f64, what: &str) {
    assert!(
        got.keys().eq(expected.keys()),
        "{what}: {:?} against {:?}",
        got.keys(),
        expected.keys()
    );
    let all = |named: &Named| -> Vec<f32> { named.values().flatten().copied().collect() };
    assert_close(&all(got), &all(expected), tolerance, what);
}

/// Where a visitor stands: names of fields and places in lists, joined by dots, as files have them: without the variants
/// of enums.
#[derive(Default)]
struct Path(Vec<Option<String>>);

impl Path {
    fn starting(prefix: &str) -> Self {
        let prefix = (!prefix.is_empty()).then(|| prefix.to_owned());
        Self(vec![prefix])
    }

    fn enter(&mut self, name: &str, container: &str) {
        let variant = container.starts_with("Enum:");
        self.0.push((!variant).then(|| name.into()));
    }

    fn exit(&mut self) {
        self.0.pop();
    }

    fn name(&self) -> String {
        let parts: Vec<&str> = self.0.iter().flatten().map(String::as_str).collect();
        parts.join(".")
    }
}

#[derive(Default)]
struct Collector {
    path: Path,
    gradients: Option<Gradients>,
    named: Named,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        let values = match &self.gradients {
            None => value,
            Some(gradients) => value
                .grad(gradients)
                .unwrap_or_else(|| value.inner().zeros_like()),
        };
        let before = self.named.insert(self.path.name(), vector(values));
        assert!(
            before.is_none(),
            "two parameters named {}",
            self.path.name()
        );
    }
}

struct Replacer<F> {
    path: Path,
    values: F,
}

impl<F: FnMut(&str, Vec<f32>) -> Vec<f32>> ModuleMapper for Replacer<F> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.path.name();
        param.map(|old| {
            let (shape, device, tracked) = (old.dims(), old.device(), old.is_require_grad());
            let values = (self.values)(&name, vector(old));
            Tensor::from_data(TensorData::new(values, shape), &device).set_require_grad(tracked)
        })
    }
}
