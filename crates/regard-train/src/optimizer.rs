//! Adam over a module, its state keyed by parameter path.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Gradients, Tensor, TensorData};
use regard_decode::{DecodeError, NamedTensor, ParameterPath, TensorFile, write_tensors};
use regard_kernels::{AdamStep, adam, sum_of_squares};

/// Constants of Adam.
#[derive(Clone, Copy, Debug)]
pub struct AdamConfig {
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root of the second moment.
    pub epsilon: f64,
}

/// Adam's moments of every parameter.
///
/// burn's own record is keyed by ids that a reload may change; parameter paths do not change.
#[derive(Debug)]
pub struct Adam {
    config: AdamConfig,
    moments: BTreeMap<String, Moments>,
}

#[derive(Debug)]
struct Moments {
    shape: Vec<usize>,
    first: Vec<f32>,
    second: Vec<f32>,
}

/// The gradient of every parameter, in order of declaration.
#[derive(Debug, Default)]
pub struct ParameterGradients(Vec<TensorData>);

const FIRST: &str = "first_moment";
const SECOND: &str = "second_moment";

impl ParameterGradients {
    /// Takes the gradients of a module's parameters.
    pub fn of(model: &impl Module, gradients: Gradients) -> Self {
        let mut taker = Taker {
            gradients,
            taken: Vec::new(),
        };
        model.visit(&mut taker);
        Self(taker.taken)
    }

    /// Adds another batch's.
    pub fn add(&mut self, other: Self) {
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
    pub fn norm(&self) -> f64 {
        self.0
            .iter()
            .map(|gradient| sum_of_squares(slice(gradient)))
            .sum::<f64>()
            .sqrt()
    }
}

impl Adam {
    /// Moments of zero.
    pub fn new(config: AdamConfig) -> Self {
        Self {
            config,
            moments: BTreeMap::new(),
        }
    }

    /// One update; `scale` multiplies every gradient. `step` counts from 1.
    pub fn update<M: Module>(
        &mut self,
        model: M,
        gradients: ParameterGradients,
        step: u64,
        rate: f64,
        scale: f64,
    ) -> M {
        let mut updater = Updater {
            constants: AdamStep {
                step,
                rate,
                beta1: self.config.beta1,
                beta2: self.config.beta2,
                epsilon: self.config.epsilon,
                weight_decay: 0.0,
                gradient_scale: scale,
            },
            moments: &mut self.moments,
            gradients: gradients.0.into_iter(),
            path: ParameterPath::default(),
        };
        model.map(&mut updater)
    }

    /// Writes the moments.
    ///
    /// # Errors
    ///
    /// See [`write_tensors`].
    pub fn save(&self, path: &Path) -> Result<(), DecodeError> {
        let mut tensors = Vec::new();
        for (name, moments) in &self.moments {
            for (kind, values) in [(FIRST, &moments.first), (SECOND, &moments.second)] {
                tensors.push(NamedTensor {
                    name: format!("{name}.{kind}"),
                    shape: moments.shape.clone(),
                    values: values.clone(),
                });
            }
        }
        write_tensors(path, &tensors)
    }

    /// Reads the moments of a module's parameters.
    ///
    /// # Errors
    ///
    /// If the file is damaged or belongs to another model.
    pub fn load(config: AdamConfig, model: &impl Module, path: &Path) -> Result<Self, DecodeError> {
        let mut reader = Reader {
            file: TensorFile::read(path)?,
            path: ParameterPath::default(),
            moments: BTreeMap::new(),
            problems: Vec::new(),
        };
        model.visit(&mut reader);
        reader.file.finish(reader.problems)?;
        Ok(Self {
            config,
            moments: reader.moments,
        })
    }
}

fn slice(data: &TensorData) -> &[f32] {
    data.as_slice().expect("parameters and gradients are f32")
}

fn slice_mut(data: &mut TensorData) -> &mut [f32] {
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

struct Updater<'a> {
    constants: AdamStep,
    moments: &'a mut BTreeMap<String, Moments>,
    gradients: std::vec::IntoIter<TensorData>,
    path: ParameterPath,
}

impl ModuleMapper for Updater<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let gradient = self
            .gradients
            .next()
            .expect("a gradient for every parameter");
        let gradient = slice(&gradient);
        let moments = self
            .moments
            .entry(self.path.name())
            .or_insert_with(|| Moments {
                shape: param.val().dims().to_vec(),
                first: vec![0.0; gradient.len()],
                second: vec![0.0; gradient.len()],
            });
        let constants = &self.constants;
        param.map(|value| {
            let device = value.device();
            // Without another handle on it, the parameter's memory moves out and back in without a copy.
            let mut data = value.inner().into_data();
            adam(
                slice_mut(&mut data),
                gradient,
                &mut moments.first,
                &mut moments.second,
                constants,
            );
            Tensor::from_data(data, &device).require_grad()
        })
    }
}

struct Reader {
    file: TensorFile,
    path: ParameterPath,
    moments: BTreeMap<String, Moments>,
    problems: Vec<String>,
}

impl ModuleVisitor for Reader {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let (name, shape) = (self.path.name(), param.val().dims());
        let mut take = |kind| {
            self.file
                .take(&format!("{name}.{kind}"), &shape, &mut self.problems)
        };
        if let (Some(first), Some(second)) = (take(FIRST), take(SECOND)) {
            let shape = shape.to_vec();
            self.moments.insert(
                name,
                Moments {
                    shape,
                    first,
                    second,
                },
            );
        }
    }
}
