//! Exact match: the share of lines that are right to the last character.
//!
//! The measure for tasks with one right answer (copy, reverse, commands); where several
//! translations are right, see [`bleu`](crate::bleu).

use crate::error::{EvalError, check_lines};
use crate::metric::{Metric, case};

/// [`exact_match`] as a [`Metric`]: a hypothesis is right if it equals any of its references.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExactMatch {
    lowercase: bool,
}

impl ExactMatch {
    /// Whether both sides are lower-cased first. Default: `false`.
    #[must_use]
    pub fn with_lowercase(mut self, lowercase: bool) -> Self {
        self.lowercase = lowercase;
        self
    }
}

impl Metric for ExactMatch {
    fn name(&self) -> String {
        "exact match".to_owned()
    }

    fn settings(&self) -> String {
        format!("case:{}", case(self.lowercase))
    }

    /// Right lines and lines.
    fn count(&self, hypothesis: &str, references: &[&str]) -> Vec<f64> {
        let is_right = |reference: &&str| {
            hypothesis == *reference
                || self.lowercase && hypothesis.to_lowercase() == reference.to_lowercase()
        };
        vec![f64::from(u8::from(references.iter().any(is_right))), 1.0]
    }

    fn score_of(&self, counts: &[f64]) -> f64 {
        100.0 * counts[0] / counts[1]
    }
}

/// Percentage, 0-100, of the hypotheses that equal their reference.
///
/// Lines are compared as they are: case, spaces and Unicode composition count. Two empty lines are
/// equal.
///
/// # Errors
///
/// [`EvalError::LineCounts`] if the sides differ in length, [`EvalError::NoLines`] if both are
/// empty.
///
/// # Example
///
/// ```
/// let percent = regard_eval::exact::exact_match(&["a b", "c"], &["a b", "c "])?;
/// assert_eq!(percent, 50.0);
/// # Ok::<(), regard_eval::EvalError>(())
/// ```
pub fn exact_match<H: AsRef<str>, R: AsRef<str>>(
    hypotheses: &[H],
    references: &[R],
) -> Result<f64, EvalError> {
    check_lines(hypotheses.len(), references.len())?;
    let equal = hypotheses
        .iter()
        .zip(references)
        .filter(|(hypothesis, reference)| hypothesis.as_ref() == reference.as_ref())
        .count();
    Ok(100.0 * equal as f64 / hypotheses.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_that_are_equal_to_the_last_character() {
        let hypotheses = ["", "Le chat", "le chat ", "e\u{301}"];
        let references = ["", "le chat", "le chat", "\u{e9}"];
        assert!((exact_match(&hypotheses, &references).unwrap() - 25.0).abs() < 1e-12);
    }

    #[test]
    fn any_of_several_references_will_do() {
        use crate::metric::corpus;
        use crate::references::References;
        let lines = [vec!["a", "b"], vec!["c"]];
        let references = References::of_lines(&lines).unwrap();
        let score = |metric: &dyn Metric| corpus(metric, &["b", "C"], &references).unwrap().score;
        assert!((score(&ExactMatch::default()) - 50.0).abs() < 1e-12);
        assert!((score(&ExactMatch::default().with_lowercase(true)) - 100.0).abs() < 1e-12);
    }

    #[test]
    fn different_line_counts_are_both_named() {
        let error = exact_match(&["a"], &["a", "b", "c"]).unwrap_err();
        assert_eq!(
            error,
            EvalError::LineCounts {
                hypotheses: 1,
                references: 3
            }
        );
        assert!(
            error
                .to_string()
                .starts_with("1 hypothesis lines but 3 reference lines")
        );
    }

    #[test]
    fn no_lines_is_an_error_not_a_percentage() {
        assert_eq!(exact_match::<&str, &str>(&[], &[]), Err(EvalError::NoLines));
    }
}
