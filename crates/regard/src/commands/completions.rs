//! `regard completions`

use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory;

use crate::cli::{Arguments, CompletionsOptions};
use crate::output::say;

pub(crate) fn run(options: &CompletionsOptions) -> Result<ExitCode> {
    // Into memory first: it would panic where nobody reads.
    let mut script = Vec::new();
    let mut command = Arguments::command();
    clap_complete::generate(options.shell, &mut command, "regard", &mut script);
    say(String::from_utf8_lossy(&script).trim_end())?;
    Ok(ExitCode::SUCCESS)
}
