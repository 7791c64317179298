//! chrF (Popovic, 2015) as sacreBLEU computes it by default: character n-grams, white space left out.

use std::fmt;
use std::iter::Sum;

use serde::Serialize;

use crate::error::{EvalError, check_lines};
use crate::ngram::count_matches;
use crate::space::is_python_space;

/// The longest character n-gram counted.
pub const MAX_ORDER: usize = 6;

/// How many times recall counts as much as precision.
const BETA: f64 = 2.0;

/// chrF of a corpus: how many character n-grams of hypotheses and references are the same.
///
/// With matches `m_n`, hypothesis n-grams `h_n` and reference n-grams `r_n` summed over all lines,
/// and means over the orders `n = 1 .. 6` that both sides have:
///
/// ```text
/// P    = mean_n m_n / h_n
/// R    = mean_n m_n / r_n
/// chrF = 100 (1 + 2^2) P R / (2^2 P + R)      0-100
/// ```
///
/// # Behaviour
///
/// - A character is a Unicode scalar value; white space (Python's) is removed first.
/// - No line is dropped. Hypothesis n-grams of an order that the line's reference is too short for do
///   not count, as in sacreBLEU.
/// - No match at all gives 0.
///
/// # Differences
///
/// - Paper: one reference per line; the order of means as above.
/// - sacreBLEU 2.6: the same numbers (`scripts/parity/chrf.py`) for `CHRF()`, but no lines at all is
///   an error. Word n-grams (chrF++) and epsilon smoothing are left out.
///
/// # References
///
/// Popovic. chrF: character n-gram F-score for automatic MT evaluation. WMT 2015.
/// <https://aclanthology.org/W15-3049>
///
/// # Example
///
/// ```
/// use regard_eval::chrf::Chrf;
///
/// let score = Chrf::default().corpus(&["the cat sat on a mat"], &["the cat sat on the mat"])?;
/// assert!((score.score - 65.9797).abs() < 1e-4);
/// # Ok::<(), regard_eval::EvalError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chrf {
    lowercase: bool,
}

impl Chrf {
    /// Whether both sides are lower-cased first, sacreBLEU's `lc`. Default: `false`, as there.
    #[must_use]
    pub fn with_lowercase(mut self, lowercase: bool) -> Self {
        self.lowercase = lowercase;
        self
    }

    /// The settings in sacreBLEU's words, to be quoted beside every score.
    pub fn signature(&self) -> String {
        format!(
            "nrefs:1|case:{}|eff:yes|nc:{MAX_ORDER}|nw:0|space:no|version:regard-{}",
            if self.lowercase { "lc" } else { "mixed" },
            env!("CARGO_PKG_VERSION"),
        )
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
    ) -> Result<ChrfScore, EvalError> {
        check_lines(hypotheses.len(), references.len())?;
        let statistics: Statistics = hypotheses
            .iter()
            .zip(references)
            .map(|(hypothesis, reference)| self.line(hypothesis.as_ref(), reference.as_ref()))
            .sum();
        Ok(ChrfScore {
            score: statistics.score(),
            signature: self.signature(),
        })
    }

    /// Counts of one line; the score of the sum of many is that of their corpus.
    pub(crate) fn line(&self, hypothesis: &str, reference: &str) -> Statistics {
        let hypothesis = self.characters(hypothesis);
        let reference = self.characters(reference);
        let matches: [usize; MAX_ORDER] = count_matches(&hypothesis, &reference);
        let grams = |length: usize, i: usize| length.saturating_sub(i);
        Statistics {
            orders: std::array::from_fn(|i| {
                let in_reference = grams(reference.len(), i);
                Order {
                    hypothesis: if in_reference > 0 {
                        grams(hypothesis.len(), i)
                    } else {
                        0
                    },
                    reference: in_reference,
                    matches: matches[i],
                }
            }),
        }
    }

    fn characters(&self, line: &str) -> Vec<char> {
        let keep = |line: &str| line.chars().filter(|&c| !is_python_space(c)).collect();
        if self.lowercase {
            keep(&line.to_lowercase())
        } else {
            keep(line)
        }
    }
}

/// A corpus chrF score. It displays as sacreBLEU's one line, signature and all.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ChrfScore {
    /// chrF, 0-100.
    pub score: f64,
    /// The settings, see [`Chrf::signature`].
    pub signature: String,
}

impl fmt::Display for ChrfScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "chrF2|{} = {:.2}", self.signature, self.score)
    }
}

/// Counts that add up over lines; all that a score depends on.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Statistics {
    orders: [Order; MAX_ORDER],
}

/// Counts of n-grams of one length.
#[derive(Debug, Clone, Copy, Default)]
struct Order {
    hypothesis: usize,
    reference: usize,
    matches: usize,
}

impl Statistics {
    pub(crate) fn score(&self) -> f64 {
        let of_both: Vec<&Order> = self
            .orders
            .iter()
            .filter(|order| order.hypothesis > 0 && order.reference > 0)
            .collect();
        let mean = |side: fn(&Order) -> usize| {
            let shares = of_both
                .iter()
                .map(|order| order.matches as f64 / side(order) as f64);
            shares.sum::<f64>() / of_both.len().max(1) as f64
        };
        let precision = mean(|order| order.hypothesis);
        let recall = mean(|order| order.reference);
        if precision + recall == 0.0 {
            return 0.0;
        }
        let weight = BETA * BETA;
        100.0 * (1.0 + weight) * precision * recall / (weight * precision + recall)
    }
}

impl Sum for Statistics {
    fn sum<I: Iterator<Item = Self>>(lines: I) -> Self {
        lines.fold(Self::default(), |sum, line| Self {
            orders: std::array::from_fn(|i| {
                let (sum, line) = (sum.orders[i], line.orders[i]);
                Order {
                    hypothesis: sum.hypothesis + line.hypothesis,
                    reference: sum.reference + line.reference,
                    matches: sum.matches + line.matches,
                }
            }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn corpus(hypotheses: &[&str], references: &[&str]) -> f64 {
        let score = Chrf::default().corpus(hypotheses, references).unwrap();
        score.score
    }

    #[test]
    fn hand_counted_characters() {
        // "abc" against "abd": 2 of 3 letters, 1 of 2 pairs, no triple, and none longer on either side.
        let share = (2.0 / 3.0 + 1.0 / 2.0 + 0.0) / 3.0;
        assert!((corpus(&["abc"], &["abd"]) - 100.0 * share).abs() < 1e-12);
    }

    #[test]
    fn white_space_does_not_count() {
        assert!((corpus(&["a b\u{1f}c\u{a0}d e f"], &["abcdef"]) - 100.0).abs() < 1e-12);
    }

    #[test]
    fn nothing_in_common_or_nothing_at_all_scores_0() {
        for (hypothesis, reference) in [("abc", "xyz"), ("", "a"), ("a", ""), ("", "")] {
            assert_eq!(corpus(&[hypothesis], &[reference]).to_bits(), 0);
        }
    }

    #[test]
    fn displays_as_the_line_sacrebleu_prints() {
        let score = Chrf::default().with_lowercase(true);
        let score = score.corpus(&["ABCDEF"], &["abcdef"]).unwrap();
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            score.to_string(),
            format!(
                "chrF2|nrefs:1|case:lc|eff:yes|nc:6|nw:0|space:no|version:regard-{version} = 100.00"
            )
        );
    }

    #[test]
    fn different_line_counts_and_no_lines_are_errors() {
        let error = Chrf::default().corpus(&["a", "b"], &["a"]).unwrap_err();
        let counts = EvalError::LineCounts {
            hypotheses: 2,
            references: 1,
        };
        assert_eq!(error, counts);
        let error = Chrf::default().corpus::<&str, &str>(&[], &[]).unwrap_err();
        assert_eq!(error, EvalError::NoLines);
    }

    proptest! {
        #[test]
        fn equal_lines_score_100_and_order_does_not_matter(
            mut lines in prop::collection::vec(("[ab ]{0,12}", "[ab ]{0,12}"), 1..6),
        ) {
            let score = |lines: &[(String, String)]| {
                let (left, right): (Vec<_>, Vec<_>) = lines.iter().cloned().unzip();
                Chrf::default().corpus(&left, &right).unwrap().score
            };
            let forward = score(&lines);
            prop_assert!((0.0..=100.0).contains(&forward));
            lines.reverse();
            prop_assert_eq!(forward.to_bits(), score(&lines).to_bits());
            for line in &mut lines {
                line.0.push('c');
                line.1.clone_from(&line.0);
            }
            prop_assert!((score(&lines) - 100.0).abs() < 1e-9);
        }
    }
}
