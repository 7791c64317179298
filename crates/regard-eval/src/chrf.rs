//! chrF and chrF++ (Popovic, 2015 and 2017) as sacreBLEU computes them: n-grams of characters, and of words on request.

mod orders;

use std::collections::HashMap;
use std::fmt;
use std::iter::Sum;

use serde::Serialize;

use crate::error::EvalError;
use crate::metric::{Metric, case, signature, yes_or_no};
use crate::ngram::{CharacterGrams, WordGrams};
use crate::references::References;
use crate::space::{is_python_space, words};
use orders::{Order, apart, compare};

/// The longest character n-gram counted by default.
pub const CHARACTER_ORDER: usize = 6;

/// The longest character n-gram that can be asked for.
pub const MAX_CHARACTER_ORDER: usize = CharacterGrams::<2>::LONGEST;

/// The longest word n-gram that can be asked for.
pub const MAX_WORD_ORDER: usize = WordGrams::<2>::LONGEST;

/// What a precision or a share of an order without n-grams counts as under epsilon smoothing.
const EPSILON: f64 = 1e-16;

/// chrF of a corpus: how many character n-grams of hypotheses and references are the same.
///
/// With matches `m_n`, hypothesis n-grams `h_n` and reference n-grams `r_n` summed over all lines,
/// and means over the orders that both sides have (characters 1 to 6; chrF++: and words 1 to 2):
///
/// ```text
/// P    = mean_n m_n / h_n
/// R    = mean_n m_n / r_n
/// chrF = 100 (1 + 2^2) P R / (2^2 P + R)      0-100
/// ```
///
/// # Behaviour
///
/// - A character is a Unicode scalar value; white space (Python's) is removed first, or counted on request.
/// - For words, one ASCII punctuation mark at the end of a word stands apart, or else one at its beginning.
/// - No line is dropped. Hypothesis n-grams of an order that the line's reference is too short for do
///   not count, as in sacreBLEU.
/// - Of several references of a line, the one counts that gives the line the best score, the first of equals.
/// - No match at all gives 0.
///
/// # Differences
///
/// - Papers: the order of means as above; theirs is that of epsilon smoothing.
/// - sacreBLEU 2.6: the same numbers (`scripts/parity/metrics.py`), but no lines at all is an error, and orders
///   have limits. Lower-casing is by the Unicode of the Rust compiler, there by that of Python.
///
/// # References
///
/// Popovic. chrF: character n-gram F-score for automatic MT evaluation. WMT 2015.
/// <https://aclanthology.org/W15-3049>
/// Popovic. chrF++: words helping character n-grams. WMT 2017. <https://aclanthology.org/W17-4770>
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chrf {
    character_order: usize,
    word_order: usize,
    beta: u32,
    lowercase: bool,
    whitespace: bool,
    epsilon_smoothing: bool,
}

impl Default for Chrf {
    fn default() -> Self {
        Self {
            character_order: CHARACTER_ORDER,
            word_order: 0,
            beta: 2,
            lowercase: false,
            whitespace: false,
            epsilon_smoothing: false,
        }
    }
}

impl Chrf {
    /// chrF++: n-grams of up to two words, too.
    #[must_use]
    pub fn plus_plus() -> Self {
        Self {
            word_order: 2,
            ..Self::default()
        }
    }

    /// The longest n-grams of characters and of words. Default: 6 and 0; chrF++ is 6 and 2.
    ///
    /// # Errors
    ///
    /// [`EvalError::ChrfOrders`] if both are 0, or one is above [`MAX_CHARACTER_ORDER`] or [`MAX_WORD_ORDER`].
    pub fn with_orders(mut self, characters: usize, words: usize) -> Result<Self, EvalError> {
        if characters + words == 0 || characters > MAX_CHARACTER_ORDER || words > MAX_WORD_ORDER {
            return Err(EvalError::ChrfOrders { characters, words });
        }
        (self.character_order, self.word_order) = (characters, words);
        Ok(self)
    }

    /// How many times recall counts as much as precision. Default: 2.
    #[must_use]
    pub fn with_beta(mut self, beta: u32) -> Self {
        self.beta = beta;
        self
    }

    /// Whether both sides are lower-cased first, sacreBLEU's `lc`. Default: `false`, as there.
    #[must_use]
    pub fn with_lowercase(mut self, lowercase: bool) -> Self {
        self.lowercase = lowercase;
        self
    }

    /// Whether white space is counted among the characters. Default: `false`.
    #[must_use]
    pub fn with_whitespace(mut self, whitespace: bool) -> Self {
        self.whitespace = whitespace;
        self
    }

    /// Whether orders that a side lacks count as almost nothing, and the F-scores of the orders are averaged, as in
    /// the author's program, NLTK and Moses. Default: `false`: such orders are left out.
    #[must_use]
    pub fn with_epsilon_smoothing(mut self, epsilon_smoothing: bool) -> Self {
        self.epsilon_smoothing = epsilon_smoothing;
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
    ) -> Result<ChrfScore, EvalError> {
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
    ) -> Result<ChrfScore, EvalError> {
        let mut total = vec![Order::default(); self.character_order + self.word_order];
        for (hypothesis, references) in references.pair(hypotheses)? {
            for (sum, order) in total.iter_mut().zip(self.orders(hypothesis, references)) {
                *sum = sum.plus(order);
            }
        }
        Ok(ChrfScore {
            score: self.score(&total),
            name: self.name(),
            signature: signature(references.number(), "", &self.settings()),
        })
    }

    /// Counts of one line by the default orders; the score of the sum of many is that of their corpus.
    pub(crate) fn line(&self, hypothesis: &str, reference: &str) -> Statistics {
        let orders = self.orders(hypothesis, &[reference]);
        Statistics {
            orders: std::array::from_fn(|i| orders[i]),
        }
    }

    /// Counts of each order, characters first, against the reference that gives the best score.
    fn orders(&self, hypothesis: &str, references: &[&str]) -> Vec<Order> {
        if self.character_order <= CharacterGrams::<1>::LONGEST
            && self.word_order <= WordGrams::<1>::LONGEST
        {
            self.packed_orders::<1>(hypothesis, references)
        } else {
            self.packed_orders::<2>(hypothesis, references)
        }
    }

    fn packed_orders<const W: usize>(&self, hypothesis: &str, references: &[&str]) -> Vec<Order> {
        let mut known = HashMap::new();
        let lowered = |line: &str| self.lowercase.then(|| line.to_lowercase());
        let hypothesis_lowered = lowered(hypothesis);
        let hypothesis = hypothesis_lowered.as_deref().unwrap_or(hypothesis);
        let characters = self.characters::<W>(hypothesis);
        let words = self.words::<W>(hypothesis, &mut known);

        let mut best: Option<(f64, Vec<Order>)> = None;
        for &reference in references {
            let reference_lowered = lowered(reference);
            let reference = reference_lowered.as_deref().unwrap_or(reference);
            let mut orders = Vec::with_capacity(self.character_order + self.word_order);
            let others = self.characters::<W>(reference);
            compare(&characters, &others, self.character_order, &mut orders);
            let others = self.words::<W>(reference, &mut known);
            compare(&words, &others, self.word_order, &mut orders);
            if references.len() == 1 {
                return orders;
            }
            let score = self.score(&orders);
            if best.as_ref().is_none_or(|(most, _)| score > *most) {
                best = Some((score, orders));
            }
        }
        best.map(|(_, orders)| orders).unwrap_or_default()
    }

    fn characters<const W: usize>(&self, line: &str) -> CharacterGrams<W> {
        let kept = line
            .chars()
            .filter(|&c| self.whitespace || !is_python_space(c));
        CharacterGrams::new(&kept.map(u32::from).collect::<Vec<_>>())
    }

    /// Words with punctuation apart, as numbers. Unknown ones get numbers of their own.
    fn words<const W: usize>(&self, line: &str, known: &mut HashMap<String, u32>) -> WordGrams<W> {
        let mut numbers = Vec::new();
        if self.word_order > 0 {
            for word in words(line).flat_map(apart) {
                let next = u32::try_from(known.len()).expect("a line has fewer words");
                let number = known.get(word).copied().unwrap_or(next);
                if number == next {
                    known.insert(word.to_owned(), next);
                }
                numbers.push(number);
            }
        }
        WordGrams::new(&numbers)
    }

    /// The order of the operations is sacreBLEU's: which of two references is better may hang on the last bit.
    fn score(&self, orders: &[Order]) -> f64 {
        let weight = f64::from(self.beta) * f64::from(self.beta);
        let f_score = |precision: f64, recall: f64| {
            (1.0 + weight) * precision * recall / (weight * precision + recall)
        };
        if self.epsilon_smoothing {
            let of_order = |order: &Order| {
                let share = |n: usize| match n {
                    0 => EPSILON,
                    n => order.matches as f64 / n as f64,
                };
                let (precision, recall) = (share(order.hypothesis), share(order.reference));
                if weight * precision + recall > 0.0 {
                    f_score(precision, recall)
                } else {
                    EPSILON
                }
            };
            return 100.0 * orders.iter().map(of_order).sum::<f64>() / orders.len() as f64;
        }

        let (mut precision, mut recall, mut of_both) = (0.0, 0.0, 0);
        for order in orders {
            if order.hypothesis > 0 && order.reference > 0 {
                precision += order.matches as f64 / order.hypothesis as f64;
                recall += order.matches as f64 / order.reference as f64;
                of_both += 1;
            }
        }
        if precision + recall == 0.0 {
            return 0.0;
        }
        100.0 * f_score(precision / f64::from(of_both), recall / f64::from(of_both))
    }
}

impl Metric for Chrf {
    fn name(&self) -> String {
        format!("chrF{}{}", self.beta, "+".repeat(self.word_order))
    }

    fn settings(&self) -> String {
        format!(
            "case:{}|eff:{}|nc:{}|nw:{}|space:{}",
            case(self.lowercase),
            yes_or_no(!self.epsilon_smoothing),
            self.character_order,
            self.word_order,
            yes_or_no(self.whitespace),
        )
    }

    fn count(&self, hypothesis: &str, references: &[&str]) -> Vec<f64> {
        self.orders(hypothesis, references)
            .iter()
            .flat_map(|order| [order.hypothesis, order.reference, order.matches])
            .map(|count| count as f64)
            .collect()
    }

    fn score_of(&self, counts: &[f64]) -> f64 {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "sums of whole numbers"
        )]
        let orders = counts.chunks_exact(3).map(|order| Order {
            hypothesis: order[0] as usize,
            reference: order[1] as usize,
            matches: order[2] as usize,
        });
        self.score(&orders.collect::<Vec<_>>())
    }
}

/// A corpus chrF score. It displays as sacreBLEU's one line, signature and all.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[non_exhaustive]
pub struct ChrfScore {
    /// chrF, 0-100.
    pub score: f64,
    /// `chrF2`, or with other settings what sacreBLEU calls it.
    #[serde(skip)]
    pub name: String,
    /// The settings, see [`Chrf::signature`].
    pub signature: String,
}

impl fmt::Display for ChrfScore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}|{} = {:.2}", self.name, self.signature, self.score)
    }
}

/// Counts that add up over lines; all that a score by the default orders depends on.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Statistics {
    orders: [Order; CHARACTER_ORDER],
}

impl Statistics {
    pub(crate) fn score(&self) -> f64 {
        Chrf::default().score(&self.orders)
    }
}

impl Sum for Statistics {
    fn sum<I: Iterator<Item = Self>>(lines: I) -> Self {
        lines.fold(Self::default(), |sum, line| Self {
            orders: std::array::from_fn(|i| sum.orders[i].plus(line.orders[i])),
        })
    }
}

#[cfg(test)]
mod tests;
