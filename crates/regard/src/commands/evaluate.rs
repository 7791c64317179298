//! `regard evaluate`

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use regard_eval::bleu::Bleu;
use regard_eval::chrf::Chrf;
use regard_eval::error_rate::ErrorRate;
use regard_eval::exact::ExactMatch;
use regard_eval::metric::{self, Metric};
use regard_eval::references::References;
use regard_eval::significance::{Comparison, Options, Test, compare};
use regard_eval::ter::Ter;
use serde::Serialize;

use crate::cli::{Arguments, EvaluateOptions, TestName};
use crate::commands::{load_for, read_pairs, warn_of_truncation};
use crate::failure::CHECK_FAILED;
use crate::lines::read_both;
use crate::output::{complain, say};

#[derive(Serialize)]
struct Evaluation {
    bleu: Score,
    chrf: Score,
    #[serde(rename = "chrf++")]
    chrf_plus_plus: Score,
    ter: Score,
    wer: Score,
    cer: Score,
    exact_match: f64,
    sentences: usize,
    /// One for each of the first four scores.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    against: Vec<Comparison>,
}

#[derive(Serialize)]
struct Score {
    score: f64,
    signature: String,
}

/// The scores that are given, in this order.
struct Metrics {
    bleu: Bleu,
    chrf: Chrf,
    chrf_plus_plus: Chrf,
    ter: Ter,
    wer: ErrorRate,
    cer: ErrorRate,
    exact_match: ExactMatch,
}

impl Metrics {
    fn new(options: &EvaluateOptions) -> Result<Self> {
        let lowercase = options.lowercase;
        Ok(Self {
            bleu: Bleu::default()
                .with_lowercase(lowercase)
                .with_tokenizer(options.tokenize)
                .with_smoothing(options.smooth)?,
            chrf: Chrf::default().with_lowercase(lowercase),
            chrf_plus_plus: Chrf::plus_plus().with_lowercase(lowercase),
            // Without it case does not count in TER, in sacreBLEU as well.
            ter: Ter::default(),
            wer: ErrorRate::words().with_lowercase(lowercase),
            cer: ErrorRate::characters().with_lowercase(lowercase),
            exact_match: ExactMatch::default().with_lowercase(lowercase),
        })
    }
}

pub(crate) fn run(options: &EvaluateOptions, arguments: &Arguments) -> Result<ExitCode> {
    let metrics = Metrics::new(options)?;
    let (hypotheses, references) = texts(options, arguments)?;
    let files: Vec<&[String]> = references.iter().map(Vec::as_slice).collect();
    let references = References::of_files(&files)?;
    let score = |metric: &dyn Metric| -> Result<Score> {
        let found = metric::corpus(metric, &hypotheses, &references)?;
        Ok(Score {
            score: found.score,
            signature: found.signature,
        })
    };
    let evaluation = Evaluation {
        bleu: score(&metrics.bleu)?,
        chrf: score(&metrics.chrf)?,
        chrf_plus_plus: score(&metrics.chrf_plus_plus)?,
        ter: score(&metrics.ter)?,
        wer: score(&metrics.wer)?,
        cer: score(&metrics.cer)?,
        exact_match: score(&metrics.exact_match)?.score,
        sentences: hypotheses.len(),
        against: match &options.against {
            Some(baseline) => against(
                baseline,
                &hypotheses,
                &references,
                &metrics,
                (options, arguments),
            )?,
            None => Vec::new(),
        },
    };
    let printed = print(&evaluation, options.json);
    let bleu = evaluation.bleu.score;
    // A check that failed has failed, whether or not anybody read the figures.
    if let Some(least) = options.min_bleu.filter(|&least| bleu < least) {
        complain(&format!("BLEU {bleu:.2} is below the {least} asked for"));
        return Ok(ExitCode::from(CHECK_FAILED));
    }
    printed?;
    Ok(ExitCode::SUCCESS)
}

/// What these translations are beside those of another system.
fn against(
    baseline: &Path,
    hypotheses: &[String],
    references: &References<'_>,
    metrics: &Metrics,
    (options, arguments): (&EvaluateOptions, &Arguments),
) -> Result<Vec<Comparison>> {
    let baseline = crate::lines::read(baseline)?;
    let mut test = Options::new(match options.test {
        TestName::Bootstrap => Test::Bootstrap,
        TestName::Randomisation => Test::Randomisation,
    });
    test.seed = arguments.seed.unwrap_or(test.seed);
    let metrics: [&dyn Metric; 4] = [
        &metrics.bleu,
        &metrics.chrf,
        &metrics.chrf_plus_plus,
        &metrics.ter,
    ];
    metrics
        .into_iter()
        .map(|metric| Ok(compare(metric, &baseline, hypotheses, references, &test)?))
        .collect()
}

fn print(evaluation: &Evaluation, json: bool) -> Result<()> {
    if json {
        return say(&serde_json::to_string(evaluation)?);
    }
    for (name, score) in [
        ("BLEU", &evaluation.bleu),
        ("chrF2", &evaluation.chrf),
        ("chrF2++", &evaluation.chrf_plus_plus),
        ("TER", &evaluation.ter),
        ("WER", &evaluation.wer),
        ("CER", &evaluation.cer),
    ] {
        say(&format!("{name} {:.2} ({})", score.score, score.signature))?;
    }
    say(&format!("exact match {:.1} %", evaluation.exact_match))?;
    say(&format!("{} sentences", evaluation.sentences))?;
    for Comparison {
        name,
        baseline,
        difference,
        difference_interval: [low, high],
        p_value,
        signature,
        ..
    } in &evaluation.against
    {
        say(&format!(
            "{name} {difference:+.2} against {:.2}, 95 % of resampled test sets {low:+.2} to {high:+.2}, p = {p_value:.4} ({signature})",
            baseline.score
        ))?;
    }
    Ok(())
}

/// Hypotheses, and references file by file; nothing is dropped or trimmed.
fn texts(
    options: &EvaluateOptions,
    arguments: &Arguments,
) -> Result<(Vec<String>, Vec<Vec<String>>)> {
    let first = options.reference.first().map(std::path::PathBuf::as_path);
    let mut more = Vec::new();
    for (i, path) in options.reference.iter().enumerate().skip(1) {
        more.push(read_both(path, &options.reference[i - 1])?.0);
    }
    let all = |reference| [vec![reference], more].concat();
    if let Some(hypothesis) = &options.hypothesis {
        let reference = first.context("--hypothesis needs --reference")?;
        let (hypotheses, reference) = read_both(hypothesis, reference)?;
        return Ok((hypotheses, all(reference)));
    }
    let (sources, reference) =
        read_pairs(options.tsv.as_deref(), options.source.as_deref(), first)?;
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
    Ok((hypotheses, all(reference)))
}
