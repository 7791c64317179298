//! Word and character error rate: the fewest insertions, deletions and replacements, by Levenshtein.
//!
//! The measures of speech and text recognition. Where whole runs of words may move, see [`ter`](crate::ter).

use crate::error::EvalError;
use crate::metric::{Metric, Score, case, corpus};
use crate::references::References;
use crate::space::{is_python_space, words};
use crate::ter::{error_rate, nearest};

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Word,
    Character,
}

/// WER or CER: edits that turn a hypothesis into its reference, in percent of the length of the reference.
///
/// With the fewest edits `e` against any of a line's references and the mean length `r` of its references, summed
/// over all lines:
///
/// ```text
/// WER = 100 e / r      0 is best, may exceed 100
/// ```
///
/// # Behaviour
///
/// - Words stand between white space (Python's); nothing else is parted or removed.
/// - A character is a Unicode scalar value; white space at the ends of a line is left out, within it counts.
/// - Several references of a line, and references of no length, are as in [`Ter`](crate::ter::Ter).
///
/// # Differences
///
/// - jiwer 4.0: the same numbers (`scripts/parity/metrics.py`), where words are parted by single blanks and no
///   reference is empty.
///
/// # Example
///
/// ```
/// use regard_eval::error_rate::ErrorRate;
///
/// let score = ErrorRate::words().corpus(&["the cat sat"], &["the black cat sat"])?;
/// assert_eq!(score.score, 25.0);
/// # Ok::<(), regard_eval::EvalError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorRate {
    unit: Unit,
    lowercase: bool,
}

impl ErrorRate {
    /// WER.
    pub fn words() -> Self {
        Self {
            unit: Unit::Word,
            lowercase: false,
        }
    }

    /// CER.
    pub fn characters() -> Self {
        Self {
            unit: Unit::Character,
            lowercase: false,
        }
    }

    /// Whether both sides are lower-cased first. Default: `false`.
    #[must_use]
    pub fn with_lowercase(mut self, lowercase: bool) -> Self {
        self.lowercase = lowercase;
        self
    }

    /// Scores `hypotheses` against `references`, line by line one corpus.
    ///
    /// # Errors
    ///
    /// [`EvalError::LineCounts`] if the sides differ in length, [`EvalError::NoLines`] if both are empty.
    pub fn corpus<H: AsRef<str>, R: AsRef<str>>(
        &self,
        hypotheses: &[H],
        references: &[R],
    ) -> Result<Score, EvalError> {
        corpus(self, hypotheses, &References::single(references))
    }
}

impl Metric for ErrorRate {
    fn name(&self) -> String {
        let name = match self.unit {
            Unit::Word => "WER",
            Unit::Character => "CER",
        };
        name.to_owned()
    }

    fn settings(&self) -> String {
        format!("case:{}", case(self.lowercase))
    }

    fn is_error_rate(&self) -> bool {
        true
    }

    /// Edits and mean reference length.
    fn count(&self, hypothesis: &str, references: &[&str]) -> Vec<f64> {
        let cased = |line: &str| {
            if self.lowercase {
                line.to_lowercase()
            } else {
                line.to_owned()
            }
        };
        let hypothesis = cased(hypothesis);
        let references: Vec<String> = references.iter().map(|line| cased(line)).collect();
        let references = references.iter();
        match self.unit {
            Unit::Word => nearest(
                &words(&hypothesis).collect::<Vec<_>>(),
                references.map(|line| words(line).collect()),
                levenshtein,
            ),
            Unit::Character => {
                let characters = |line: &str| line.trim_matches(is_python_space).chars().collect();
                let hypothesis: Vec<char> = characters(&hypothesis);
                nearest(
                    &hypothesis,
                    references.map(|line| characters(line)),
                    levenshtein,
                )
            }
        }
    }

    fn score_of(&self, counts: &[f64]) -> f64 {
        error_rate(counts)
    }
}

/// Fewest insertions, deletions and replacements between two sequences.
fn levenshtein<T: PartialEq>(left: &[T], right: &[T]) -> usize {
    // row[j]: edits between the items of `left` so far and the first j of `right`.
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(a != b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rate(metric: &ErrorRate, hypotheses: &[&str], references: &[&str]) -> f64 {
        metric.corpus(hypotheses, references).unwrap().score
    }

    #[test]
    fn kitten_and_sitting_are_three_edits_apart() {
        // k -> s, e -> i, g inserted: 3 edits over 7 characters.
        let got = rate(&ErrorRate::characters(), &["kitten"], &["sitting"]);
        assert!((got - 300.0 / 7.0).abs() < 1e-12);
    }

    #[test]
    fn lines_add_up_before_they_are_divided() {
        // One deletion and one insertion over 3 + 1 words.
        let got = rate(&ErrorRate::words(), &["a b", "d e"], &["a b c", "d"]);
        assert!((got - 50.0).abs() < 1e-12);
    }

    #[test]
    fn white_space_counts_for_characters_within_a_line_only() {
        assert!(rate(&ErrorRate::characters(), &[" ab "], &["ab"]).abs() < 1e-12);
        assert!((rate(&ErrorRate::characters(), &["a b"], &["ab"]) - 50.0).abs() < 1e-12);
        assert!(rate(&ErrorRate::words(), &["a\u{2028}b "], &["a  b"]).abs() < 1e-12);
    }

    #[test]
    fn empty_references_and_case() {
        assert!((rate(&ErrorRate::words(), &["a b"], &[""]) - 100.0).abs() < 1e-12);
        assert!(rate(&ErrorRate::words(), &[""], &[""]).abs() < 1e-12);
        let lowercase = ErrorRate::words().with_lowercase(true);
        assert!(rate(&lowercase, &["The CAT"], &["the cat"]).abs() < 1e-12);
        assert!((rate(&ErrorRate::words(), &["The CAT"], &["the cat"]) - 100.0).abs() < 1e-12);
    }

    #[test]
    fn of_several_references_the_nearest_counts_over_their_mean_length() {
        let lines = [["a b c d", "a b"]];
        let references = References::of_lines(&lines).unwrap();
        // One edit against the second; (4 + 2) / 2 words.
        let score = corpus(&ErrorRate::words(), &["a c"], &references).unwrap();
        assert!((score.score - 100.0 / 3.0).abs() < 1e-12);
    }
}
