//! Corpus BLEU (Papineni et al., 2002) as sacreBLEU computes it by default.
//!
//! Here: n-gram counting, smoothing, the brevity penalty and the signature line. How a line is cut
//! into words is the private `tokenizer` module's business.

mod tokenizer;

use std::collections::HashMap;
use std::fmt;
use std::iter::Sum;

use serde::Serialize;

use crate::error::{EvalError, check_lines};
use crate::ngram::count_matches;

/// The longest n-gram counted.
pub const MAX_ORDER: usize = 4;

/// BLEU of a corpus: how many n-grams of the hypotheses occur in their references.
///
/// With matches `m_n` and totals `t_n` summed over all lines, hypothesis length `h` and reference
/// length `r` in words:
///
/// ```text
/// p_n  = 100 m_n / t_n                  n = 1 .. 4
/// p_n  = 100 / (2^k t_n)                for the k-th order with m_n = 0 ("exp" smoothing)
/// bp   = min(1, exp(1 - r / h))
/// BLEU = bp (p_1 p_2 p_3 p_4)^(1/4)     0-100
/// ```
///
/// # Behaviour
///
/// - No line is dropped or trimmed. An empty hypothesis counts with no n-grams against the full
///   length of its reference.
/// - No match of any order gives 0, and so does a corpus whose hypotheses hold no 4-gram.
///
/// # Differences
///
/// - Paper: one reference per line; smoothing as above, where the paper has none.
/// - sacreBLEU 2.6: the same numbers (`scripts/parity/bleu.py`), but no lines at all is an error.
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Bleu {
    lowercase: bool,
}

impl Bleu {
    /// Whether both sides are lower-cased first, sacreBLEU's `lc`. Default: `false`, as there.
    #[must_use]
    pub fn with_lowercase(mut self, lowercase: bool) -> Self {
        self.lowercase = lowercase;
        self
    }

    /// The settings in sacreBLEU's words, to be quoted beside every score.
    pub fn signature(&self) -> String {
        format!(
            "nrefs:1|case:{}|eff:no|tok:13a|smooth:exp|version:regard-{}",
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
    ) -> Result<BleuScore, EvalError> {
        check_lines(hypotheses.len(), references.len())?;
        let statistics = hypotheses
            .iter()
            .zip(references)
            .map(|(hypothesis, reference)| self.line(hypothesis.as_ref(), reference.as_ref()))
            .sum();
        Ok(self.score(&statistics))
    }

    /// Counts of one line; [`score`](Self::score) of the sum of many is that of their corpus.
    pub(crate) fn line(&self, hypothesis: &str, reference: &str) -> Statistics {
        let hypothesis = self.tokenize(hypothesis);
        let reference = self.tokenize(reference);
        let mut known = HashMap::new();
        let hypothesis = number_words(&hypothesis, &mut known);
        let reference = number_words(&reference, &mut known);
        let orders: [usize; MAX_ORDER] = std::array::from_fn(|i| i + 1);
        Statistics {
            hypothesis_length: hypothesis.len(),
            reference_length: reference.len(),
            matches: count_matches(&hypothesis, &reference),
            totals: orders.map(|n| (hypothesis.len() + 1).saturating_sub(n)),
        }
    }

    fn tokenize(&self, line: &str) -> String {
        if self.lowercase {
            tokenizer::tokenize(&line.to_lowercase())
        } else {
            tokenizer::tokenize(line)
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

        let mut precisions = [0.0; MAX_ORDER];
        if matches.iter().any(|&count| count > 0) {
            let mut smoothing = 1.0;
            for ((precision, &count), &total) in precisions.iter_mut().zip(&matches).zip(&totals) {
                if total == 0 {
                    break;
                }
                *precision = if count == 0 {
                    smoothing *= 2.0;
                    100.0 / (smoothing * total as f64)
                } else {
                    100.0 * count as f64 / total as f64
                };
            }
        }
        // ln 0 is minus infinity, so an order without n-grams makes the mean 0, as it should.
        let mean_log = precisions
            .iter()
            .map(|precision| precision.ln())
            .sum::<f64>()
            / MAX_ORDER as f64;

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
fn number_words<'a>(tokenized: &'a str, known: &mut HashMap<&'a str, usize>) -> Vec<usize> {
    tokenizer::words(tokenized)
        .map(|word| {
            let next = known.len();
            *known.entry(word).or_insert(next)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn corpus(hypotheses: &[&str], references: &[&str]) -> BleuScore {
        Bleu::default().corpus(hypotheses, references).unwrap()
    }

    #[test]
    fn equal_corpora_score_100() {
        let lines = ["one two three four five", "", "six"];
        assert!((corpus(&lines, &lines).score - 100.0).abs() < 1e-9);
    }

    #[test]
    fn repeated_words_match_only_as_often_as_in_the_reference() {
        // The paper's own example: "the" seven times against a reference that has it twice.
        let score = corpus(&["the the the the the the the"], &["the cat is on the mat"]);
        assert_eq!(score.matches, [2, 0, 0, 0]);
        assert_eq!(score.totals, [7, 6, 5, 4]);
    }

    #[test]
    fn orders_without_a_match_are_smoothed_by_powers_of_two() {
        let score = corpus(&["a b c d"], &["a x c y"]);
        let expected = [50.0, 100.0 / (2.0 * 3.0), 100.0 / (4.0 * 2.0), 100.0 / 8.0];
        for (got, want) in score.precisions.iter().zip(expected) {
            assert!((got - want).abs() < 1e-12);
        }
    }

    #[test]
    fn short_hypotheses_pay_the_brevity_penalty() {
        let score = corpus(&["a b c d", ""], &["a b c d", "e f g h"]);
        assert!((score.brevity_penalty - (-1.0f64).exp()).abs() < 1e-12);
        assert!((score.score - 100.0 * (-1.0f64).exp()).abs() < 1e-9);
    }

    #[test]
    fn nothing_in_common_or_nothing_at_all_scores_0() {
        assert_eq!(corpus(&["a b c d"], &["e f g h"]).score.to_bits(), 0);
        assert_eq!(corpus(&[""], &[""]).score.to_bits(), 0);
        assert_eq!(corpus(&[""], &["a"]).score.to_bits(), 0);
        assert_eq!(corpus(&["a b c"], &["a b c"]).score.to_bits(), 0);
    }

    #[test]
    fn lower_casing_is_asked_for_and_signed() {
        let (hypotheses, references) = (["Un Deux Trois Quatre"], ["un deux trois quatre"]);
        assert!(corpus(&hypotheses, &references).score < 1.0);
        let bleu = Bleu::default().with_lowercase(true);
        let score = bleu.corpus(&hypotheses, &references).unwrap();
        assert!((score.score - 100.0).abs() < 1e-9);
        assert!(
            score
                .signature
                .starts_with("nrefs:1|case:lc|eff:no|tok:13a|smooth:exp|version:")
        );
    }

    #[test]
    fn displays_as_the_line_sacrebleu_prints() {
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            corpus(&["the cat sat on a mat"], &["the cat sat on the mat"]).to_string(),
            format!(
                "BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:regard-{version} = \
                 53.73 83.3/60.0/50.0/33.3 \
                 (BP = 1.000 ratio = 1.000 hyp_len = 6 ref_len = 6)"
            )
        );
    }

    #[test]
    fn different_line_counts_and_no_lines_are_errors() {
        let error = Bleu::default().corpus(&["a", "b"], &["a"]).unwrap_err();
        assert_eq!(
            error,
            EvalError::LineCounts {
                hypotheses: 2,
                references: 1
            }
        );
        let error = Bleu::default().corpus::<&str, &str>(&[], &[]).unwrap_err();
        assert_eq!(error, EvalError::NoLines);
    }
}
