//! The moving average of a model's parameters.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;
use regard_decode::{DecodeError, NamedTensor, ParameterPath, TensorFile, write_tensors};
use regard_kernels::{is_gpu, moving_average};

use crate::vectors::{numbers, slice, slice_mut, vector};

/// An exponential moving average of every parameter, keyed by parameter path.
///
/// ```text
/// average = d average + (1 - d) parameter     after each update, with d = min(decay, (1 + step) / (10 + step))
/// ```
///
/// The first updates count for more, so that the beginning, which no average should remember, is soon forgotten.
///
/// # References
///
/// Polyak, Juditsky. Acceleration of Stochastic Approximation by Averaging. 1992. The warm-up is that of TensorFlow's
/// `ExponentialMovingAverage`.
#[derive(Debug)]
pub struct MovingAverage {
    decay: f64,
    averages: BTreeMap<String, Average>,
}

/// Of one parameter, as a vector on its device.
#[derive(Debug)]
struct Average {
    shape: Vec<usize>,
    values: Tensor<1>,
}

impl MovingAverage {
    /// Of nothing yet; the first update makes the parameters its average.
    pub fn new(decay: f64) -> Self {
        Self {
            decay,
            averages: BTreeMap::new(),
        }
    }

    /// Takes the parameters in after update `step`, counted from 1; gives the model back as it was.
    pub fn update<M: Module>(&mut self, model: M, step: u64) -> M {
        let step = step as f64;
        model.map(&mut Updater {
            decay: self.decay.min((1.0 + step) / (10.0 + step)),
            averages: &mut self.averages,
            path: ParameterPath::default(),
        })
    }

    /// A model with the averages for parameters. Those that have none yet stay.
    pub fn apply<M: Module>(&self, model: M) -> M {
        model.map(&mut Applier {
            averages: &self.averages,
            path: ParameterPath::default(),
        })
    }

    /// Writes the averages.
    ///
    /// # Errors
    ///
    /// See [`write_tensors`].
    pub fn save(&self, path: &Path) -> Result<(), DecodeError> {
        let named = |(name, average): (&String, &Average)| NamedTensor {
            name: name.clone(),
            shape: average.shape.clone(),
            values: numbers(&average.values),
        };
        let tensors: Vec<NamedTensor> = self.averages.iter().map(named).collect();
        write_tensors(path, &tensors)
    }

    /// Reads the averages of a module's parameters.
    ///
    /// # Errors
    ///
    /// If the file is missing, damaged or belongs to another model.
    pub fn load(decay: f64, model: &impl Module, path: &Path) -> Result<Self, DecodeError> {
        let mut reader = Reader {
            file: TensorFile::read(path)?,
            averages: BTreeMap::new(),
            problems: Vec::new(),
            path: ParameterPath::default(),
        };
        model.visit(&mut reader);
        reader.file.finish(reader.problems)?;
        Ok(Self {
            decay,
            averages: reader.averages,
        })
    }
}

struct Reader {
    file: TensorFile,
    averages: BTreeMap<String, Average>,
    problems: Vec<String>,
    path: ParameterPath,
}

impl ModuleVisitor for Reader {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let (name, value) = (self.path.name(), param.val());
        let (shape, device) = (value.dims().to_vec(), value.device().without_autodiff());
        // What is missing is a problem by now, and nothing will be made of the others.
        if let Some(values) = self.file.take(&name, &shape, &mut self.problems) {
            let values = vector(values, &device);
            self.averages.insert(name, Average { shape, values });
        }
    }
}

struct Updater<'a> {
    decay: f64,
    averages: &'a mut BTreeMap<String, Average>,
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
        let name = self.path.name();
        let (decay, averages) = (self.decay, &mut *self.averages);
        param.map(|value| {
            let shape = value.dims();
            let values = value.inner().flatten(0, D - 1);
            let (average, values) = match averages.remove(&name) {
                Some(average) => towards(average.values, values, decay),
                None => (values.clone(), values),
            };
            let average = Average {
                shape: shape.to_vec(),
                values: average,
            };
            averages.insert(name, average);
            Tensor::from_inner(values.reshape(shape)).require_grad()
        })
    }
}

/// `average` moved towards `values`, and `values`.
fn towards(average: Tensor<1>, values: Tensor<1>, decay: f64) -> (Tensor<1>, Tensor<1>) {
    let device = values.device();
    if is_gpu(&device) {
        let moved = average * decay + values.clone() * (1.0 - decay);
        return (moved, values);
    }
    // Without another handle on it, memory moves out and back in without a copy.
    let (mut average, values) = (average.into_data(), values.into_data());
    moving_average(slice_mut(&mut average), slice(&values), decay);
    let back = |data| Tensor::from_data(data, &device);
    (back(average), back(values))
}

struct Applier<'a> {
    averages: &'a BTreeMap<String, Average>,
    path: ParameterPath,
}

impl ModuleMapper for Applier<'_> {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.averages.get(&self.path.name()) {
            Some(average) => {
                let values = average.values.clone();
                param.map(|value| Tensor::from_inner(values.reshape(value.dims())))
            }
            None => param,
        }
    }
}
