//! Translation edit rate (Snover et al., 2006) as Tercom and sacreBLEU compute it.
//!
//! Here: settings and the score. Edit distance is the private `distance` module's business, moving words that of
//! `shifts`, cutting lines into words that of `tokenizer`.

mod distance;
mod shifts;
mod tokenizer;

use std::collections::HashMap;

use crate::error::EvalError;
use crate::metric::{Metric, Score, case, corpus, yes_or_no};
use crate::references::References;
use crate::space::words;

/// TER: how many edits turn a hypothesis into its reference, where moving a run of words is one edit.
///
/// With the fewest edits `e` against any of a line's references (words inserted, deleted, replaced, runs moved) and
/// the mean length `r` of its references in words, summed over all lines:
///
/// ```text
/// TER = 100 e / r      0 is best, may exceed 100
/// ```
///
/// # Behaviour
///
/// - Moves are found greedily, as in Tercom: the move that saves most edits, while one saves any; of equal ones the
///   longest, then the leftmost, then the one that goes farthest left. Runs of up to 10 words move by up to 50.
/// - A sentence whose moves are too many to try (1,000) keeps those that were found.
/// - Edit distance is exact within 25 words of the diagonal.
/// - Empty references count each word of the hypothesis an edit; a corpus of empty references has a TER of 100 if
///   there is any edit, else 0.
/// - Case does not count unless asked for.
/// - Normalising is done twice to references, and once to hypotheses: so does sacreBLEU. It shows where the first time
///   leaves something to part, as in `,.5`.
///
/// # Differences
///
/// - Paper: limits as above.
/// - sacreBLEU 2.6: the same numbers (`scripts/parity/metrics.py`), but no lines at all is an error. Lower-casing is
///   by the Unicode of the Rust compiler, there by that of Python.
///
/// # References
///
/// Snover et al. A Study of Translation Edit Rate with Targeted Human Annotation. AMTA 2006.
/// <https://aclanthology.org/2006.amta-papers.25>
///
/// # Example
///
/// ```
/// use regard_eval::ter::Ter;
///
/// let score = Ter::default().corpus(&["mat the cat sat on the"], &["the cat sat on the mat"])?;
/// assert_eq!(format!("{:.2}", score.score), "16.67");
/// # Ok::<(), regard_eval::EvalError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "sacreBLEU has these four switches"
)]
pub struct Ter {
    normalized: bool,
    no_punctuation: bool,
    asian_support: bool,
    case_sensitive: bool,
}

impl Ter {
    /// Whether punctuation is parted from words and escapes are undone first. Default: `false`.
    #[must_use]
    pub fn with_normalized(mut self, normalized: bool) -> Self {
        self.normalized = normalized;
        self
    }

    /// Whether punctuation is removed. Default: `false`.
    #[must_use]
    pub fn with_no_punctuation(mut self, no_punctuation: bool) -> Self {
        self.no_punctuation = no_punctuation;
        self
    }

    /// Whether the two above reach Chinese and Japanese: characters stand one by one, their punctuation is removed.
    /// Default: `false`.
    #[must_use]
    pub fn with_asian_support(mut self, asian_support: bool) -> Self {
        self.asian_support = asian_support;
        self
    }

    /// Whether case counts. Default: `false`, as in Tercom.
    #[must_use]
    pub fn with_case_sensitive(mut self, case_sensitive: bool) -> Self {
        self.case_sensitive = case_sensitive;
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

impl Metric for Ter {
    fn name(&self) -> String {
        "TER".to_owned()
    }

    fn settings(&self) -> String {
        format!(
            "case:{}|tok:tercom|norm:{}|punct:{}|asian:{}",
            case(!self.case_sensitive),
            yes_or_no(self.normalized),
            yes_or_no(!self.no_punctuation),
            yes_or_no(self.asian_support),
        )
    }

    fn is_error_rate(&self) -> bool {
        true
    }

    /// Edits and mean reference length.
    fn count(&self, hypothesis: &str, references: &[&str]) -> Vec<f64> {
        let hypothesis = self.tokenize(hypothesis);
        let cut = |line: &&str| self.tokenize_reference(line);
        let references: Vec<String> = references.iter().map(cut).collect();
        let mut known = HashMap::new();
        let hypothesis = number_words(&hypothesis, &mut known);
        let references = references
            .iter()
            .map(|reference| number_words(reference, &mut known));
        nearest(&hypothesis, references, shifts::edits)
    }

    fn score_of(&self, counts: &[f64]) -> f64 {
        error_rate(counts)
    }
}

/// Words as numbers, equal where the words are.
fn number_words<'a>(line: &'a str, known: &mut HashMap<&'a str, usize>) -> Vec<usize> {
    words(line)
        .map(|word| {
            let next = known.len();
            *known.entry(word).or_insert(next)
        })
        .collect()
}

/// The fewest edits against any reference, and the mean length of the references.
pub(crate) fn nearest<T>(
    hypothesis: &[T],
    references: impl Iterator<Item = Vec<T>>,
    edits: impl Fn(&[T], &[T]) -> usize,
) -> Vec<f64> {
    let (mut fewest, mut length, mut number) = (usize::MAX, 0, 0);
    for reference in references {
        fewest = fewest.min(edits(hypothesis, &reference));
        length += reference.len();
        number += 1;
    }
    vec![fewest as f64, length as f64 / f64::from(number.max(1))]
}

/// Edits in percent of the length of the references; of nothing, any edit is 100.
pub(crate) fn error_rate(counts: &[f64]) -> f64 {
    let (edits, length) = (counts[0], counts[1]);
    if length > 0.0 {
        100.0 * (edits / length)
    } else if edits > 0.0 {
        100.0
    } else {
        0.0
    }
}

#[cfg(test)]
mod tests;
