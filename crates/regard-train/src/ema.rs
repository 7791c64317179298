//! The moving average of a model's parameters.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Tensor, TensorData};
use regard_decode::{
    DecodeError, NamedTensor, ParameterPath, TensorFile, parameters, write_tensors,
};
use regard_kernels::moving_average;

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
    averages: BTreeMap<String, NamedTensor>,
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
        let tensors: Vec<NamedTensor> = self.averages.values().cloned().collect();
        write_tensors(path, &tensors)
    }

    /// Reads the averages of a module's parameters.
    ///
    /// # Errors
    ///
    /// If the file is missing, damaged or belongs to another model.
    pub fn load(decay: f64, model: &impl Module, path: &Path) -> Result<Self, DecodeError> {
        let mut file = TensorFile::read(path)?;
        let mut problems = Vec::new();
        let mut averages = BTreeMap::new();
        for parameter in parameters(model) {
            let values = file.take(&parameter.name, &parameter.shape, &mut problems);
            if let Some(values) = values {
                let average = NamedTensor {
                    values,
                    ..parameter
                };
                averages.insert(average.name.clone(), average);
            }
        }
        file.finish(problems)?;
        Ok(Self { decay, averages })
    }
}

struct Updater<'a> {
    decay: f64,
    averages: &'a mut BTreeMap<String, NamedTensor>,
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
            let (device, shape) = (value.device(), value.dims().to_vec());
            // Without another handle on it, the parameter's memory moves out and back in without a copy.
            let data = value.inner().into_data();
            let values = data.as_slice::<f32>().expect("parameters are f32");
            if let Some(average) = averages.get_mut(&name) {
                moving_average(&mut average.values, values, decay);
            } else {
                let first = NamedTensor {
                    name: name.clone(),
                    shape,
                    values: values.to_vec(),
                };
                averages.insert(name, first);
            }
            Tensor::from_data(data, &device).require_grad()
        })
    }
}

struct Applier<'a> {
    averages: &'a BTreeMap<String, NamedTensor>,
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
                param.map(|value| {
                    let data = TensorData::new(values, value.dims());
                    Tensor::from_data(data, &value.device())
                })
            }
            None => param,
        }
    }
}
