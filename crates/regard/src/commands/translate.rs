//! `regard translate`

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::cli::{Arguments, TranslateOptions};
use crate::commands::load;
use crate::lines::open_or_stdin;
use crate::output::complain;

/// Lines translated together, at most: enough for full batches of similar length, little enough for constant memory.
const CHUNK: usize = 1_000;

pub(crate) fn run(options: &TranslateOptions, arguments: &Arguments) -> Result<ExitCode> {
    let mut input = open_or_stdin(options.input.as_deref())?;
    let translator = load(&options.run.run, options.run.checkpoint, arguments)?;
    let mut output: BufWriter<Box<dyn Write>> = BufWriter::new(match &options.output {
        Some(path) => Box::new(
            File::create(path).with_context(|| format!("cannot write `{}`", path.display()))?,
        ),
        None => Box::new(io::stdout()),
    });
    let mut truncated = 0;
    loop {
        let (lines, status) = input.chunk(CHUNK);
        if lines.is_empty() && status.is_ok() {
            break;
        }
        for translation in translator.translate_batch(&lines)? {
            truncated += usize::from(translation.truncated);
            writeln!(output, "{}", translation.text)?;
        }
        output.flush()?;
        status?;
    }
    if truncated > 0 && !arguments.quiet {
        complain(&format!(
            "warning: {truncated} lines were longer than `decode.max_source_length` tokens and were cut"
        ));
    }
    Ok(ExitCode::SUCCESS)
}
