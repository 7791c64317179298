//! A run directory of weights that were trained elsewhere.

use std::fs;
use std::path::Path;

use burn::tensor::Device;
use regard_nn::Init;
use regard_text::Tokenizers;

use super::import_weights;
use crate::bundle::check_vocabularies;
use crate::{
    Bundle, BundleConfig, DecodeError, RunDirectory, parameters, write_atomically, write_tensors,
};

/// The step that imported weights go by: none was made here.
const STEP: u64 = 0;

/// Makes a run directory of weights that [`import_weights`] reads, a configuration and tokenizers: one that is used like a run
/// that was trained here, and can be trained on with `regard train --init`.
///
/// Nothing is written before all fits together, and `config.toml`, without which it is no run, is written last. What is imported
/// becomes the checkpoint at step 0, and `last`.
///
/// # Errors
///
/// Those of [`check_import`] and [`import_weights`]; [`DecodeError::TwoVocabularies`] if the model needs one for both sides and
/// there are two; [`DecodeError::Write`].
pub fn import_run(
    config: BundleConfig,
    tokenizers: Tokenizers,
    weights: &Path,
    run: &RunDirectory,
    device: &Device,
) -> Result<Bundle, DecodeError> {
    check_import(run)?;
    let path = run.path();
    check_vocabularies(path, &config.model, &tokenizers)?;
    // The seed does not matter: every value is replaced.
    let model = config.model.init(
        tokenizers.source().vocabulary_size(),
        tokenizers.target().vocabulary_size(),
        &Init::new(0, device),
    );
    let model = import_weights(model, weights)?;
    fs::create_dir_all(path).map_err(|source| DecodeError::Write {
        path: path.into(),
        source,
    })?;
    tokenizers
        .save(path)
        .map_err(|source| DecodeError::Tokenizer {
            path: path.into(),
            source,
        })?;
    run.write_checkpoint(STEP, |directory| {
        write_tensors(&directory.join("model.safetensors"), &parameters(&model))
    })?;
    run.point("last", STEP)?;
    write_atomically(&run.config(), config.to_toml().as_bytes())?;
    Ok(Bundle {
        config,
        tokenizers,
        model,
        step: Some(STEP),
    })
}

/// Whether there is room for a new run.
///
/// # Errors
///
/// [`DecodeError::RunExists`] if the directory holds a run, or checkpoints without one.
pub fn check_import(run: &RunDirectory) -> Result<(), DecodeError> {
    if run.config().exists() || !run.steps()?.is_empty() {
        return Err(DecodeError::RunExists {
            path: run.path().into(),
        });
    }
    Ok(())
}
