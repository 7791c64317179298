//! Weights that were trained elsewhere: safetensors of our own, and state dicts of PyTorch.

mod archive;
mod pickle;
mod reading;
mod run;
mod state;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Read, Seek};
use std::path::Path;

use burn::module::Module;

use crate::weights::{NamedTensor, TensorFile, parameters, put_parameters};
use crate::{DecodeError, load_parameters};
use pickle::Entry;
use reading::{Reading, Shapes, has_their_cell, readings};
pub use run::{check_import, import_run};
use state::StateDict;

/// Puts weights that were trained elsewhere into a model.
///
/// The file may be
///
/// - a safetensors file of ours, as [`load_parameters`] reads it, or
/// - what PyTorch's `torch.save(model.state_dict(), path)` writes, of a model built like ours from PyTorch's layers.
///
/// Which of them it is, its first bytes tell, not its name. `docs/weights.md` has the table of names: what a tensor of
/// PyTorch is called here, and whether it is transposed. Numbers may be `float32`, `float16` or `bfloat16`.
///
/// # Behaviour
///
/// - All or nothing: every parameter must be in the file with its shape, under one of its names, and nothing else.
/// - What is one matrix here and several tensors there must have the same numbers in all of them.
/// - Nothing in the file is run: a pickle that names anything but a tensor's parts is refused.
/// - Only one storage of the file is in memory at a time, beside the parameters.
///
/// Weights do not tell everything: heads, activation, positions, where the norm stands and its epsilon are for the
/// configuration to say, and a wrong one is a model that loads and computes something else.
///
/// # Errors
///
/// [`DecodeError::Checkpoint`] if the file is damaged, cut off, or neither of the two; [`DecodeError::Foreign`], or for a
/// safetensors file [`DecodeError::Mismatch`], with all names that do not fit.
///
/// # Example
///
/// ```no_run
/// use burn::tensor::Device;
/// use regard_decode::import_weights;
/// use regard_nn::{Init, TransformerConfig};
///
/// let config = TransformerConfig { d_model: 512, n_heads: 8, ..TransformerConfig::default() };
/// let model = config.init(8000, 8000, &Init::new(1, &Device::flex()));
/// let model = import_weights(model, "model.pt")?;
/// # Ok::<(), regard_decode::DecodeError>(())
/// ```
pub fn import_weights<M: Module>(model: M, path: impl AsRef<Path>) -> Result<M, DecodeError> {
    let path = path.as_ref();
    let failed = |source| DecodeError::Read {
        path: path.into(),
        source,
    };
    let damaged = |reason: String| DecodeError::Checkpoint {
        path: path.into(),
        reason,
    };
    let mut file = File::open(path).map_err(failed)?;
    let mut first = Vec::new();
    let read = Read::by_ref(&mut file).take(4).read_to_end(&mut first);
    read.map_err(failed)?;
    match first.as_slice() {
        b"PK\x03\x04" => import_checkpoint(model, path, file),
        // The number that files of PyTorch before 1.6 begin with, pickled.
        [0x80, 0x02, 0x8a, 0x0a] => Err(damaged(
            "it has the form that PyTorch wrote before version 1.6; load and save it once with a later one".into(),
        )),
        _ => load_parameters(model, path).map_err(|error| match error {
            DecodeError::Tensors { reason, .. } => damaged(format!(
                "it does not begin as `torch.save` begins a file, nor is it a safetensors file: {reason}"
            )),
            other => other,
        }),
    }
}

/// As [`import_weights`], of PyTorch's zip file.
fn import_checkpoint<M: Module>(
    model: M,
    path: &Path,
    file: impl Read + Seek,
) -> Result<M, DecodeError> {
    let mut state = StateDict::open(path, file)?;
    let shapes: Shapes = parameters(&model)
        .into_iter()
        .map(|tensor| (tensor.name, tensor.shape))
        .collect();
    let tensors = translated(&shapes, &mut state, path)?;
    put_parameters(model, TensorFile::new(path, tensors))
}

/// The parameters of a model with these shapes.
fn translated<R: Read + Seek>(
    shapes: &Shapes,
    state: &mut StateDict<R>,
    path: &Path,
) -> Result<Vec<NamedTensor>, DecodeError> {
    let readings = readings(shapes);
    let mut found = Found::default();
    for reading in &readings {
        found.read(reading, state)?;
    }
    found.name_missing(shapes, &readings, state);
    found.name_left_over(shapes, state);
    if !found.problems.is_empty() {
        return Err(DecodeError::Foreign {
            path: path.into(),
            problems: found.problems,
        });
    }
    let tensor = |(name, (_, values)): (&str, (String, Vec<f32>))| NamedTensor {
        name: name.into(),
        shape: shapes[name].clone(),
        values,
    };
    Ok(found.parameters.into_iter().map(tensor).collect())
}

/// What a checkpoint has for a model.
#[derive(Default)]
struct Found<'m> {
    /// Values of our parameters, and which of their tensors they come from.
    parameters: BTreeMap<&'m str, (String, Vec<f32>)>,
    /// Tensors that belong to the model, sound or not.
    theirs: BTreeSet<String>,
    /// Parameters that have a tensor, sound or not.
    ours: BTreeSet<&'m str>,
    problems: Vec<String>,
}

impl<'m> Found<'m> {
    /// Reads what the checkpoint has of it, if it has any.
    fn read<R: Read + Seek>(
        &mut self,
        reading: &Reading<'m>,
        state: &mut StateDict<R>,
    ) -> Result<(), DecodeError> {
        let is_there = |name: &&String| state.entries.contains_key(*name);
        if !reading.theirs.iter().any(|name| is_there(&name)) {
            return Ok(());
        }
        self.theirs.extend(reading.theirs.iter().cloned());
        self.ours.extend(reading.ours.iter().map(|ours| ours.0));
        let Some(shape) = reading.expected() else {
            return Ok(());
        };
        let mut values = Vec::new();
        for name in &reading.theirs {
            match state.find(name, Some(&shape)) {
                Ok(view) => {
                    let view = view.clone();
                    values.push(state.values(&view)?);
                }
                Err(problem) => self.problems.push(problem),
            }
        }
        if values.len() < reading.theirs.len() {
            return Ok(());
        }
        let is_finite = |values: &Vec<f32>| values.iter().all(|value| value.is_finite());
        let pairs = reading.theirs.iter().zip(&values);
        let broken = pairs.filter(|(_, values)| !is_finite(values));
        self.problems.extend(
            broken.map(|(name, _)| format!("`{name}`: expected finite numbers, got others")),
        );
        let from = &reading.theirs[0];
        for (&(ours, _), values) in reading.ours.iter().zip(reading.apart(&values)) {
            match self.parameters.get(ours) {
                Some((first, other)) if *other != values => self.problems.push(format!(
                    "`{from}`: expected the numbers of `{first}`, which is the same parameter here: see `model.tie`"
                )),
                Some(_) => {}
                None => {
                    self.parameters.insert(ours, (from.clone(), values));
                }
            }
        }
        Ok(())
    }

    /// Notes every parameter that the checkpoint has under none of its names.
    fn name_missing<R: Read + Seek>(
        &mut self,
        shapes: &'m Shapes,
        readings: &[Reading<'m>],
        state: &StateDict<R>,
    ) {
        let left = || {
            state
                .entries
                .keys()
                .filter(|name| !self.theirs.contains(*name))
        };
        let mut problems = Vec::new();
        for ours in shapes
            .keys()
            .filter(|name| !self.ours.contains(name.as_str()))
        {
            let is_one = |reading: &&Reading<'_>| reading.ours.iter().any(|other| other.0 == ours);
            let names: Vec<&str> = readings
                .iter()
                .filter(is_one)
                .flat_map(|reading| &reading.theirs)
                .map(String::as_str)
                .collect();
            let nearest = names
                .iter()
                .flat_map(|name| {
                    left().map(move |left| (strsim::damerau_levenshtein(name, left), left))
                })
                .min()
                .filter(|(distance, left)| *distance <= (left.len() / 3).max(2))
                .map_or_else(String::new, |(_, left)| format!("; is it `{left}`?"));
            let names = names.join("`, `");
            problems.push(format!(
                "`{ours}`: missing; expected it as `{names}`{nearest}"
            ));
        }
        self.problems.extend(problems);
    }

    /// Notes everything in the checkpoint that the model has no use for.
    fn name_left_over<R: Read + Seek>(&mut self, shapes: &Shapes, state: &StateDict<R>) {
        let recurrent =
            |name: &&String| name.ends_with(".candidate_bias") || name.ends_with(".input.bias");
        let has_other_cells = shapes
            .keys()
            .filter(recurrent)
            .any(|name| !has_their_cell(name, shapes));
        for (name, entry) in state
            .entries
            .iter()
            .filter(|(name, _)| !self.theirs.contains(*name))
        {
            let is_of_a_cell = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
                .iter()
                .any(|part| name.contains(part));
            let why = match entry {
                Entry::Other(got @ "a dictionary") => {
                    format!(", but {got}; save what it holds by itself")
                }
                Entry::Other(got) => format!(", but {got}"),
                Entry::Tensor(_) if has_other_cells && is_of_a_cell => {
                    "; PyTorch's GRU resets after the product, as `model.cell = \"gru\"` does"
                        .into()
                }
                Entry::Tensor(_) => String::new(),
            };
            self.problems
                .push(format!("`{name}`: not a parameter of this model{why}"));
        }
    }
}

#[cfg(test)]
mod tests;
