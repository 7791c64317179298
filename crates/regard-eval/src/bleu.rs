//! BLEU (Papineni et al., 2002) as sacreBLEU computes it.
//!
//! Here: n-gram counting, the brevity penalty and the signature line. How a line is cut into words is
//! the [`Tokenizer`]'s business, what an order without a match counts as that of [`Smoothing`].

mod smoothing;
mod tokenizer;

use std::collections::HashMap;
use std::fmt;
use std::iter::Sum;

use serde::Serialize;

use crate::error::EvalError;
use crate::metric::{Metric, case, signature, yes_or_no};
use crate::ngram::WordGrams;
use crate::references::References;
use crate::space::words;
pub use smoothing::Smoothing;
pub use tokenizer::Tokenizer;

/// The longest n-gram counted.
pub const MAX_ORDER: usize = 4;

/// BLEU of a corpus: how many n-grams of the hypotheses occur in their references.
///
/// With matches `m_n` and totals `t_n` summed over all lines, hypothesis length `h` and reference
/// length `r` in words:
///
/// ```text
/// p_n  = 100 m_n / t_n                  n = 1 .. 4
/// p_n  = 100 / (2^k t_n)                for the k-th order with m_n = 0, see Smoothing
/// bp   = min(1, exp(1 - r / h))
/// BLEU = bp (p_1 p_2 p_3 p_4)^(1/4)     0-100
/// ```
///
/// # Behaviour
///
/// - No line is dropped or trimmed. An empty hypothesis counts with no n-grams against the full
///   length of its reference.
/// - No match of any order gives 0, and so does a corpus whose hypotheses hold no 4-gram, unless the
///   order is effective.
/// - With several references, an n-gram matches as often as the reference has it that has it most, and
///   `r` sums, line by line, the reference length nearest to that of the hypothesis, the shorter of two.
///
/// # Differences
///
/// - Paper: smoothing as above, where the paper has none.
/// - sacreBLEU 2.6: the same numbers (`scripts/parity/metrics.py`), but no lines at all is an error, orders
///   are always 4, and [`BleuScore::matches`] and [`BleuScore::totals`] are what was counted, where
///   sacreBLEU shows them with `add-k` added. Lower-casing is by the Unicode of the Rust compiler, there
///   by that of Python.
///
/// # References
///
/// Papineni et al. BLEU: a Method for Automatic Evaluation of Machine Translation. ACL 2002.
/// Post. A Call for Clarity in Reporting BLEU Scores. WMT 2018. <https://aclanthology.org/W18-6319>
///
/// # Example
///
/// ```
/// use regard_eval::bleu::Bleu;
///
/// let score = Bleu::default().corpus(&["the cat sat on a mat"], &["the cat sat on the mat"])?;
/// assert_eq!(score.matches, [5, 3, 2, 1]);
/// assert!((score.score - 53.7285).abs() < 1e-4);
/// # Ok::<(), regard_eval::EvalError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Bleu {
    lowercase: bool,
    tokenizer: Tokenizer,
    smoothing: Smoothing,
    effective_order: bool,
}

impl Bleu {
    /// Whether both sides are lower-cased first, sacreBLEU's `lc`. Default: `false`, as there.
    #[must_use]
    pub fn with_lowercase(mut self, lowercase: bool) -> Self {
        self.lowercase = lowercase;
        self
    }

    /// How lines are cut into words. Default: [`Tokenizer::V13a`], as in sacreBLEU for most languages.
    #[must_use]
    pub fn with_tokenizer(mut self, tokenizer: Tokenizer) -> Self {
        self.tokenizer = tokenizer;
        self
    }

    /// What an order without a match counts as. Default: [`Smoothing::Exponential`], as in sacreBLEU.
    ///
    /// # Errors
    ///
    /// [`EvalError::Smoothing`] if its value is negative or not finite.
    pub fn with_smoothing(mut self, smoothing: Smoothing) -> Result<Self, EvalError> {
        smoothing.check()?;
        self.smoothing = smoothing;
        Ok(self)
    }

    /// Whether orders longer than the hypotheses are left out of the mean, for sentences. Default: `false`, as in
    /// sacreBLEU's scores of corpora; its program switches it on for sentences.
    #[must_use]
    pub fn with_effective_order(mut self, effective_order: bool) -> Self {
        self.effective_order = effective_order;
        self
    }

    /// The settings in sacreBLEU's words, to be quoted beside every score of one reference per line.
    pub fn signature(&self) -> String {
        signature(Some(1), "", &self.settings())
    }

    /// Scores `hypotheses` against `references`, line by line one corpus.
    ///
    /// # Errors
    ///
    /// [`EvalError::LineCounts`] if the sides differ in length, [`EvalError::NoLines`] if both are
    /// empty.
    pub fn corpus<H: AsRef<str>, R: AsRef<str>>(
        &self,
        hypotheses: &[H],
        references: &[R],
    ) -> Result<BleuScore, EvalError> {
        self.corpus_of(hypotheses, &References::single(references))
    }

    /// Scores `hypotheses` against one or several references a line.
    ///
    /// # Errors
    ///
    /// As [`corpus`](Self::corpus).
    pub fn corpus_of<H: AsRef<str>>(
        &self,
        hypotheses: &[H],
        references: &References<'_>,
    ) -> Result<BleuScore, EvalError> {
        let statistics = references
            .pair(hypotheses)?
            .map(|(hypothesis, references)| self.line(hypothesis, references))
            .sum();
        let mut score = self.score(&statistics);
        score.signature = signature(references.number(), "", &self.settings());
        Ok(score)
    }

    /// Counts of one line; [`score`](Self::score) of the sum of many is that of their corpus.
    pub(crate) fn line(&self, hypothesis: &str, references: &[&str]) -> Statistics {
        let hypothesis = self.tokenize(hypothesis);
        let references: Vec<String> = references.iter().map(|line| self.tokenize(line)).collect();
        let mut known = HashMap::new();
        let hypothesis = number_words(&hypothesis, &mut known);
        let references: Vec<WordGrams<1>> = references
            .iter()
            .map(|reference| number_words(reference, &mut known))
            .collect();
        let hypothesis_length = hypothesis.count(1);
        let lengths = references.iter().map(|reference| reference.count(1));
        Statistics {
            hypothesis_length,
            reference_length: lengths
                .min_by_key(|&length| (length.abs_diff(hypothesis_length), length))
                .unwrap_or(0),
            matches: std::array::from_fn(|i| hypothesis.matches(&references, i + 1)),
            totals: std::array::from_fn(|i| hypothesis.count(i + 1)),
        }
    }

    fn tokenize(&self, line: &str) -> String {
        if self.lowercase {
            self.tokenizer.tokenize(&line.to_lowercase())
        } else {
            self.tokenizer.tokenize(line)
        }
    }

    pub(crate) fn score(&self, statistics: &Statistics) -> BleuScore {
        let &Statistics {
            hypothesis_length,
            reference_length,
            matches,
            totals,
        } = statistics;

        let brevity_penalty = if hypothesis_length >= reference_length {
            1.0
        } else if hypothesis_length == 0 {
            0.0
        } else {
            (1.0 - reference_length as f64 / hypothesis_length as f64).exp()
        };

        let (precisions, orders) = self.precisions(matches, totals);
        // ln 0 is minus infinity, so an order without n-grams makes the mean 0, as it should.
        let logs = precisions[..orders].iter().map(|precision| precision.ln());
        let mean_log = logs.sum::<f64>() / orders as f64;

        BleuScore {
            score: brevity_penalty * mean_log.exp(),
            precisions,
            brevity_penalty,
            hypothesis_length,
            reference_length,
            matches,
            totals,
            signature: self.signature(),
        }
    }

    /// Smoothed precisions in percent, and over how many of them the mean goes.
    fn precisions(
        &self,
        matches: [usize; MAX_ORDER],
        totals: [usize; MAX_ORDER],
    ) -> ([f64; MAX_ORDER], usize) {
        let (mut precisions, mut orders) = ([0.0; MAX_ORDER], MAX_ORDER);
        if matches == [0; MAX_ORDER] {
            return (precisions, orders);
        }
        let mut halved = 1.0;
        for (i, precision) in precisions.iter_mut().enumerate() {
            let more = match self.smoothing {
                Smoothing::AddK(k) if i > 0 => k,
                _ => 0.0,
            };
            let (count, total) = (matches[i] as f64 + more, totals[i] as f64 + more);
            if total == 0.0 {
                break;
            }
            if self.effective_order {
                orders = i + 1;
            }
            *precision = match self.smoothing {
                _ if count > 0.0 => 100.0 * count / total,
                Smoothing::Exponential => {
                    halved *= 2.0;
                    100.0 / (halved * total)
                }
                Smoothing::Floor(value) => 100.0 * value / total,
                Smoothing::AddK(_) | Smoothing::None => 0.0,
            };
        }
        (precisions, orders)
    }
}

impl Metric for Bleu {
    fn name(&self) -> String {
        "BLEU".to_owned()
    }

    fn settings(&self) -> String {
        format!(
            "case:{}|eff:{}|tok:{}|smooth:{}",
            case(self.lowercase),
            yes_or_no(self.effective_order),
            self.tokenizer,
            self.smoothing,
        )
    }

    fn count(&self, hypothesis: &str, references: &[&str]) -> Vec<f64> {
        let line = self.line(hypothesis, references);
        [line.hypothesis_length, line.reference_length]
            .into_iter()
            .chain(line.matches)
            .chain(line.totals)
            .map(|count| count as f64)
            .collect()
    }

    fn score_of(&self, counts: &[f64]) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "sums of whole numbers"
        )]
        let count = |i: usize| counts[i] as usize;
        let statistics = Statistics {
            hypothesis_length: count(0),
            reference_length: count(1),
            matches: std::array::from_fn(|i| count(2 + i)),
            totals: std::array::from_fn(|i| count(2 + MAX_ORDER + i)),
        };
        self.score(&statistics).score
    }
}

/// A corpus BLEU score and what it was made of.
///
/// It displays as sacreBLEU's one line, signature and all.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct BleuScore {
    /// BLEU, 0-100.
    pub score: f64,
    /// Smoothed precision in percent for each order from 1; all 0 if nothing matched.
    pub precisions: [f64; MAX_ORDER],
    /// Factor in `[0, 1]` for hypotheses shorter than their references.
    pub brevity_penalty: f64,
    /// Words in all hypotheses.
    pub hypothesis_length: usize,
    /// Words in all references.
    pub reference_length: usize,
    /// Hypothesis n-grams found in the line's reference, each at most as often as it occurs there.
    pub matches: [usize; MAX_ORDER],
    /// N-grams in all hypotheses.
    pub totals: [usize; MAX_ORDER],
    /// The settings, see [`Bleu::signature`].
    pub signature: String,
}

impl fmt::Display for BleuScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratio = match self.reference_length {
            0 => 0.0,
            length => self.hypothesis_length as f64 / length as f64,
        };
        let [first, second, third, fourth] = self.precisions;
        write!(
            f,
            "BLEU|{} = {:.2} {first:.1}/{second:.1}/{third:.1}/{fourth:.1} \
             (BP = {:.3} ratio = {ratio:.3} hyp_len = {} ref_len = {})",
            self.signature,
            self.score,
            self.brevity_penalty,
            self.hypothesis_length,
            self.reference_length,
        )
    }
}

/// Counts that add up over lines; all that a score depends on.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Statistics {
    hypothesis_length: usize,
    reference_length: usize,
    matches: [usize; MAX_ORDER],
    totals: [usize; MAX_ORDER],
}

impl Sum for Statistics {
    fn sum<I: Iterator<Item = Self>>(lines: I) -> Self {
        lines.fold(Self::default(), |sum, line| Self {
            hypothesis_length: sum.hypothesis_length + line.hypothesis_length,
            reference_length: sum.reference_length + line.reference_length,
            matches: std::array::from_fn(|n| sum.matches[n] + line.matches[n]),
            totals: std::array::from_fn(|n| sum.totals[n] + line.totals[n]),
        })
    }
}

/// Words as numbers, equal where the words are: n-grams then compare without touching text.
fn number_words<'a>(tokenized: &'a str, known: &mut HashMap<&'a str, u32>) -> WordGrams<1> {
    let mut numbers = Vec::new();
    for word in words(tokenized) {
        let next = u32::try_from(known.len()).expect("a line has fewer words");
        numbers.push(*known.entry(word).or_insert(next));
    }
    WordGrams::new(&numbers)
}

#[cfg(test)]
mod tests;
