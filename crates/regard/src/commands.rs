//! One module for each command.

pub(crate) mod attend;
pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod data;
pub(crate) mod evaluate;
pub(crate) mod held_out;
pub(crate) mod inspect;
pub(crate) mod progress;
pub(crate) mod train;
pub(crate) mod translate;

use std::path::Path;

use anyhow::Result;
use regard_decode::{Bundle, Checkpoint, DecodeError, Translator};
use regard_train::RunConfig;

use crate::cli::{Arguments, SetOptions};
use crate::device;
use crate::output::{complain, count};

/// Reads a configuration with what the command line replaces in it.
pub(crate) fn load_config(
    path: &Path,
    set: &SetOptions,
    arguments: &Arguments,
) -> Result<RunConfig> {
    let mut overrides = set.set.clone();
    overrides.extend(arguments.seed.map(|seed| format!("train.seed={seed}")));
    Ok(RunConfig::load(path, &overrides)?)
}

/// Loads a run: the checkpoint asked for, or the best, or the last where none is best.
pub(crate) fn load(
    run: &Path,
    checkpoint: Option<Checkpoint>,
    arguments: &Arguments,
) -> Result<Translator> {
    let device = device::named(&arguments.device)?;
    let translator = match checkpoint {
        Some(checkpoint) => {
            Bundle::load(run, checkpoint, &device).map(|bundle| Translator::new(bundle, &device))
        }
        None => Translator::from_run(run, &device),
    };
    translator.map_err(|error: DecodeError| error.into())
}

/// Tells of source lines that were cut.
pub(crate) fn warn_of_truncation(truncated: usize, arguments: &Arguments) {
    if truncated > 0 && !arguments.quiet {
        let lines = count(truncated, "line");
        complain(&format!(
            "warning: cut to `decode.max_source_length` tokens or the model's positions: {lines}"
        ));
    }
}
