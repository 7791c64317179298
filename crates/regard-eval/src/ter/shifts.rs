//! Moving runs of words, as Tercom does: greedily, one after the other, as long as a move saves edits.

use std::cmp::Reverse;

use super::distance::{Edit, Table};

/// The longest run that moves, in words.
const LONGEST: usize = 10;

/// How far from its place in the reference a run may stand, in words.
const FARTHEST: usize = 50;

/// How many moves of a sentence are tried.
const MOST_TRIED: usize = 1_000;

/// Edits that turn `hypothesis` into `reference`, a move being one.
pub(super) fn edits(hypothesis: &[usize], reference: &[usize]) -> usize {
    if reference.is_empty() {
        return hypothesis.len();
    }
    let mut table = Table::new(hypothesis, reference);
    let mut words = hypothesis.to_vec();
    let (mut moves, mut tried) = (0, 0);
    loop {
        let better = best_move(&words, reference, &mut table, &mut tried);
        // Tercom's rule: the move found when the limit was reached is not made.
        let Some(moved) = better.filter(|_| tried < MOST_TRIED) else {
            break;
        };
        moves += 1;
        words = moved;
    }
    moves + table.edits(&words) as usize
}

/// Where each word of the reference was aligned, and which words are wrong.
struct Alignment {
    /// Words of the hypothesis up to and with the one aligned to each word of the reference.
    through: Vec<usize>,
    wrong_in_hypothesis: Vec<bool>,
    wrong_in_reference: Vec<bool>,
}

impl Alignment {
    fn new(trace: &[Edit]) -> Self {
        let (mut through, mut wrong_in_hypothesis, mut wrong_in_reference) =
            (vec![], vec![], vec![]);
        for &edit in trace {
            let wrong = edit != Edit::Keep;
            if edit != Edit::Insert {
                wrong_in_hypothesis.push(wrong);
            }
            if edit != Edit::Delete {
                through.push(wrong_in_hypothesis.len());
                wrong_in_reference.push(wrong);
            }
        }
        Self {
            through,
            wrong_in_hypothesis,
            wrong_in_reference,
        }
    }
}

/// The words after the move that saves most edits; `None` if none saves any.
fn best_move(
    words: &[usize],
    reference: &[usize],
    table: &mut Table<'_>,
    tried: &mut usize,
) -> Option<Vec<usize>> {
    let before = table.edits(words);
    let alignment = Alignment::new(&table.trace());
    let mut best = None;
    'pairs: for start in 0..words.len() {
        for place in 0..reference.len() {
            if start.abs_diff(place) > FARTHEST {
                continue;
            }
            for length in 1..=common(&words[start..], &reference[place..]) {
                let wrong = alignment.wrong_in_hypothesis[start..start + length].contains(&true)
                    && alignment.wrong_in_reference[place..place + length].contains(&true);
                let aligned_within =
                    (start + 1..=start + length).contains(&alignment.through[place]);
                if !wrong || aligned_within {
                    continue;
                }
                let mut last = None;
                // Before the first aligned word, or behind the one aligned to each word from the one before `place`.
                for offset in 0..=length {
                    let behind = (place + offset).checked_sub(1);
                    let target = behind.map_or(0, |word| alignment.through[word]);
                    if last.replace(target) == Some(target) {
                        continue;
                    }
                    let moved = shifted(words, start, length, target);
                    let saved = i64::from(before) - i64::from(table.edits(&moved));
                    let rank = (saved, length, Reverse(start), Reverse(target));
                    *tried += 1;
                    if best.as_ref().is_none_or(|(most, _)| rank > *most) {
                        best = Some((rank, moved));
                    }
                }
                if *tried >= MOST_TRIED {
                    break 'pairs;
                }
            }
        }
    }
    best.filter(|((saved, ..), _)| *saved > 0)
        .map(|(_, moved)| moved)
}

/// Words that two sides begin with, no more than may move.
fn common(left: &[usize], right: &[usize]) -> usize {
    let pairs = left.iter().zip(right).take(LONGEST);
    pairs.take_while(|(left, right)| left == right).count()
}

/// The words with `length` of them moved from `start` to before the word at `target`; a target within the run moves it
/// behind as many words as lie between.
fn shifted(words: &[usize], start: usize, length: usize, target: usize) -> Vec<usize> {
    let mut moved = words.to_vec();
    if target < start {
        moved[target..start + length].rotate_right(length);
    } else if target > start + length {
        moved[start..target].rotate_left(length);
    } else {
        let end = words.len().min(target + length);
        moved[start..end].rotate_left(length);
    }
    moved
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_move_left_right_and_over_themselves() {
        let words = [0, 1, 2, 3, 4, 5];
        assert_eq!(shifted(&words, 3, 2, 1), [0, 3, 4, 1, 2, 5]);
        assert_eq!(shifted(&words, 1, 2, 5), [0, 3, 4, 1, 2, 5]);
        assert_eq!(shifted(&words, 1, 2, 2), [0, 3, 1, 2, 4, 5]);
        assert_eq!(shifted(&words, 1, 2, 1), words);
        assert_eq!(shifted(&words, 3, 3, 5), words);
    }

    #[test]
    fn a_run_in_the_wrong_place_is_one_edit() {
        assert_eq!(edits(&[4, 5, 1, 2, 3], &[1, 2, 3, 4, 5]), 1);
        // By single words alone that would be four: two inserted, two deleted.
        assert_eq!(
            Table::new(&[4, 5, 1, 2, 3], &[1, 2, 3, 4, 5]).edits(&[4, 5, 1, 2, 3]),
            4
        );
    }

    #[test]
    fn nothing_on_one_side() {
        assert_eq!(edits(&[], &[]), 0);
        assert_eq!(edits(&[1, 2], &[]), 2);
        assert_eq!(edits(&[], &[1, 2, 3]), 3);
    }
}
