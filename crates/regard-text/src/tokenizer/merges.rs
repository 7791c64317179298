//! Byte-pair encoding by the trainer of `tokenizers`, from an alphabet chosen here.
//!
//! The trainer takes the size of the vocabulary as a goal and passes it where there are more
//! characters than that; its limit on characters breaks ties by the order of a hash map, and
//! characters with a prefix get their ids in such an order. So the alphabet is settled before the
//! trainer starts, and is given to it in the way of special tokens, which keep their order.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use tokenizers::models::bpe::{BPE, BpeTrainer};
use tokenizers::tokenizer::{AddedToken, Result};

/// Merges that occur only once in the text teach nothing that another text would use.
const LEAST_COUNT: u64 = 2;

/// Longer pieces are cut, in characters: the trainer's time grows with the square of the length.
const LONGEST_PIECE: usize = 1000;

/// Learns merges until there are `vocabulary` tokens or nothing is left to merge.
///
/// `reserved` tokens come first. Characters follow in their order; if there are too many, the
/// rarest are left out.
pub(super) fn learn(pieces: &[(String, u64)], vocabulary: usize, reserved: &[&str]) -> Result<BPE> {
    let (words, alphabet) = prepare(pieces, vocabulary - reserved.len(), "");
    train(&words, vocabulary, first(reserved, &alphabet), None)
}

/// The tokens of [`learn`], in the order of their ids, where all characters of a piece but the
/// first carry `continuation` as a prefix.
pub(super) fn learn_continued(
    pieces: &[(String, u64)],
    vocabulary: usize,
    reserved: &[&str],
    continuation: &str,
) -> Result<Vec<String>> {
    let (words, alphabet) = prepare(pieces, vocabulary - reserved.len(), continuation);
    // The trainer adds each character without the prefix, too, whether it begins a piece or not.
    let unused: BTreeSet<String> = words
        .keys()
        .flat_map(|word| spell(word, ""))
        .filter(|symbol| !alphabet.contains(symbol))
        .collect();
    let model = train(
        &words,
        vocabulary + unused.len(),
        first(reserved, &alphabet),
        Some(continuation),
    )?;
    let mut tokens: Vec<(String, u32)> = model.get_vocab().into_iter().collect();
    tokens.retain(|(token, _)| !unused.contains(token));
    tokens.sort_unstable_by_key(|&(_, id)| id);
    Ok(tokens.into_iter().map(|(token, _)| token).collect())
}

/// The words to train on, and the `room` most frequent symbols; of equally frequent ones, the first
/// by code point.
///
/// A word with a symbol that is left out goes with it: the alphabet then fills the vocabulary, and
/// nothing is merged.
fn prepare(
    pieces: &[(String, u64)],
    room: usize,
    prefix: &str,
) -> (BTreeMap<String, u64>, BTreeSet<String>) {
    let mut words: BTreeMap<String, u64> = BTreeMap::new();
    let mut counts: HashMap<String, u64> = HashMap::new();
    for (piece, count) in pieces {
        let characters: Vec<char> = piece.chars().collect();
        for part in characters.chunks(LONGEST_PIECE) {
            let word = String::from_iter(part);
            for symbol in spell(&word, prefix) {
                *counts.entry(symbol).or_insert(0) += count;
            }
            *words.entry(word).or_insert(0) += count;
        }
    }
    let mut symbols: Vec<(String, u64)> = counts.into_iter().collect();
    symbols.sort_unstable_by(|(left, a), (right, b)| (Reverse(a), left).cmp(&(Reverse(b), right)));
    let alphabet: BTreeSet<String> = symbols
        .into_iter()
        .take(room)
        .map(|(symbol, _)| symbol)
        .collect();
    words.retain(|word, _| spell(word, prefix).all(|symbol| alphabet.contains(&symbol)));
    (words, alphabet)
}

fn spell(word: &str, prefix: &str) -> impl Iterator<Item = String> {
    word.chars()
        .enumerate()
        .map(move |(place, character)| match place {
            0 => character.to_string(),
            _ => format!("{prefix}{character}"),
        })
}

fn first(reserved: &[&str], alphabet: &BTreeSet<String>) -> Vec<AddedToken> {
    let alphabet = alphabet.iter().map(String::as_str);
    let tokens = reserved.iter().copied().chain(alphabet);
    tokens.map(|token| AddedToken::from(token, true)).collect()
}

fn train(
    words: &BTreeMap<String, u64>,
    vocabulary: usize,
    first: Vec<AddedToken>,
    continuation: Option<&str>,
) -> Result<BPE> {
    // The trainer sets memory aside for as many tokens as it may make. Each character of a word
    // makes at most itself and one merge.
    let possible = first.len() + 2 * words.keys().map(String::len).sum::<usize>();
    let mut trainer = BpeTrainer::builder()
        .show_progress(false)
        .min_frequency(LEAST_COUNT)
        .vocab_size(vocabulary.min(possible))
        .special_tokens(first);
    if let Some(prefix) = continuation {
        trainer = trainer.continuing_subword_prefix(prefix.to_owned());
    }
    let counts = words
        .iter()
        .map(|(word, &count)| (word.as_str().into(), count));
    let mut model = BPE::default();
    trainer.build().do_train(&counts.collect(), &mut model)?;
    Ok(model)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn pieces(text: &[(&str, u64)]) -> Vec<(String, u64)> {
        text.iter()
            .map(|&(piece, count)| (piece.to_owned(), count))
            .collect()
    }

    fn tokens(learned: &BPE) -> Vec<String> {
        let by_id: BTreeMap<u32, String> = learned
            .get_vocab()
            .into_iter()
            .map(|(token, id)| (id, token))
            .collect();
        by_id.into_values().collect()
    }

    fn couples(learned: &BPE) -> Vec<(String, String)> {
        let file = serde_json::to_value(learned).unwrap();
        serde_json::from_value(file["merges"].clone()).unwrap()
    }

    fn merges(learned: &BPE) -> Vec<String> {
        couples(learned)
            .iter()
            .map(|(left, right)| format!("{left} {right}"))
            .collect()
    }

    #[test]
    fn the_most_frequent_couple_is_merged_first() {
        // The example of Sennrich, Haddow and Birch (2016): es 9, est 9, lo 7, low 7.
        let text = pieces(&[("low", 5), ("lower", 2), ("newest", 6), ("widest", 3)]);
        let learned = learn(&text, 100, &[]).unwrap();
        assert_eq!(merges(&learned)[..4], ["e s", "es t", "l o", "lo w"]);
    }

    #[test]
    fn ties_go_to_the_lower_ids() {
        let learned = learn(&pieces(&[("cd", 3), ("ab", 3), ("ad", 3)]), 100, &[]).unwrap();
        assert_eq!(merges(&learned), ["a b", "a d", "c d"]);
    }

    #[test]
    fn a_token_made_in_two_ways_has_one_id() {
        let text = pieces(&[("abc", 10), ("ab", 9), ("xbc", 30), ("abcd", 4)]);
        let learned = learn(&text, 100, &[]).unwrap();
        let once = |all: &[String]| all.iter().collect::<HashSet<_>>().len() == all.len();
        assert!(once(&tokens(&learned)), "{:?}", tokens(&learned));
        assert!(once(&merges(&learned)), "{:?}", merges(&learned));
    }

    proptest! {
        #[test]
        fn every_merge_makes_a_token_once(
            words in prop::collection::vec(("[abc]{1,8}", 1_u64..9), 1..30), vocabulary in 3_usize..60,
        ) {
            let learned = learn(&words, vocabulary, &[]).unwrap();
            let (listed, all) = (couples(&learned), tokens(&learned));
            let tokens: HashSet<&String> = all.iter().collect();
            prop_assert_eq!(tokens.len(), all.len());
            prop_assert!(tokens.len() <= vocabulary);
            prop_assert_eq!(listed.iter().collect::<HashSet<_>>().len(), listed.len());
            for (left, right) in &listed {
                prop_assert!(tokens.contains(left) && tokens.contains(right));
                let joined = [left.as_str(), right].concat();
                prop_assert!(tokens.contains(&joined));
            }
        }

        #[test]
        fn the_order_of_pieces_does_not_matter(
            mut words in prop::collection::vec(("[abc]{1,8}", 1_u64..9), 1..30),
        ) {
            let file = |words: &[(String, u64)]| {
                serde_json::to_string(&learn(words, 60, &[]).unwrap()).unwrap()
            };
            let continued = |words: &[(String, u64)]| learn_continued(words, 60, &[], "##").unwrap();
            let (learned, split) = (file(&words), continued(&words));
            words.reverse();
            prop_assert_eq!((learned, split), (file(&words), continued(&words)));
        }
    }

    #[test]
    fn the_vocabulary_is_an_upper_bound_and_the_rarest_characters_go() {
        let text = pieces(&[("aab", 3), ("xaa", 1), ("y", 1)]);
        let learned = learn(&text, 4, &["<s>"]).unwrap();
        assert_eq!(tokens(&learned), ["<s>", "a", "b", "x"]);
        let learned = learn(&pieces(&[("ab", 3), ("axb", 2)]), 3, &[]).unwrap();
        assert_eq!((tokens(&learned).len(), merges(&learned)), (3, vec![]));
        for vocabulary in 2..9 {
            let split = learn_continued(&text, vocabulary, &["<s>"], "##").unwrap();
            assert!(split.len() <= vocabulary, "{vocabulary}: {split:?}");
        }
    }

    #[test]
    fn room_that_is_not_needed_takes_no_memory() {
        let text = pieces(&[("aba", 5)]);
        let learned = learn(&text, i32::MAX as usize, &[]).unwrap();
        assert_eq!(tokens(&learned), ["a", "b", "ab", "aba"]);
        let split = learn_continued(&text, i32::MAX as usize, &[], "##").unwrap();
        assert_eq!(split.len(), 5);
    }

    #[test]
    fn what_occurs_once_is_not_merged() {
        let learned = learn(&pieces(&[("abc", 1)]), 100, &[]).unwrap();
        assert!(merges(&learned).is_empty());
    }

    #[test]
    fn continuations_carry_their_prefix_once() {
        let split = learn_continued(&pieces(&[("aba", 5)]), 100, &[], "##").unwrap();
        assert_eq!(split, ["##a", "##b", "a", "##ba", "aba"]);
    }
}
