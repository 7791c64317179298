//! One module for each command.

pub(crate) mod attend;
pub(crate) mod average;
pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod data;
pub(crate) mod evaluate;
pub(crate) mod held_out;
pub(crate) mod inspect;
pub(crate) mod progress;
pub(crate) mod train;
pub(crate) mod translate;

use std::path::Path;

use anyhow::{Result, bail};
use regard_decode::{Bundle, Checkpoint, DecodeError, Translator};
use regard_text::TextError;
use regard_train::RunConfig;

use crate::cli::{Arguments, SearchOptions, SetOptions};
use crate::device;
use crate::lines::{read_both, read_tsv};
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

/// Loads a run: the checkpoint asked for, or the preferred one.
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

/// As [`load`], with what the command line says about search.
pub(crate) fn load_for(
    run: &Path,
    checkpoint: Option<Checkpoint>,
    search: &SearchOptions,
    arguments: &Arguments,
) -> Result<Translator> {
    let translator = load(run, checkpoint, arguments)?;
    Ok(translator.with_beam(search.beam, search.length_penalty)?)
}

/// Sources and references from one file or two, line by line; nothing is dropped or trimmed.
pub(crate) fn read_pairs(
    tsv: Option<&Path>,
    source: Option<&Path>,
    reference: Option<&Path>,
) -> Result<(Vec<String>, Vec<String>)> {
    match (tsv, source, reference) {
        (Some(tsv), _, _) => {
            let columns = read_tsv(tsv)?;
            if columns.0.is_empty() {
                bail!(TextError::Empty { path: tsv.into() });
            }
            Ok(columns)
        }
        (None, Some(source), Some(reference)) => read_both(source, reference),
        _ => bail!("nothing to evaluate on; give --source and --reference, or --tsv"),
    }
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
