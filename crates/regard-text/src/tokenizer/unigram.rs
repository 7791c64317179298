//! A unigram language model of pieces, trained so that the same text gives the same bytes.
//!
//! The trainer of `tokenizers` adds floating-point numbers in an order that depends on the number
//! of threads, and hands out the scores of rare characters in the order of a hash map. So it runs
//! on one thread, over sorted pieces, and those scores are handed out anew.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use tokenizers::models::unigram::{Unigram, UnigramTrainer};
use tokenizers::tokenizer::{AddedToken, Result};

/// Longer pieces are cut, in characters: the trainer panics when a probability underflows.
const LONGEST_PIECE: usize = 250;

/// The distance between two made-up scores, as the trainer has it.
const STEP: f64 = 0.0001;

/// Learns at most `vocabulary` pieces; `reserved` come first, the unknown token at `unknown` among
/// them.
pub(super) fn learn(
    pieces: &[(String, u64)],
    vocabulary: usize,
    reserved: &[&str],
    unknown: usize,
) -> Result<Unigram> {
    // The trainer overshoots unless there is room for one piece besides the characters.
    let words = known_words(pieces, vocabulary - reserved.len() - 1);
    let trainer = UnigramTrainer::builder()
        .show_progress(false)
        .vocab_size(u32::try_from(vocabulary)?)
        .special_tokens(
            reserved
                .iter()
                .map(|&token| AddedToken::from(token, true))
                .collect(),
        )
        .unk_token(Some(reserved[unknown].to_owned()))
        .build()?;
    let mut model = Unigram::default();
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    one_thread.install(|| trainer.do_train(words, &mut model))?;
    let scored = canonical(model.iter().skip(reserved.len()).cloned().collect());
    let mut all: Vec<(String, f64)> = reserved
        .iter()
        .map(|&token| (token.to_owned(), 0.0))
        .collect();
    all.extend(scored);
    all.truncate(vocabulary);
    Unigram::from(all, Some(unknown), false)
}

/// Pieces cut at all but the `room` most frequent characters.
fn known_words(pieces: &[(String, u64)], room: usize) -> Vec<(String, u32)> {
    let mut counts: HashMap<char, u64> = HashMap::new();
    for (piece, count) in pieces {
        for character in piece.chars() {
            *counts.entry(character).or_insert(0) += count;
        }
    }
    let mut characters: Vec<(char, u64)> = counts.into_iter().collect();
    characters.sort_unstable_by_key(|&(character, count)| (Reverse(count), character));
    let known: HashSet<char> = characters
        .into_iter()
        .take(room)
        .map(|(character, _)| character)
        .collect();
    let mut words: Vec<(String, u32)> = Vec::with_capacity(pieces.len());
    for (piece, count) in pieces {
        let count = u32::try_from(*count).unwrap_or(u32::MAX);
        let characters: Vec<char> = piece.chars().collect();
        let parts = characters.split(|character| !known.contains(character));
        let parts = parts.flat_map(|part| part.chunks(LONGEST_PIECE));
        words.extend(parts.map(|part| (String::from_iter(part), count)));
    }
    words
}

/// Best score first, then by spelling.
///
/// Characters that training had pruned come back with made-up scores on a ladder that starts at the
/// lowest one. Which of them got which rung is chance, so the rungs are dealt out again in the
/// order of the characters.
fn canonical(mut scored: Vec<(String, f64)>) -> Vec<(String, f64)> {
    let mut characters: Vec<usize> = (0..scored.len())
        .filter(|&place| scored[place].0.chars().count() == 1)
        .collect();
    characters.sort_by(|&a, &b| scored[a].1.total_cmp(&scored[b].1));
    let on_ladder = ladder(
        &characters
            .iter()
            .map(|&place| scored[place].1)
            .collect::<Vec<_>>(),
    );
    let mut made_up: Vec<usize> = characters
        .into_iter()
        .zip(on_ladder)
        .filter_map(|(place, on)| on.then_some(place))
        .collect();
    let mut rungs: Vec<f64> = made_up.iter().map(|&place| scored[place].1).collect();
    rungs.sort_by(|a, b| b.total_cmp(a));
    made_up.sort_by(|&a, &b| scored[a].0.cmp(&scored[b].0));
    for (place, rung) in made_up.into_iter().zip(rungs) {
        scored[place].1 = rung;
    }
    scored.sort_by(|(left, a), (right, b)| b.total_cmp(a).then_with(|| left.cmp(right)));
    scored
}

/// Which of the ascending `scores` are the lowest one plus a whole number of steps.
fn ladder(scores: &[f64]) -> Vec<bool> {
    let mut penalty = 0.0;
    let mut on_ladder = Vec::with_capacity(scores.len());
    for &score in scores {
        // Summed step by step, as the trainer does, so that rungs are met to the bit.
        while scores[0] + penalty < score {
            penalty += STEP;
        }
        on_ladder.push((scores[0] + penalty).to_bits() == score.to_bits());
    }
    on_ladder
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scored(pieces: &[(&str, f64)]) -> Vec<(String, f64)> {
        pieces
            .iter()
            .map(|&(piece, score)| (piece.to_owned(), score))
            .collect()
    }

    #[test]
    fn made_up_scores_do_not_depend_on_who_came_first() {
        let (first, second) = (-9.0 + STEP, -9.0 + STEP + STEP);
        let one = scored(&[
            ("z", -9.0),
            ("x", first),
            ("y", second),
            ("xyz", -8.9999),
            ("e", -2.0),
        ]);
        let other = scored(&[
            ("y", -9.0),
            ("z", first),
            ("x", second),
            ("xyz", -8.9999),
            ("e", -2.0),
        ]);
        assert_eq!(canonical(one), canonical(other));
    }

    #[test]
    fn learned_scores_stay() {
        let learned = scored(&[("e", -2.0), ("ab", -2.5), ("a", -3.25), ("b", -3.5)]);
        assert_eq!(canonical(learned.clone()), learned);
    }

    #[test]
    fn the_rarest_characters_go_when_there_is_no_room() {
        let pieces = [("axb".to_owned(), 2), ("ab".to_owned(), 1)];
        assert_eq!(
            known_words(&pieces, 2),
            [("a", 2), ("b", 2), ("ab", 1)].map(|(word, n)| (word.to_owned(), n))
        );
    }
}
