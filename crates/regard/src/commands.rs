//! One module for each command.

pub(crate) mod align;
pub(crate) mod attend;
pub(crate) mod average;
pub(crate) mod bench;
pub(crate) mod check;
pub(crate) mod compare;
pub(crate) mod completions;
pub(crate) mod data;
pub(crate) mod devices;
pub(crate) mod evaluate;
pub(crate) mod held_out;
pub(crate) mod import;
pub(crate) mod inspect;
pub(crate) mod pack;
pub(crate) mod plot;
pub(crate) mod progress;
pub(crate) mod score;
pub(crate) mod train;
pub(crate) mod translate;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use regard_decode::{
    Bundle, Checkpoint, DecodeConfig, Problems, Translator, check_sections, read_section,
};
use regard_eval::EvalError;
use regard_kernels::device;
use regard_text::TextError;
use regard_train::{RunConfig, set_key};
use toml::{Table, Value};

use crate::cli::{Arguments, SearchOptions, SetOptions};
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

/// The run of a configuration: `runs/` and its name.
pub(crate) fn default_run(config: &Path) -> PathBuf {
    PathBuf::from("runs").join(config.file_stem().unwrap_or_default())
}

/// Loads a run: the checkpoint asked for, or the preferred one.
pub(crate) fn load(
    run: &Path,
    checkpoint: Option<Checkpoint>,
    arguments: &Arguments,
) -> Result<Translator> {
    let device = device(&arguments.device)?;
    let bundle = Bundle::load(run, checkpoint, &device)?;
    Ok(Translator::new(bundle, &device)?)
}

/// The last part of each path, by which a run goes; no two may be the same.
pub(crate) fn run_names(runs: &[PathBuf]) -> Result<Vec<String>> {
    let mut names: Vec<String> = Vec::new();
    for path in runs {
        let name = match path.file_name() {
            Some(name) => name.to_owned(),
            // `.` and `..` have a name, too.
            None => fs::canonicalize(path)
                .with_context(|| format!("cannot read `{}`", path.display()))?
                .file_name()
                .unwrap_or(path.as_os_str())
                .to_owned(),
        };
        let name = name.to_string_lossy().into_owned();
        if names.contains(&name) {
            bail!(EvalError::SameName { name });
        }
        names.push(name);
    }
    Ok(names)
}

/// As [`load`], with what the command line says about search.
pub(crate) fn load_for(
    run: &Path,
    checkpoint: Option<Checkpoint>,
    search: &SearchOptions,
    arguments: &Arguments,
) -> Result<Translator> {
    let mut translator = load(run, checkpoint, arguments)?;
    let device = device(&arguments.device)?;
    for member in &search.ensemble {
        translator = translator.with_member(Bundle::load(member, None, &device)?)?;
    }
    let mut config = decode_config(translator.config(), &search.set)?;
    config.beam = search.beam.unwrap_or(config.beam);
    config.length_penalty = search.length_penalty.unwrap_or(config.length_penalty);
    config.seed = arguments.seed.unwrap_or(config.seed);
    Ok(translator.with_config(config)?)
}

/// A `[decode]` section with some values replaced.
fn decode_config(config: &DecodeConfig, assignments: &[String]) -> Result<DecodeConfig> {
    let mut table = Table::new();
    table.insert("decode".into(), Value::try_from(config)?);
    for assignment in assignments {
        set_key(&mut table, assignment)?;
    }
    let mut problems = Problems::default();
    check_sections(&table, &["decode"], &mut problems);
    let config = read_section(&table, "decode", &mut problems);
    Ok(problems.or(Path::new("--set"), config)?)
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
