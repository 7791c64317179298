//! `regard evaluate`

use std::process::ExitCode;

use anyhow::{Context, Result};
use regard_eval::bleu::Bleu;
use regard_eval::chrf::Chrf;
use regard_eval::exact::exact_match;
use serde::Serialize;

use crate::cli::{Arguments, EvaluateOptions};
use crate::commands::{load_for, read_pairs, warn_of_truncation};
use crate::failure::CHECK_FAILED;
use crate::lines::read_both;
use crate::output::{complain, say};

#[derive(Serialize)]
struct Evaluation {
    bleu: Score,
    chrf: Score,
    exact_match: f64,
    sentences: usize,
}

#[derive(Serialize)]
struct Score {
    score: f64,
    signature: String,
}

pub(crate) fn run(options: &EvaluateOptions, arguments: &Arguments) -> Result<ExitCode> {
    let (hypotheses, references) = texts(options, arguments)?;
    let bleu = Bleu::default()
        .with_lowercase(options.lowercase)
        .corpus(&hypotheses, &references)?;
    let chrf = Chrf::default()
        .with_lowercase(options.lowercase)
        .corpus(&hypotheses, &references)?;
    let evaluation = Evaluation {
        exact_match: if options.lowercase {
            exact_match(&lowercased(&hypotheses), &lowercased(&references))?
        } else {
            exact_match(&hypotheses, &references)?
        },
        sentences: references.len(),
        bleu: Score {
            score: bleu.score,
            signature: bleu.signature,
        },
        chrf: Score {
            score: chrf.score,
            signature: chrf.signature,
        },
    };
    let printed = print(&evaluation, options.json);
    // A check that failed has failed, whether or not anybody read the figures.
    if let Some(least) = options.min_bleu.filter(|&least| bleu.score < least) {
        complain(&format!(
            "BLEU {:.2} is below the {least} asked for",
            bleu.score
        ));
        return Ok(ExitCode::from(CHECK_FAILED));
    }
    printed?;
    Ok(ExitCode::SUCCESS)
}

fn lowercased(lines: &[String]) -> Vec<String> {
    lines.iter().map(|line| line.to_lowercase()).collect()
}

fn print(evaluation: &Evaluation, json: bool) -> Result<()> {
    if json {
        say(&serde_json::to_string(evaluation)?)?;
    } else {
        for (name, score) in [("BLEU", &evaluation.bleu), ("chrF2", &evaluation.chrf)] {
            say(&format!("{name} {:.2} ({})", score.score, score.signature))?;
        }
        say(&format!("exact match {:.1} %", evaluation.exact_match))?;
        say(&format!("{} sentences", evaluation.sentences))?;
    }
    Ok(())
}

/// Hypotheses and references, one of each a line; nothing is dropped or trimmed.
fn texts(options: &EvaluateOptions, arguments: &Arguments) -> Result<(Vec<String>, Vec<String>)> {
    if let Some(hypothesis) = &options.hypothesis {
        let reference = options
            .reference
            .as_ref()
            .context("--hypothesis needs --reference")?;
        return read_both(hypothesis, reference);
    }
    let (sources, references) = read_pairs(
        options.tsv.as_deref(),
        options.source.as_deref(),
        options.reference.as_deref(),
    )?;
    let run = options
        .run
        .as_ref()
        .context("translating needs a run directory")?;
    let translator = load_for(run, options.checkpoint, &options.search, arguments)?;
    let translations = translator.translate_batch(&sources)?;
    let truncated = translations
        .iter()
        .filter(|translation| translation.truncated);
    warn_of_truncation(truncated.count(), arguments);
    let hypotheses = translations
        .into_iter()
        .map(|translation| translation.text)
        .collect();
    Ok((hypotheses, references))
}
