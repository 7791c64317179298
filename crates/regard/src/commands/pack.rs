//! `regard pack`

use std::process::ExitCode;

use anyhow::Result;
use regard_decode::{Pack, RunDirectory, check_writable};
use regard_kernels::device;

use crate::cli::{Arguments, PackOptions};
use crate::output::complain;

pub(crate) fn run(options: &PackOptions, arguments: &Arguments) -> Result<ExitCode> {
    let device = device(&arguments.device)?;
    let run = RunDirectory::open(&options.run)?;
    check_writable(&options.output)?;
    Pack::write(&run, options.checkpoint, &options.output, &device)?;
    if !arguments.quiet {
        let output = options.output.display();
        complain(&format!(
            "packed `{}` into `{output}`; translate with `regard translate {output}`",
            run.path().display()
        ));
    }
    Ok(ExitCode::SUCCESS)
}
