//! Optimisers over a module, their state keyed by parameter path.

mod gradients;
mod group;
mod rule;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Tensor};
use regard_decode::{NamedTensor, ParameterPath, TensorFile, write_tensors};
use regard_kernels::is_gpu;

pub(crate) use self::gradients::ParameterGradients;
pub use self::group::ParameterGroup;
pub use self::rule::{OptimizerKind, UpdateRule};
use self::rule::{Update, owner};
use crate::TrainError;
use crate::vectors::{numbers, vector};

/// How parameters are updated.
#[derive(Clone, Debug, PartialEq)]
pub struct OptimizerConfig {
    /// The rule.
    pub rule: UpdateRule,
    /// Decay of the weights, as a share of the rate; 0 is none.
    pub weight_decay: f64,
    /// Parameters that do not decay.
    pub decay_exclude: Vec<ParameterGroup>,
}

impl OptimizerConfig {
    /// The decay of a parameter.
    pub fn decay_of(&self, path: &str, rank: usize) -> f64 {
        // Most rules do not decay: they need not look at names.
        if self.weight_decay == 0.0 || self.decay_exclude.contains(&ParameterGroup::of(path, rank))
        {
            0.0
        } else {
            self.weight_decay
        }
    }
}

/// An optimiser and what it keeps of every parameter.
///
/// burn's own record is keyed by ids that a reload may change; parameter paths do not change.
#[derive(Debug)]
pub struct Optimizer {
    config: OptimizerConfig,
    kept: BTreeMap<String, Kept>,
}

/// What is kept of one parameter: one vector for each of the rule's slots, on the device of the parameter.
#[derive(Debug)]
struct Kept {
    shape: Vec<usize>,
    slots: Vec<Tensor<1>>,
}

impl Optimizer {
    /// One that has made no update.
    pub fn new(config: OptimizerConfig) -> Self {
        Self {
            config,
            kept: BTreeMap::new(),
        }
    }

    /// One update; `scale`, `[1]`, multiplies every gradient. `step` counts from 1.
    pub(crate) fn update<M: Module>(
        &mut self,
        model: M,
        gradients: ParameterGradients,
        step: u64,
        rate: f64,
        scale: Tensor<1>,
    ) -> M {
        // A GPU may still be computing it: it is multiplied there then.
        let (gradient_scale, scale) = if is_gpu(&scale.device()) {
            (1.0, Some(scale.cast(DType::F32)))
        } else {
            (scale.into_scalar(), None)
        };
        let mut updater = Updater {
            config: &self.config,
            update: Update {
                step,
                rate,
                gradient_scale,
            },
            scale,
            kept: &mut self.kept,
            gradients: gradients.into_iter(),
            path: ParameterPath::default(),
        };
        model.map(&mut updater)
    }

    /// Writes what is kept.
    ///
    /// # Errors
    ///
    /// See [`write_tensors`].
    pub fn save(&self, path: &Path) -> Result<(), TrainError> {
        let mut tensors = Vec::new();
        for (name, kept) in &self.kept {
            let slots = self.config.rule.slots(&kept.shape);
            for ((slot, shape), values) in slots.into_iter().zip(&kept.slots) {
                tensors.push(NamedTensor {
                    name: format!("{name}.{slot}"),
                    shape,
                    values: numbers(values),
                });
            }
        }
        Ok(write_tensors(path, &tensors)?)
    }

    /// Reads what is kept of a module's parameters.
    ///
    /// # Errors
    ///
    /// [`TrainError::OtherOptimizer`] if another rule wrote the file, and what [`TensorFile`] says if it is damaged or
    /// belongs to another model.
    pub fn load(
        config: OptimizerConfig,
        model: &impl Module,
        path: &Path,
    ) -> Result<Self, TrainError> {
        let mut reader = Reader {
            rule: config.rule,
            file: TensorFile::read(path)?,
            path: ParameterPath::default(),
            kept: BTreeMap::new(),
            expected: BTreeSet::new(),
            problems: Vec::new(),
        };
        let found: BTreeSet<String> = reader
            .file
            .names()
            .map(|name| name.rsplit('.').next().unwrap_or(name).into())
            .collect();
        model.visit(&mut reader);
        let kinds: Vec<&str> = found.iter().map(String::as_str).collect();
        let expected: Vec<&str> = reader.expected.iter().copied().collect();
        if let (Some(found), Some(expected)) = (owner(&kinds), owner(&expected))
            && found != expected
        {
            return Err(TrainError::OtherOptimizer {
                path: path.into(),
                found: found.into(),
                expected: expected.into(),
            });
        }
        reader.file.finish(reader.problems)?;
        Ok(Self {
            config,
            kept: reader.kept,
        })
    }
}

struct Updater<'a> {
    config: &'a OptimizerConfig,
    update: Update,
    /// What is left to multiply gradients by, `[1]`.
    scale: Option<Tensor<1>>,
    kept: &'a mut BTreeMap<String, Kept>,
    gradients: std::vec::IntoIter<Tensor<1>>,
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
        let gradient = match &self.scale {
            Some(scale) => gradient * scale.clone(),
            None => gradient,
        };
        let (name, rule) = (self.path.name(), self.config.rule);
        let weight_decay = self.config.decay_of(&name, D);
        let kept = self.kept.entry(name).or_insert_with(|| {
            let (shape, device) = (param.val().dims().to_vec(), gradient.device());
            let zeros = |(_, shape): (_, Vec<usize>)| {
                Tensor::zeros([shape.iter().product::<usize>()], &device)
            };
            let slots = rule.slots(&shape).into_iter().map(zeros).collect();
            Kept { shape, slots }
        });
        let update = self.update;
        param.map(|value| {
            let shape = value.dims();
            let parameter = value.inner().flatten(0, D - 1);
            let slots = std::mem::take(&mut kept.slots);
            let (parameter, slots) = rule.apply(parameter, gradient, slots, weight_decay, update);
            kept.slots = slots;
            Tensor::from_inner(parameter.reshape(shape)).require_grad()
        })
    }
}

struct Reader {
    rule: UpdateRule,
    file: TensorFile,
    path: ParameterPath,
    kept: BTreeMap<String, Kept>,
    /// Names of the slots of all parameters.
    expected: BTreeSet<&'static str>,
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
        let (name, value) = (self.path.name(), param.val());
        let (shape, device) = (value.dims().to_vec(), value.device().without_autodiff());
        let mut slots = Vec::new();
        for (slot, shape) in self.rule.slots(&shape) {
            self.expected.insert(slot);
            let name = format!("{name}.{slot}");
            let values = self.file.take(&name, &shape, &mut self.problems);
            slots.extend(values.map(|values| vector(values, &device)));
        }
        // A slot that is missing is a problem by now, and nothing will be made of the others.
        self.kept.insert(name, Kept { shape, slots });
    }
}
