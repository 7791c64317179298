//! `regard attend`

use std::process::ExitCode;

use anyhow::{Result, bail};
use regard_eval::terminal::{AttentionMap, Style, attention_map};

use crate::cli::{Arguments, AttendOptions};
use crate::commands::{load, warn_of_truncation};
use crate::lines::open_or_stdin;
use crate::output::{colour, say, width};

pub(crate) fn run(options: &AttendOptions, arguments: &Arguments) -> Result<ExitCode> {
    let sentence = if let Some(sentence) = &options.sentence {
        sentence.clone()
    } else {
        let (mut lines, status) = open_or_stdin(None)?.chunk(1);
        status?;
        lines.pop().unwrap_or_default()
    };
    if sentence.trim().is_empty() {
        bail!("no sentence to translate; give one after the run directory, or on standard input");
    }
    let alignment = load(&options.run.run, options.run.checkpoint, arguments)?.align(&sentence)?;
    warn_of_truncation(usize::from(alignment.truncated), arguments);
    if alignment.weights.is_empty() && !alignment.target.is_empty() {
        say(&format!(
            "`{}` is a model without attention: one vector of fixed size is all it knows of the source, and there is nothing to draw",
            options.run.run.display()
        ))?;
        return Ok(ExitCode::SUCCESS);
    }
    let map = AttentionMap {
        title: "cross-attention of the last layer, mean over heads",
        source: &alignment.source,
        target: &alignment.target,
        weights: &alignment.weights,
    };
    let style = Style {
        width: width(),
        colour: colour(),
    };
    say(attention_map(&map, &style)?.trim_end())?;
    Ok(ExitCode::SUCCESS)
}
