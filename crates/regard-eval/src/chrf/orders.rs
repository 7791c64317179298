//! What chrF counts of one length of n-grams, and of which words.

use crate::ngram::Grams;

/// Counts of n-grams of one length.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Order {
    pub(super) hypothesis: usize,
    pub(super) reference: usize,
    pub(super) matches: usize,
}

impl Order {
    pub(super) fn plus(self, other: Self) -> Self {
        Self {
            hypothesis: self.hypothesis + other.hypothesis,
            reference: self.reference + other.reference,
            matches: self.matches + other.matches,
        }
    }
}

/// Counts of the orders 1 to `longest`.
pub(super) fn compare<const BITS: u32, const W: usize>(
    hypothesis: &Grams<BITS, W>,
    reference: &Grams<BITS, W>,
    longest: usize,
    orders: &mut Vec<Order>,
) {
    for n in 1..=longest {
        let in_reference = reference.count(n);
        orders.push(Order {
            hypothesis: if in_reference > 0 {
                hypothesis.count(n)
            } else {
                0
            },
            reference: in_reference,
            matches: hypothesis.matches(std::slice::from_ref(reference), n),
        });
    }
}

/// A word without one punctuation mark at its end, or else at its beginning, and the mark; in their order.
pub(super) fn apart(word: &str) -> impl Iterator<Item = &str> {
    let is_mark = |c: char| c.is_ascii_punctuation();
    let characters = word.chars().count();
    let at = if characters < 2 {
        0
    } else if word.ends_with(is_mark) {
        word.len() - 1
    } else {
        usize::from(word.starts_with(is_mark))
    };
    let (left, right) = word.split_at(at);
    [left, right].into_iter().filter(|part| !part.is_empty())
}
