//! `regard import`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use burn::module::Module;
use regard_decode::{BundleConfig, DecodeError, RunDirectory, check_import, import_run, parse};
use regard_kernels::device;
use regard_text::{Tokenizer, TokenizerConfig, Tokenizers};
use regard_train::set_key;

use crate::cli::{Arguments, ImportOptions};
use crate::commands::default_run;
use crate::output::complain;

pub(crate) fn run(options: &ImportOptions, arguments: &Arguments) -> Result<ExitCode> {
    let device = device(&arguments.device)?;
    let run = options.run.clone();
    let run = RunDirectory::new(run.unwrap_or_else(|| default_run(&options.config)));
    check_import(&run)?;
    let mut table = parse(&options.config)?;
    for assignment in &options.set.set {
        set_key(&mut table, assignment)?;
    }
    let config = BundleConfig::from_table(&options.config, &table)?;
    let tokenizers = tokenizers(&options.tokenizer, &config.tokenizer)?;
    let bundle = import_run(config, tokenizers, &options.weights, &run, &device)?;
    if !arguments.quiet {
        let run = run.path().display();
        complain(&format!(
            "imported {} parameters into `{run}`; translate with `regard translate {run}`",
            bundle.model.num_params()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// Those of a run, of one file for both sides or one for each, or else those that the configuration names.
fn tokenizers(paths: &[PathBuf], config: &TokenizerConfig) -> Result<Tokenizers> {
    let load = |path: &Path| Tokenizer::load_as(path, config);
    match paths {
        [] => match Tokenizers::given(config)? {
            Some(given) => Ok(given),
            None => bail!(
                "no tokenizer; give --tokenizer with a `tokenizer.json` or a run that has the same, or name a file in `[tokenizer]`"
            ),
        },
        [run] if run.is_dir() => {
            Ok(
                Tokenizers::load(run, config).map_err(|source| DecodeError::Tokenizer {
                    path: run.clone(),
                    source,
                })?,
            )
        }
        [file] => Ok(Tokenizers::shared(load(file)?)),
        [source, target] => Ok(Tokenizers::separate(load(source)?, load(target)?)),
        _ => bail!(
            "expected one --tokenizer, or that of the source and that of the target, got {}",
            paths.len()
        ),
    }
}
