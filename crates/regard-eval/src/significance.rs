//! Whether one system is better than another on a test set, or only luckier with its sentences.
//!
//! Here: tests of two systems against the same references, for any [`Metric`]. Intervals of one system's score are made
//! the same way.

use serde::Serialize;

use crate::bootstrap::{Bootstrap, interval};
use crate::error::EvalError;
use crate::metric::{Metric, add, count_lines, signature, total};
use crate::references::References;

/// How chance is tried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// Paired bootstrap resampling: as many lines drawn with replacement, the same for both systems (Koehn, 2004).
    ///
    /// Of the absolute differences `|d_i|` of the trials, less their mean, the share that exceeds the real one.
    Bootstrap,
    /// Paired approximate randomisation: the two translations of each line change sides by the toss of a coin (Riezler
    /// and Maxwell, 2005).
    ///
    /// Of the absolute differences `|d_i|` of the trials, the share that exceeds the real one.
    Randomisation,
}

impl Test {
    /// As many trials as sacreBLEU makes: 1,000 and 10,000.
    pub fn trials(self) -> usize {
        match self {
            Self::Bootstrap => Bootstrap::RESAMPLES,
            Self::Randomisation => 10_000,
        }
    }
}

/// How to test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Which test.
    pub test: Test,
    /// Trials, at least one.
    pub trials: usize,
    /// Seed of the draws.
    pub seed: u64,
}

impl Options {
    /// A test as sacreBLEU makes it by default, its seed included.
    pub fn new(test: Test) -> Self {
        Self {
            test,
            trials: test.trials(),
            seed: 12_345,
        }
    }
}

/// A score and how far it may be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// Score of the test set.
    pub score: f64,
    /// Mean score of resampled test sets.
    pub mean: f64,
    /// Half the width of what holds 95 % of their scores.
    pub half_width: f64,
}

/// Two systems on one test set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// What the scores are called.
    pub name: String,
    /// Settings of metric and test in sacreBLEU's words.
    pub signature: String,
    /// The system that is compared with.
    pub baseline: Estimate,
    /// The other.
    pub system: Estimate,
    /// Score of the system less that of the baseline.
    pub difference: f64,
    /// Interval that holds 95 % of the differences of resampled test sets.
    pub difference_interval: [f64; 2],
    /// How often chance alone would bring forth a larger difference, in (0, 1]. Small: the difference is real.
    pub p_value: f64,
}

impl Comparison {
    /// Whether the difference would come by chance less often than `level`, as 0.05.
    pub fn is_significant(&self, level: f64) -> bool {
        self.p_value < level
    }
}

/// Tests whether `system` and `baseline` differ by more than chance.
///
/// With the real difference `d`, those of `n` trials `d_i`, and `c` of them beyond `|d|` as [`Test`] says:
///
/// ```text
/// p = (c + 1) / (n + 1)
/// ```
///
/// # Behaviour
///
/// - A difference of 0 has a `p` of 1: there is nothing to explain.
/// - Intervals come from [`Bootstrap::RESAMPLES`] resamples, or as many as a bootstrap test has trials.
/// - Draws are a function of seed, trial and line: the same on every machine, with any number of threads.
///
/// # Differences
///
/// - sacreBLEU 2.6 (`--paired-bs`, `--paired-ar`): the same definitions. It draws from another generator, so that `p`
///   differs as it would with another seed; given our draws, it finds our `p` (`scripts/parity/metrics.py`). It gives
///   a difference of 0 whatever `p` comes out, which for a system against itself is the smallest there is. Its
///   randomisation rounds the `k` of `add-k` smoothing down.
///
/// # Errors
///
/// [`EvalError::LineCounts`] if a system has not as many lines as the references, [`EvalError::NoLines`] if there are
/// none, [`EvalError::NoTrials`].
///
/// # References
///
/// Koehn. Statistical Significance Tests for Machine Translation Evaluation. EMNLP 2004.
/// <https://aclanthology.org/W04-3250>
/// Riezler, Maxwell. On Some Pitfalls in Automatic Evaluation and Significance Testing for MT. 2005.
/// <https://aclanthology.org/W05-0908>
///
/// # Example
///
/// ```
/// use regard_eval::chrf::Chrf;
/// use regard_eval::references::References;
/// use regard_eval::significance::{Options, Test, compare};
///
/// let (references, worse) = (["a cat"; 20], ["a dog"; 20]);
/// let options = Options::new(Test::Bootstrap);
/// let of = References::single(&references);
/// let result = compare(&Chrf::default(), &worse, &references, &of, &options)?;
/// assert!(result.difference > 0.0 && result.is_significant(0.05));
/// # Ok::<(), regard_eval::EvalError>(())
/// ```
pub fn compare<B: AsRef<str>, S: AsRef<str>>(
    metric: &dyn Metric,
    baseline: &[B],
    system: &[S],
    references: &References<'_>,
    options: &Options,
) -> Result<Comparison, EvalError> {
    let &Options { test, trials, seed } = options;
    if trials == 0 {
        return Err(EvalError::NoTrials);
    }
    let baseline = count_lines(metric, baseline, references)?;
    let system = count_lines(metric, system, references)?;
    let scores = [&baseline, &system].map(|lines| metric.score_of(&total(lines)));
    let difference = scores[1] - scores[0];

    let resamples = match test {
        Test::Bootstrap => trials,
        Test::Randomisation => Bootstrap::RESAMPLES,
    };
    let drawn = [&baseline, &system].map(|lines| resampled(metric, lines, resamples, seed));
    let drawn_differences: Vec<f64> = drawn[1].iter().zip(&drawn[0]).map(|(s, b)| s - b).collect();
    let by_chance: Vec<f64> = match test {
        Test::Bootstrap => {
            let sizes = drawn_differences.iter().map(|difference| difference.abs());
            let mean = sizes.clone().sum::<f64>() / resamples as f64;
            sizes.map(|size| size - mean).collect()
        }
        Test::Randomisation => swapped(metric, &baseline, &system, trials, seed),
    };

    let [baseline, system] = [0, 1].map(|i| estimate(scores[i], &drawn[i]));
    let kind = match test {
        Test::Bootstrap => format!("bs:{trials}|seed:{seed}|"),
        Test::Randomisation => format!("bs:{resamples}|ar:{trials}|seed:{seed}|"),
    };
    Ok(Comparison {
        name: metric.name(),
        signature: signature(references.number(), &kind, &metric.settings()),
        baseline,
        system,
        difference,
        difference_interval: interval(&drawn_differences),
        p_value: p_value(difference.abs(), &by_chance),
    })
}

/// A score with its interval, from resampled test sets.
///
/// # Errors
///
/// [`EvalError::LineCounts`], [`EvalError::NoLines`], and [`EvalError::NoTrials`] if there are no resamples.
pub fn estimate_of<H: AsRef<str>>(
    metric: &dyn Metric,
    hypotheses: &[H],
    references: &References<'_>,
    resamples: usize,
    seed: u64,
) -> Result<Estimate, EvalError> {
    if resamples == 0 {
        return Err(EvalError::NoTrials);
    }
    let lines = count_lines(metric, hypotheses, references)?;
    let drawn = resampled(metric, &lines, resamples, seed);
    Ok(estimate(metric.score_of(&total(&lines)), &drawn))
}

/// Scores of test sets drawn from the lines. Equal seeds draw the same lines of any system.
fn resampled(metric: &dyn Metric, lines: &[Vec<f64>], resamples: usize, seed: u64) -> Vec<f64> {
    let bootstrap = Bootstrap::new(seed);
    let mut sum = vec![0.0; lines[0].len()];
    (0..resamples)
        .map(|resample| {
            sum.fill(0.0);
            for place in bootstrap.places(resample, lines.len()) {
                add(&mut sum, &lines[place]);
            }
            metric.score_of(&sum)
        })
        .collect()
}

/// Absolute differences of two systems that are made of lines of both.
fn swapped(
    metric: &dyn Metric,
    baseline: &[Vec<f64>],
    system: &[Vec<f64>],
    trials: usize,
    seed: u64,
) -> Vec<f64> {
    // Other bits than those that draw lines for the intervals.
    let bootstrap = Bootstrap::new(seed).nth(0);
    let mut sums = [vec![0.0; baseline[0].len()], vec![0.0; baseline[0].len()]];
    (0..trials)
        .map(|trial| {
            let [left, right] = &mut sums;
            left.fill(0.0);
            right.fill(0.0);
            let coins = bootstrap.coins(trial, baseline.len());
            for ((baseline, system), heads) in baseline.iter().zip(system).zip(coins) {
                let (to_left, to_right) = if heads {
                    (baseline, system)
                } else {
                    (system, baseline)
                };
                add(left, to_left);
                add(right, to_right);
            }
            (metric.score_of(left) - metric.score_of(right)).abs()
        })
        .collect()
}

fn p_value(difference: f64, by_chance: &[f64]) -> f64 {
    if difference == 0.0 {
        return 1.0;
    }
    let beyond = by_chance
        .iter()
        .filter(|&&by_chance| by_chance > difference);
    (beyond.count() + 1) as f64 / (by_chance.len() + 1) as f64
}

/// Mean and half width as sacreBLEU takes them: a fortieth of the scores is left out at either end.
fn estimate(score: f64, drawn: &[f64]) -> Estimate {
    let mut sorted = drawn.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let left_out = sorted.len() / 40;
    Estimate {
        score,
        mean: drawn.iter().sum::<f64>() / drawn.len() as f64,
        half_width: 0.5 * (sorted[sorted.len() - left_out - 1] - sorted[left_out]),
    }
}

#[cfg(test)]
mod tests;
