//! Parameters and safetensors files, keyed by parameter path.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::section::suggestion;
use crate::{DecodeError, files, write_atomically};

/// Numbers with a name and a shape.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedTensor {
    /// Path of the parameter, parts joined by dots.
    pub name: String,
    /// Sizes of the axes.
    pub shape: Vec<usize>,
    /// Elements, the last axis fastest.
    pub values: Vec<f32>,
}

/// Where a visitor stands in a module: names of fields and places in lists, joined by dots.
///
/// Variants of enums are left out, so that a file does not depend on how a program chooses between models.
#[derive(Debug, Default)]
pub struct ParameterPath(Vec<Option<String>>);

impl ParameterPath {
    /// To be called by `enter_module`.
    pub fn enter(&mut self, name: &str, container_type: &str) {
        let variant = container_type.starts_with("Enum:");
        self.0.push((!variant).then(|| name.into()));
    }

    /// To be called by `exit_module`.
    pub fn exit(&mut self) {
        self.0.pop();
    }

    /// The name of the parameter at hand.
    pub fn name(&self) -> String {
        let parts: Vec<&str> = self.0.iter().flatten().map(String::as_str).collect();
        parts.join(".")
    }
}

/// Every parameter of a module, in order of declaration.
pub fn parameters(model: &impl Module) -> Vec<NamedTensor> {
    let mut collector = Collector::default();
    model.visit(&mut collector);
    collector.tensors
}

/// Writes tensors as a safetensors file, sorted by name, so that equal tensors are equal files.
///
/// # Errors
///
/// [`DecodeError::Write`]; what stood at `path` before is then still there.
pub fn write_tensors(path: &Path, tensors: &[NamedTensor]) -> Result<(), DecodeError> {
    let bytes: BTreeMap<&str, (&[usize], Vec<u8>)> = tensors
        .iter()
        .map(|tensor| {
            let bytes = tensor
                .values
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            (tensor.name.as_str(), (tensor.shape.as_slice(), bytes))
        })
        .collect();
    let foreign = |reason: safetensors::SafeTensorError| DecodeError::Tensors {
        path: path.into(),
        reason: reason.to_string(),
    };
    let views: Result<Vec<_>, _> = bytes
        .iter()
        .map(|(name, (shape, bytes))| {
            Ok((*name, TensorView::new(Dtype::F32, shape.to_vec(), bytes)?))
        })
        .collect();
    let file = safetensors::serialize(views.map_err(foreign)?, None).map_err(foreign)?;
    write_atomically(path, &file)
}

/// A safetensors file that has been read.
#[derive(Debug)]
pub struct TensorFile {
    path: PathBuf,
    tensors: BTreeMap<String, NamedTensor>,
}

impl TensorFile {
    /// Tensors that were read from `path`.
    pub(crate) fn new(path: &Path, tensors: Vec<NamedTensor>) -> Self {
        let named = |tensor: NamedTensor| (tensor.name.clone(), tensor);
        Self {
            path: path.into(),
            tensors: tensors.into_iter().map(named).collect(),
        }
    }

    /// Reads a file of f32 tensors.
    ///
    /// # Errors
    ///
    /// If the file is missing, damaged, or holds other types.
    pub fn read(path: &Path) -> Result<Self, DecodeError> {
        let foreign = |reason: String| DecodeError::Tensors {
            path: path.into(),
            reason,
        };
        let bytes = files::read(path)?;
        let file = SafeTensors::deserialize(&bytes).map_err(|error| foreign(error.to_string()))?;
        let mut tensors = BTreeMap::new();
        for (name, view) in file.iter() {
            if view.dtype() != Dtype::F32 {
                return Err(foreign(format!(
                    "`{name}` is {:?}, expected F32",
                    view.dtype()
                )));
            }
            let (quads, _) = view.data().as_chunks::<4>();
            let tensor = NamedTensor {
                name: name.into(),
                shape: view.shape().to_vec(),
                values: quads.iter().map(|&quad| f32::from_le_bytes(quad)).collect(),
            };
            tensors.insert(name.into(), tensor);
        }
        Ok(Self {
            path: path.into(),
            tensors,
        })
    }

    /// All tensors, by name.
    pub fn into_tensors(self) -> impl Iterator<Item = NamedTensor> {
        self.tensors.into_values()
    }

    /// Names of the tensors that are not taken yet, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// Takes the values of `name`, if there are any of that shape; notes what is wrong otherwise.
    pub fn take(
        &mut self,
        name: &str,
        shape: &[usize],
        problems: &mut Vec<String>,
    ) -> Option<Vec<f32>> {
        match self.tensors.remove(name) {
            Some(tensor) if tensor.shape == shape => Some(tensor.values),
            Some(tensor) => {
                problems.push(format!(
                    "`{name}`: expected shape {shape:?}, got {:?}",
                    tensor.shape
                ));
                None
            }
            None => {
                let names: Vec<&str> = self.tensors.keys().map(String::as_str).collect();
                let nearest = if names.is_empty() {
                    String::new()
                } else {
                    suggestion(name, &names)
                };
                let nearest = if nearest.contains("did you mean") {
                    nearest
                } else {
                    String::new()
                };
                problems.push(format!("`{name}`: missing{nearest}"));
                None
            }
        }
    }

    /// All well if nothing was noted and every tensor was taken.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Mismatch`] with everything that does not fit.
    pub fn finish(self, mut problems: Vec<String>) -> Result<(), DecodeError> {
        let left: BTreeSet<String> = self.tensors.into_keys().collect();
        problems.extend(
            left.into_iter()
                .map(|name| format!("`{name}`: not a parameter of this model")),
        );
        if problems.is_empty() {
            Ok(())
        } else {
            Err(DecodeError::Mismatch {
                path: self.path,
                problems,
            })
        }
    }
}

/// Puts the values of a file into a model; every parameter must be there with its shape, and nothing else.
///
/// # Errors
///
/// [`DecodeError::Mismatch`] with all names that do not fit, or what [`TensorFile::read`] says.
pub fn load_parameters<M: Module>(model: M, path: &Path) -> Result<M, DecodeError> {
    put_parameters(model, TensorFile::read(path)?)
}

/// As [`load_parameters`], of what was read.
pub(crate) fn put_parameters<M: Module>(model: M, file: TensorFile) -> Result<M, DecodeError> {
    let mut loader = Loader {
        file,
        path: ParameterPath::default(),
        problems: Vec::new(),
    };
    let model = model.map(&mut loader);
    loader.file.finish(loader.problems)?;
    Ok(model)
}

#[derive(Default)]
struct Collector {
    path: ParameterPath,
    tensors: Vec<NamedTensor>,
}

impl ModuleVisitor for Collector {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        self.tensors.push(NamedTensor {
            name: self.path.name(),
            shape: value.dims().to_vec(),
            values: value.into_data().iter::<f32>().collect(),
        });
    }
}

struct Loader {
    file: TensorFile,
    path: ParameterPath,
    problems: Vec<String>,
}

impl ModuleMapper for Loader {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = param.val().dims();
        let values = self
            .file
            .take(&self.path.name(), &shape, &mut self.problems);
        let Some(values) = values else {
            return param;
        };
        param.map(|old| {
            let tracked = old.is_require_grad();
            Tensor::from_data(TensorData::new(values, shape), &old.device())
                .set_require_grad(tracked)
        })
    }
}
