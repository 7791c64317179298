//! `regard attend`

use std::process::ExitCode;

use anyhow::{Result, bail};
use regard_decode::Alignment;
use regard_eval::terminal::{AttentionMap, Style, attention_map};

use crate::cli::{Arguments, AttendOptions};
use crate::commands::translate::{Chunk, Form, Wishes};
use crate::commands::{load_for, warn_of_truncation};
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
    let AttendOptions { run, search, .. } = options;
    let translator = load_for(&run.run, run.checkpoint, search, arguments)?;
    if options.json {
        let form = Form::Json {
            n: 1,
            attention: true,
        };
        let lines = vec![sentence];
        let rendered = form.render(&translator, &Wishes::default(), &Chunk { first: 0, lines })?;
        warn_of_truncation(rendered.truncated, arguments);
        say(rendered.text.trim_end())?;
        return Ok(ExitCode::SUCCESS);
    }
    let alignment = translator.align(&sentence)?;
    warn_of_truncation(usize::from(alignment.truncated), arguments);
    let style = Style {
        width: width(),
        colour: colour(),
    };
    say(drawing(&alignment, &style)?.trim_end())?;
    Ok(ExitCode::SUCCESS)
}

/// The map, or a sentence where the model has none.
fn drawing(alignment: &Alignment, style: &Style) -> Result<String> {
    let Some(weights) = &alignment.weights else {
        return Ok("this model has no attention to draw: all it hands from the source to the translation are vectors whose number and size do not grow with the sentence".into());
    };
    let map = AttentionMap {
        title: "cross-attention of the last layer, mean over heads",
        source: &alignment.source,
        target: &alignment.target,
        weights,
    };
    Ok(attention_map(&map, style)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_without_attention_says_so() {
        let alignment = |weights: Option<Vec<f32>>| Alignment {
            source: vec!["a".into(), "</s>".into()],
            target: vec!["b".into()],
            weights,
            truncated: false,
        };
        let drawn = |weights| drawing(&alignment(weights), &Style::default()).unwrap();
        assert!(drawn(None).starts_with("this model has no attention to draw"));
        assert!(drawn(Some(vec![0.5, 0.5])).starts_with("cross-attention"));
    }
}
