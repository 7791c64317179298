//! `regard average`

use std::process::ExitCode;

use anyhow::{Result, bail};
use regard_decode::{RunDirectory, average};
use regard_train::{best_steps, last_steps};

use crate::cli::{Arguments, AverageOptions};
use crate::output::complain;

pub(crate) fn run(options: &AverageOptions, arguments: &Arguments) -> Result<ExitCode> {
    let run = RunDirectory::open(&options.run)?;
    let steps = match options.best {
        Some(n) => best_steps(&run, n)?,
        None => last_steps(&run, options.last.unwrap_or(usize::MAX))?,
    };
    let asked = options.best.or(options.last).unwrap_or(1);
    if steps.len() < asked {
        bail!(
            "cannot average {asked} checkpoints of `{}`: there are {}; raise `train.keep`, or ask for fewer",
            run.path().display(),
            steps.len()
        );
    }
    average(&run, &steps)?;
    if !arguments.quiet {
        complain(&format!(
            "averaged the checkpoints at steps {steps:?} into `{}`; translate with `--checkpoint average`",
            run.average().display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}
