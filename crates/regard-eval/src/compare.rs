//! Runs side by side on one test set, by the length of its sources.
//!
//! Here: who said what, scored in buckets with intervals, and what that amounts to in a sentence. How
//! runs are loaded and sentences translated is the caller's business; [`table`] and [`page`] show the
//! result.

mod buckets;
mod chart;
mod counts;
mod finding;
mod notes;
pub mod page;
pub mod table;

use serde::Serialize;

use crate::bleu::Bleu;
use crate::bootstrap::Bootstrap;
use crate::chrf::Chrf;
use crate::error::{EvalError, check_lines};
use counts::{Counts, Resampled, count};
use finding::{Evidence, Measure, Span};
use notes::notes;

/// What every run was given, line by line.
#[derive(Debug, Clone, Copy)]
pub struct TestSet<'a> {
    /// Raw source lines; their length is counted in words between white space.
    pub sources: &'a [String],
    /// Right translations.
    pub references: &'a [String],
}

/// What a run made of one line.
#[derive(Debug, Clone, PartialEq)]
pub struct Sentence {
    /// Its translation.
    pub hypothesis: String,
    /// Minus the log-probability it gives the reference; nats, without smoothing.
    pub nats: f64,
    /// Tokens of the reference as the run cuts it, its end included.
    pub tokens: usize,
    /// Whether the run could not take all of source and reference when it gave that probability.
    pub truncated: bool,
}

/// One run: what it is and what it said.
#[derive(Debug, Clone)]
pub struct Run {
    /// What it is and what it cost.
    pub facts: Facts,
    /// One for each line of the test set.
    pub sentences: Vec<Sentence>,
}

/// What a run is and what it cost.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Facts {
    /// Its name, of which there is no other.
    pub run: String,
    /// Kind of model.
    pub model: String,
    /// Which tokenizer cuts its references: where this is the same, they are cut alike.
    pub target_tokenizer: String,
    /// Numbers that were learned.
    pub parameters: usize,
    /// Seconds of training; `None` where the run does not say.
    pub training_seconds: Option<f64>,
    /// Target tokens per second in training, as a mean; `None` where the run does not say.
    pub training_tokens_per_second: Option<f64>,
    /// Target tokens per second while the test set was translated.
    pub decoding_tokens_per_second: f64,
    /// High-water resident memory of training, MiB; `None` where the run does not say.
    pub peak_memory_mib: Option<f64>,
}

/// How to compare.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where buckets begin, in words, ascending: `[3, 11, 21]` is 3 to 10, 11 to 20, 21 and more;
    /// sources shorter than the first make a bucket of their own. `None` fills up to six buckets
    /// evenly, with 20 sentences or more in each.
    pub edges: Option<Vec<usize>>,
    /// Whether hypotheses and references are lower-cased before they are compared, in every score but perplexity.
    pub lowercase: bool,
    /// Seed of the resampling.
    pub seed: u64,
}

impl Options {
    /// Refuses what no comparison can be made with, whatever the runs.
    ///
    /// # Errors
    ///
    /// [`EvalError::Edges`] if edges do not ascend.
    pub fn check(&self) -> Result<(), EvalError> {
        match self.edges.as_deref() {
            Some(edges) if edges.is_empty() || !edges.is_sorted_by(|a, b| a < b) => {
                Err(EvalError::Edges {
                    edges: edges.to_vec(),
                })
            }
            _ => Ok(()),
        }
    }
}

/// Runs side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// What the scores amount to, in one sentence.
    pub finding: String,
    /// What a reader of the numbers must know besides.
    pub notes: Vec<String>,
    /// Lines of the test set.
    pub sentences: usize,
    /// By length, shortest first; none is empty.
    pub buckets: Vec<Bucket>,
    /// In the order given.
    pub runs: Vec<RunReport>,
    /// How the scores were made.
    pub signatures: Signatures,
}

/// Sentences of similar length.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bucket {
    /// Fewest words of a source.
    pub from: usize,
    /// Most words of a source.
    pub to: usize,
    /// Mean number of words of its sources.
    pub mean_words: f64,
    /// Lines in it.
    pub sentences: usize,
    /// Scores, in the order of the runs.
    pub runs: Vec<BucketScores>,
}

/// How a run does in one bucket.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BucketScores {
    /// Name of the run.
    pub run: String,
    /// How it does.
    #[serde(flatten)]
    pub scores: Scores,
}

/// A run and how it does on the whole test set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunReport {
    /// What it is and what it cost.
    #[serde(flatten)]
    pub facts: Facts,
    /// How it does.
    #[serde(flatten)]
    pub scores: Scores,
}

/// Scores of some sentences, each with the interval that holds 95 % of resampled test sets.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Scores {
    /// [`Bleu`], 0-100.
    pub bleu: f64,
    /// Low and high end.
    pub bleu_interval: [f64; 2],
    /// [`Chrf`], 0-100.
    pub chrf: f64,
    /// Low and high end.
    pub chrf_interval: [f64; 2],
    /// Lines equal to their reference, percent.
    pub exact_match: f64,
    /// Low and high end.
    pub exact_match_interval: [f64; 2],
    /// `exp` of nats per token of the references, or the largest number there is where that is larger.
    pub perplexity: f64,
    /// Low and high end.
    pub perplexity_interval: [f64; 2],
}

/// How the scores were made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Signatures {
    /// See [`Bleu::signature`].
    pub bleu: String,
    /// See [`Chrf::signature`].
    pub chrf: String,
    /// Whether case counts, in the same style.
    pub exact_match: String,
    /// The resampling in the same style.
    pub intervals: String,
}

/// Scores every run in every bucket, and says what that amounts to.
///
/// # Behaviour
///
/// - Lengths are numbers of words between white space in the raw source.
/// - A given bucket without a sentence is left out, and a note says so.
/// - Runs are resampled alike in a bucket, so differences between runs are those of a paired bootstrap;
///   two buckets are resampled independently. The order of the lines changes nothing.
/// - The finding speaks of BLEU, or of chrF where the references of a bucket are too short for BLEU. It names a difference
///   only where the interval leaves out 0 and both ends have 20 sentences or more.
///
/// # Errors
///
/// [`EvalError::NoRuns`], [`EvalError::NoLines`], [`EvalError::LineCounts`] if a run or the references
/// have another number of lines than the sources, [`EvalError::SameName`] if two runs have one name,
/// [`EvalError::Edges`] if edges do not ascend.
///
/// # Example
///
/// ```
/// use regard_eval::compare::{Facts, Options, Run, Sentence, TestSet, compare};
///
/// let (sources, references) = (["ein Hund bellt laut .".into()], ["a dog barks loudly .".into()]);
/// let run = Run {
///     facts: Facts {
///         run: "parrot".into(),
///         model: "transformer".into(),
///         target_tokenizer: "af63dc4c8601ec8c".into(),
///         parameters: 6_112,
///         training_seconds: None,
///         training_tokens_per_second: None,
///         decoding_tokens_per_second: 1_000.0,
///         peak_memory_mib: None,
///     },
///     sentences: vec![Sentence {
///         hypothesis: "a dog barks loudly .".into(),
///         nats: 0.0,
///         tokens: 6,
///         truncated: false,
///     }],
/// };
/// let test = TestSet { sources: &sources, references: &references };
/// let comparison = compare(test, &[run], &Options::default())?;
/// assert_eq!((comparison.buckets[0].from, comparison.buckets[0].sentences), (5, 1));
/// assert_eq!(comparison.runs[0].scores.exact_match, 100.0);
/// # Ok::<(), regard_eval::EvalError>(())
/// ```
pub fn compare(
    test: TestSet<'_>,
    runs: &[Run],
    options: &Options,
) -> Result<Comparison, EvalError> {
    check(test, runs, options)?;
    let words: Vec<usize> = test
        .sources
        .iter()
        .map(|source| source.split_whitespace().count())
        .collect();
    let (buckets, empty) = buckets::sort(&words, options.edges.as_deref());
    // The draws of the bootstrap are for places: these must not depend on the order of the lines.
    let canonical = |mut lines: Vec<usize>| {
        lines.sort_by_key(|&line| (&test.sources[line], &test.references[line]));
        lines
    };
    let lowercase = options.lowercase;
    let counted: Vec<Vec<Counts>> = runs.iter().map(|run| count(run, test, lowercase)).collect();
    let bootstrap = Bootstrap::new(options.seed);

    let mut resampled = Vec::new();
    let mut reports = Vec::new();
    for (i, bucket) in buckets.iter().enumerate() {
        let lines = canonical(bucket.lines.clone());
        let results: Vec<Resampled> = counted
            .iter()
            .map(|counts| Resampled::new(counts, &lines, bootstrap.nth(i + 1)))
            .collect();
        reports.push(Bucket {
            from: bucket.from,
            to: bucket.to,
            mean_words: lines.iter().map(|&line| words[line]).sum::<usize>() as f64
                / lines.len() as f64,
            sentences: lines.len(),
            runs: runs
                .iter()
                .zip(&results)
                .map(|(run, result)| BucketScores {
                    run: run.facts.run.clone(),
                    scores: result.scores(),
                })
                .collect(),
        });
        resampled.push(results);
    }
    let all = canonical((0..words.len()).collect());
    let whole = counted
        .iter()
        .map(|counts| Resampled::new(counts, &all, bootstrap).scores());

    let measure = measure(test, &buckets);
    let evidence = evidence(measure, runs, &reports, &resampled);
    Ok(Comparison {
        finding: evidence.sentence(),
        notes: notes(measure, runs, &buckets, &empty),
        sentences: words.len(),
        runs: runs
            .iter()
            .zip(whole)
            .map(|(run, scores)| RunReport {
                facts: run.facts.clone(),
                scores,
            })
            .collect(),
        buckets: reports,
        signatures: Signatures {
            bleu: Bleu::default().with_lowercase(lowercase).signature(),
            chrf: Chrf::default().with_lowercase(lowercase).signature(),
            exact_match: format!("nrefs:1|case:{}", if lowercase { "lc" } else { "mixed" }),
            intervals: format!(
                "bootstrap:percentile|level:95|resamples:{}|seed:{}",
                Bootstrap::RESAMPLES,
                options.seed
            ),
        },
    })
}

fn check(test: TestSet<'_>, runs: &[Run], options: &Options) -> Result<(), EvalError> {
    check_lines(test.sources.len(), test.references.len())?;
    if runs.is_empty() {
        return Err(EvalError::NoRuns);
    }
    for (i, run) in runs.iter().enumerate() {
        check_lines(run.sentences.len(), test.references.len())?;
        let name = &run.facts.run;
        if runs[..i].iter().any(|other| other.facts.run == *name) {
            return Err(EvalError::SameName { name: name.clone() });
        }
    }
    options.check()
}

/// BLEU, unless a bucket's references hold no 4-gram: then not even they would score.
fn measure(test: TestSet<'_>, buckets: &[buckets::Sorted]) -> Measure {
    let bleu = Bleu::default();
    let fits = |bucket: &buckets::Sorted| {
        let references = bucket.lines.iter().map(|&line| &test.references[line]);
        let statistics = references.map(|line| bleu.line(line, &[line])).sum();
        bleu.score(&statistics).score > 0.0
    };
    if buckets.iter().all(fits) {
        Measure::Bleu
    } else {
        Measure::Chrf
    }
}

fn evidence(
    measure: Measure,
    runs: &[Run],
    buckets: &[Bucket],
    resampled: &[Vec<Resampled>],
) -> Evidence {
    let score = match measure {
        Measure::Bleu => Counts::bleu,
        Measure::Chrf => Counts::chrf,
    };
    let names = runs.iter().map(|run| run.facts.run.clone()).collect();
    let spans = buckets
        .iter()
        .zip(resampled)
        .map(|(bucket, runs)| Span {
            from: bucket.from,
            to: bucket.to,
            sentences: bucket.sentences,
            scores: runs.iter().map(|run| score(&run.whole)).collect(),
            drawn: runs
                .iter()
                .map(|run| run.drawn.iter().map(score).collect())
                .collect(),
        })
        .collect();
    Evidence::new(measure, names, spans)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these numbers are exact")]
mod tests;
