//! One way to use every metric: numbers of each line that add up, and a score of their sum.
//!
//! Here: what a metric is, and scores of corpora and of sentences. What is counted is each metric's own business; the
//! resampling of lines is that of [`significance`](crate::significance).

use std::fmt;

use serde::Serialize;

use crate::error::EvalError;
use crate::references::References;

/// A measure of text whose score over many lines depends on sums over the lines alone.
///
/// Everything else is built on that: the score of a corpus, of a sentence, and of lines drawn again.
///
/// # Example
///
/// ```
/// use regard_eval::bleu::Bleu;
/// use regard_eval::metric::{Metric, corpus};
/// use regard_eval::references::References;
/// use regard_eval::ter::Ter;
///
/// let metrics: [&dyn Metric; 2] = [&Bleu::default(), &Ter::default()];
/// let references = References::single(&["the cat sat on the mat"]);
/// let scores = metrics.map(|metric| corpus(metric, &["on the mat sat the cat"], &references));
/// let scores = scores.into_iter().collect::<Result<Vec<_>, _>>()?;
/// assert_eq!(format!("{:.1} {:.1}", scores[0].score, scores[1].score), "39.8 33.3");
/// # Ok::<(), regard_eval::EvalError>(())
/// ```
pub trait Metric {
    /// What a score is called, as in "chrF2++".
    fn name(&self) -> String;

    /// Settings as `key:value`, parted by `|`, in sacreBLEU's words.
    fn settings(&self) -> String;

    /// Whether 0 is the best score. Default: `false`.
    fn is_error_rate(&self) -> bool {
        false
    }

    /// Counts of one line, as many numbers whatever the line; those of a corpus are their sums, place by place.
    ///
    /// `references` holds at least one.
    fn count(&self, hypothesis: &str, references: &[&str]) -> Vec<f64>;

    /// The score that counts of one line or many amount to.
    fn score_of(&self, counts: &[f64]) -> f64;
}

/// A score with its name, and with its settings to be quoted beside it.
///
/// It displays as sacreBLEU's one line, signature and all.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// See [`Metric::name`].
    pub name: String,
    /// 0-100; error rates may exceed 100.
    pub score: f64,
    /// Number of references, settings and version.
    pub signature: String,
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{} = {:.2}", self.name, self.signature, self.score)
    }
}

/// Scores `hypotheses` as one corpus.
///
/// # Errors
///
/// [`EvalError::LineCounts`] if there are not as many lines of references, [`EvalError::NoLines`] if there are none.
pub fn corpus<H: AsRef<str>>(
    metric: &dyn Metric,
    hypotheses: &[H],
    references: &References<'_>,
) -> Result<Score, EvalError> {
    let lines = count_lines(metric, hypotheses, references)?;
    Ok(Score {
        name: metric.name(),
        score: metric.score_of(&total(&lines)),
        signature: signature(references.number(), "", &metric.settings()),
    })
}

/// The score of each line alone.
///
/// Scores of sentences do not average to that of their corpus. BLEU needs
/// [`with_effective_order`](crate::bleu::Bleu::with_effective_order) to say much of one sentence.
///
/// # Errors
///
/// As [`corpus`].
pub fn sentences<H: AsRef<str>>(
    metric: &dyn Metric,
    hypotheses: &[H],
    references: &References<'_>,
) -> Result<Vec<f64>, EvalError> {
    let lines = count_lines(metric, hypotheses, references)?;
    Ok(lines.iter().map(|counts| metric.score_of(counts)).collect())
}

/// The counts of each line.
pub(crate) fn count_lines<H: AsRef<str>>(
    metric: &dyn Metric,
    hypotheses: &[H],
    references: &References<'_>,
) -> Result<Vec<Vec<f64>>, EvalError> {
    let pairs = references.pair(hypotheses)?;
    Ok(pairs
        .map(|(hypothesis, references)| metric.count(hypothesis, references))
        .collect())
}

/// Sums of the counts of lines, of which there is at least one.
pub(crate) fn total(lines: &[Vec<f64>]) -> Vec<f64> {
    let mut total = vec![0.0; lines[0].len()];
    for line in lines {
        add(&mut total, line);
    }
    total
}

pub(crate) fn add(sum: &mut [f64], counts: &[f64]) {
    for (sum, count) in sum.iter_mut().zip(counts) {
        *sum += count;
    }
}

/// sacreBLEU's signature: references, what was drawn (ending in `|`, or empty), settings, version.
pub(crate) fn signature(references: Option<usize>, drawn: &str, settings: &str) -> String {
    let number = references.map_or_else(|| "var".to_owned(), |number| number.to_string());
    let version = env!("CARGO_PKG_VERSION");
    format!("nrefs:{number}|{drawn}{settings}|version:regard-{version}")
}

/// Whether case counts, as a signature says it.
pub(crate) fn case(lowercase: bool) -> &'static str {
    if lowercase { "lc" } else { "mixed" }
}

pub(crate) fn yes_or_no(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}
