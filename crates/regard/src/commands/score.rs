//! `regard score`

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use regard_decode::Likelihood;
use serde::Serialize;

use crate::cli::{Arguments, ScoreOptions};
use crate::commands::{load, warn_of_truncation};
use crate::lines::PairLines;
use crate::output::{complain, count};

/// Pairs scored together, at most, for the reasons there are when translating.
const CHUNK: usize = 1_000;

#[derive(Serialize)]
struct Scored<'a> {
    log_probability: f64,
    token_log_probabilities: &'a [f64],
    token_count: usize,
    perplexity: f64,
}

pub(crate) fn run(options: &ScoreOptions, arguments: &Arguments) -> Result<ExitCode> {
    let mut pairs = match (
        &options.pairs.tsv,
        &options.pairs.source,
        &options.pairs.target,
    ) {
        (Some(tsv), ..) => PairLines::open_tsv(tsv)?,
        (None, Some(source), Some(target)) => PairLines::open_two(source, target)?,
        _ => bail!("nothing to score; give --source and --target, or --tsv"),
    };
    let translator = load(&options.run.run, options.run.checkpoint, arguments)?;
    let (mut lines, mut tokens, mut nats, mut truncated) = (0, 0, 0.0, 0);
    let ended = loop {
        let (chunk, status) = pairs.chunk(CHUNK);
        if chunk.is_empty() {
            break status;
        }
        let likelihoods = translator.score(&chunk)?;
        lines += likelihoods.len();
        for likelihood in &likelihoods {
            tokens += likelihood.tokens();
            nats += likelihood.nats();
            truncated += usize::from(likelihood.truncated);
        }
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(rendered(&likelihoods, options.json)?.as_bytes())
            .and_then(|()| stdout.flush())
            .context("cannot write standard output")?;
        if status.is_err() {
            break status;
        }
    };
    warn_of_truncation(truncated, arguments);
    ended?;
    if !arguments.quiet {
        complain(&format!(
            "{}, {}: log-probability {:.4}, perplexity {:.4}",
            count(lines, "line"),
            count(tokens, "token"),
            -nats,
            (nats / tokens as f64).exp()
        ));
    }
    Ok(ExitCode::SUCCESS)
}

fn rendered(likelihoods: &[Likelihood], json: bool) -> Result<String> {
    let mut text = String::new();
    for likelihood in likelihoods {
        let log_probability = likelihood.log_probability();
        if !json {
            let _ = writeln!(text, "{log_probability:.6}");
            continue;
        }
        text.push_str(&serde_json::to_string(&Scored {
            log_probability,
            token_log_probabilities: &likelihood.token_log_probabilities,
            token_count: likelihood.tokens(),
            perplexity: likelihood.perplexity(),
        })?);
        text.push('\n');
    }
    Ok(text)
}
