//! `regard translate`

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::cli::{Arguments, TranslateOptions};
use crate::commands::{load_for, warn_of_truncation};
use crate::lines::open_or_stdin;

/// Lines translated together, at most: enough for full batches of similar length, little enough for constant memory.
const CHUNK: usize = 1_000;

pub(crate) fn run(options: &TranslateOptions, arguments: &Arguments) -> Result<ExitCode> {
    let mut input = open_or_stdin(options.input.as_deref())?;
    let translator = load_for(
        &options.run.run,
        options.run.checkpoint,
        &options.search,
        arguments,
    )?;
    let (name, mut output) = open_output(options)?;
    let failed = || format!("cannot write {name}");
    let mut truncated = 0;
    let ended = loop {
        let (lines, status) = input.chunk(CHUNK);
        if lines.is_empty() && status.is_ok() {
            break status;
        }
        for translation in translator.translate_batch(&lines)? {
            truncated += usize::from(translation.truncated);
            writeln!(output, "{}", translation.text).with_context(failed)?;
        }
        output.flush().with_context(failed)?;
        if status.is_err() {
            break status;
        }
    };
    warn_of_truncation(truncated, arguments);
    ended?;
    Ok(ExitCode::SUCCESS)
}

/// Where translations go, and its name in errors.
fn open_output(options: &TranslateOptions) -> Result<(String, BufWriter<Box<dyn Write>>)> {
    let Some(path) = &options.output else {
        let stdout: Box<dyn Write> = Box::new(io::stdout());
        return Ok(("standard output".into(), BufWriter::new(stdout)));
    };
    if options
        .input
        .as_deref()
        .is_some_and(|input| same_file(input, path))
    {
        bail!(
            "`{}` is both input and output; write to another file",
            path.display()
        );
    }
    let name = format!("`{}`", path.display());
    let file = File::create(path).with_context(|| format!("cannot write {name}"))?;
    Ok((name, BufWriter::new(Box::new(file))))
}

fn same_file(a: &Path, b: &Path) -> bool {
    match (fs::canonicalize(a), fs::canonicalize(b)) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}
