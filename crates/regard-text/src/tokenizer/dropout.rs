//! Byte-pair encoding that forgets some of its merges: BPE dropout (Provilkov, Emelianenko and
//! Voita 2020, <https://arxiv.org/abs/1910.13267>).
//!
//! `tokenizers` can do so, too, but draws from a generator of the thread, so that no run could be
//! repeated.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use serde::Deserialize;
use tokenizers::models::bpe::BPE;
use tokenizers::tokenizer::Result;

use super::draws::Draws;

/// The merges of a BPE model, each of which is passed over with a probability at each step.
///
/// A word starts as its characters. At each step, every couple of neighbours that could be merged is
/// left out of account with probability p; of the others, the one learned first is merged, the
/// leftmost among equals. When all are left out, the word is done.
///
/// # Differences
///
/// - Paper: Algorithm 1. Draws are made in the order of the merges, and only up to the first couple
///   that stays, which changes no probability.
/// - `subword-nmt`: merges all places of the chosen couple at once, here one at a time.
/// - `tokenizers`: `ignore_merges`, which takes a known word whole, is not heeded.
#[derive(Debug)]
pub(super) struct MergeDropout {
    probability: f64,
    symbols: HashMap<String, u32>,
    merges: HashMap<(u32, u32), Merge>,
    unknown: Option<u32>,
    fuse_unknown: bool,
    byte_fallback: bool,
    prefix: Option<String>,
    suffix: Option<String>,
}

/// What two neighbours become; merges of lower rank were learned earlier.
#[derive(Debug, Clone, Copy)]
struct Merge {
    rank: u32,
    joined: u32,
}

/// What a `tokenizer.json` says of a BPE model.
#[derive(Deserialize)]
struct Saved {
    vocab: HashMap<String, u32>,
    merges: Vec<(String, String)>,
    unk_token: Option<String>,
    fuse_unk: bool,
    byte_fallback: bool,
    continuing_subword_prefix: Option<String>,
    end_of_word_suffix: Option<String>,
}

/// A couple that may be merged, and the two ids it had when it was noted. Ordered as merges are
/// made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Candidate {
    rank: u32,
    place: usize,
    left: u32,
    right: u32,
    joined: u32,
}

/// A symbol of a word and its neighbours.
#[derive(Debug, Clone, Copy)]
struct Symbol {
    id: u32,
    previous: usize,
    next: usize,
    alive: bool,
}

/// No neighbour.
const NONE: usize = usize::MAX;

/// Memory for one word, used again for the next.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    word: Vec<Symbol>,
    candidates: BinaryHeap<Reverse<Candidate>>,
    dropped: Vec<Reverse<Candidate>>,
}

impl MergeDropout {
    /// The merges of `model`, each passed over with `probability`.
    pub(super) fn new(model: &BPE, probability: f64) -> Result<Self> {
        // The model shows its merges only in what it saves.
        let saved: Saved = serde_json::from_value(serde_json::to_value(model)?)?;
        let symbols = saved.vocab;
        let prefix = saved.continuing_subword_prefix;
        let mut merges = HashMap::with_capacity(saved.merges.len());
        for ((left, right), rank) in saved.merges.iter().zip(0..) {
            let rest = prefix
                .as_deref()
                .and_then(|prefix| right.strip_prefix(prefix))
                .unwrap_or(right);
            let id = |token: &str| {
                let known = symbols.get(token).copied();
                known.ok_or_else(|| format!("a merge needs `{token}`, which has no id"))
            };
            let joined = id(&format!("{left}{rest}"))?;
            merges.insert((id(left)?, id(right)?), Merge { rank, joined });
        }
        Ok(Self {
            probability,
            unknown: saved
                .unk_token
                .and_then(|token| symbols.get(&token).copied()),
            symbols,
            merges,
            fuse_unknown: saved.fuse_unk,
            byte_fallback: saved.byte_fallback,
            prefix,
            suffix: saved.end_of_word_suffix,
        })
    }

    /// Adds the ids of `word` to `ids`.
    pub(super) fn encode(
        &self,
        word: &str,
        mut draws: Draws,
        scratch: &mut Scratch,
        ids: &mut Vec<u32>,
    ) {
        scratch.word.clear();
        scratch.candidates.clear();
        scratch.dropped.clear();
        self.spell(word, &mut scratch.word);
        for place in 0..scratch.word.len() {
            self.note(place, scratch);
        }
        while let Some(first) = scratch.candidates.pop() {
            let Reverse(candidate) = first;
            if !scratch.still_holds(candidate) {
                continue;
            }
            if draws.uniform() < self.probability {
                scratch.dropped.push(first);
                continue;
            }
            scratch.candidates.extend(scratch.dropped.drain(..));
            let previous = scratch.merge(candidate);
            if previous != NONE {
                self.note(previous, scratch);
            }
            self.note(candidate.place, scratch);
        }
        let alive = scratch.word.iter().filter(|symbol| symbol.alive);
        ids.extend(alive.map(|symbol| symbol.id));
    }

    /// The characters of a word as symbols, as `tokenizers` spells it.
    fn spell(&self, word: &str, symbols: &mut Vec<Symbol>) {
        let mut add = |id| {
            let place = symbols.len();
            if let Some(last) = symbols.last_mut() {
                last.next = place;
            }
            symbols.push(Symbol {
                id,
                previous: place.checked_sub(1).unwrap_or(NONE),
                next: NONE,
                alive: true,
            });
        };
        // An unknown symbol waits for the next one, and lets bytes pass: `tokenizers` does it so.
        let mut waiting = None;
        for (start, character) in word.char_indices() {
            let end = start + character.len_utf8();
            let symbol = self.dressed(&word[start..end], start == 0, end == word.len());
            if let Some(&id) = self.symbols.get(symbol.as_ref()) {
                waiting.take().into_iter().for_each(&mut add);
                add(id);
            } else if let Some(bytes) = self.bytes(&symbol) {
                bytes.into_iter().for_each(&mut add);
            } else if self.unknown.is_some() {
                if !self.fuse_unknown {
                    waiting.take().into_iter().for_each(&mut add);
                }
                waiting = self.unknown;
            }
        }
        waiting.into_iter().for_each(add);
    }

    /// A character with the marks of its place in the word.
    fn dressed<'a>(&self, character: &'a str, first: bool, last: bool) -> Cow<'a, str> {
        let prefix = self.prefix.as_deref().filter(|_| !first);
        let suffix = self.suffix.as_deref().filter(|_| last);
        match (prefix, suffix) {
            (None, None) => character.into(),
            (prefix, suffix) => [
                prefix.unwrap_or_default(),
                character,
                suffix.unwrap_or_default(),
            ]
            .concat()
            .into(),
        }
    }

    /// The ids of a symbol's bytes, if the model falls back on bytes and has them all.
    fn bytes(&self, symbol: &str) -> Option<Vec<u32>> {
        if !self.byte_fallback {
            return None;
        }
        let id = |byte| self.symbols.get(&format!("<0x{byte:02X}>")).copied();
        symbol.bytes().map(id).collect()
    }

    /// Notes that the symbol at `place` may be merged with the next one, if so.
    fn note(&self, place: usize, scratch: &mut Scratch) {
        let Symbol { id: left, next, .. } = scratch.word[place];
        let Some(&Symbol { id: right, .. }) = scratch.word.get(next) else {
            return;
        };
        if let Some(&Merge { rank, joined }) = self.merges.get(&(left, right)) {
            scratch.candidates.push(Reverse(Candidate {
                rank,
                place,
                left,
                right,
                joined,
            }));
        }
    }
}

impl Scratch {
    /// Whether both symbols of a candidate are still there, side by side.
    fn still_holds(&self, candidate: Candidate) -> bool {
        let left = self.word[candidate.place];
        left.alive
            && left.id == candidate.left
            && self
                .word
                .get(left.next)
                .is_some_and(|right| right.id == candidate.right)
    }

    /// Merges the two symbols of a candidate; hands back the place before them, or [`NONE`].
    fn merge(&mut self, candidate: Candidate) -> usize {
        let Symbol { previous, next, .. } = self.word[candidate.place];
        self.word[next].alive = false;
        let after = self.word[next].next;
        if let Some(after) = self.word.get_mut(after) {
            after.previous = candidate.place;
        }
        let left = &mut self.word[candidate.place];
        left.id = candidate.joined;
        left.next = after;
        previous
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tokenizers::tokenizer::Model;

    use super::super::merges;
    use super::*;

    fn model(words: &[(&str, u64)]) -> BPE {
        let words: Vec<(String, u64)> = words
            .iter()
            .map(|&(word, count)| (word.to_owned(), count))
            .collect();
        let mut model = merges::learn(&words, 100, &["<unk>"]).unwrap();
        model.unk_token = Some("<unk>".to_owned());
        model
    }

    fn cut(model: &BPE, probability: f64, word: &str, key: u64) -> Vec<u32> {
        let dropout = MergeDropout::new(model, probability).unwrap();
        let mut ids = Vec::new();
        dropout.encode(word, Draws::new(key, 0), &mut Scratch::default(), &mut ids);
        ids
    }

    fn plain(model: &BPE, word: &str) -> Vec<u32> {
        let tokens = model.tokenize(word).unwrap();
        tokens.iter().map(|token| token.id).collect()
    }

    /// One BPE for each way a file can ask for symbols to be spelled.
    fn models() -> Vec<BPE> {
        let learned = model(&[("abab", 5), ("abc", 9), ("bcb", 4), ("ccab", 7), ("ba", 3)]);
        let mut fused = learned.clone();
        fused.fuse_unk = true;
        let mut silent = learned.clone();
        silent.unk_token = None;
        let vocabulary = |tokens: &[&str]| {
            let numbered = tokens.iter().zip(0..);
            numbered
                .map(|(&token, id)| (token.to_owned(), id))
                .collect::<HashMap<_, _>>()
        };
        let couples = |merges: &[(&str, &str)]| {
            merges
                .iter()
                .map(|&(left, right)| (left.to_owned(), right.to_owned()))
                .collect()
        };
        let build = |tokens: &[&str], merges: &[(&str, &str)]| {
            let tokens = vocabulary(tokens).into_iter().collect::<Vec<_>>();
            BPE::builder().vocab_and_merges(
                tokens
                    .into_iter()
                    .collect::<tokenizers::models::bpe::Vocab>(),
                couples(merges),
            )
        };
        let prefixed = build(
            &[
                "a", "b", "##a", "##b", "##c", "a##b", "ab", "##bc", "abc", "##ab",
            ],
            &[("a", "##b"), ("##b", "##c"), ("ab", "##c"), ("##a", "##b")],
        );
        let suffixed = build(
            &["a", "b", "c", "a</w>", "b</w>", "ab", "ab</w>", "<unk>"],
            &[("a", "b</w>"), ("a", "b")],
        );
        let bytes = build(&["a", "b", "ab", "<0x64>", "<unk>"], &[("a", "b")]);
        vec![
            learned,
            fused,
            silent,
            prefixed
                .continuing_subword_prefix("##".to_owned())
                .build()
                .unwrap(),
            suffixed
                .end_of_word_suffix("</w>".to_owned())
                .unk_token("<unk>".to_owned())
                .build()
                .unwrap(),
            bytes
                .byte_fallback(true)
                .unk_token("<unk>".to_owned())
                .build()
                .unwrap(),
        ]
    }

    proptest! {
        #[test]
        fn without_dropout_words_are_cut_as_tokenizers_does(word in "[abcdé]{1,20}", key in any::<u64>()) {
            for model in models() {
                prop_assert_eq!(cut(&model, 0.0, &word, key), plain(&model, &word), "{:?}", model);
            }
        }

        #[test]
        fn a_word_takes_nothing_from_the_one_before(words in prop::collection::vec("[abc]{0,12}", 1..6)) {
            let dropout = MergeDropout::new(&models()[0], 0.4).unwrap();
            let mut scratch = Scratch::default();
            for word in &words {
                let (mut used, mut fresh) = (Vec::new(), Vec::new());
                dropout.encode(word, Draws::new(3, 5), &mut scratch, &mut used);
                dropout.encode(word, Draws::new(3, 5), &mut Scratch::default(), &mut fresh);
                prop_assert_eq!(used, fresh);
            }
        }
    }

    #[test]
    fn cuts_come_as_often_as_the_paper_has_it() {
        // "abc" with the merges `ab`, then `abc`; and `bc`, learned last, which can only be made where
        // `ab` was passed over. Enumerated by hand for p = 0.3:
        // first step: `ab` 0.7, else `bc` 0.3 x 0.7, else nothing 0.3 x 0.3;
        // after `ab`: `abc` 0.7, else done. After `bc`: nothing merges `a` and `bc`.
        let tokens = ["a", "b", "c", "ab", "abc", "bc"];
        let vocabulary: tokenizers::models::bpe::Vocab = tokens
            .iter()
            .zip(0..)
            .map(|(&token, id)| (token.to_owned(), id))
            .collect();
        let merges = [("a", "b"), ("ab", "c"), ("b", "c")]
            .map(|(left, right)| (left.to_owned(), right.to_owned()));
        let model = BPE::builder()
            .vocab_and_merges(vocabulary, merges.to_vec())
            .build()
            .unwrap();
        let dropout = MergeDropout::new(&model, 0.3).unwrap();
        let mut counts: HashMap<Vec<u32>, u32> = HashMap::new();
        let mut scratch = Scratch::default();
        for key in 0..10_000 {
            let mut ids = Vec::new();
            dropout.encode("abc", Draws::new(key, 0), &mut scratch, &mut ids);
            *counts.entry(ids).or_insert(0) += 1;
        }
        let expected = [
            (vec![4], 0.49),
            (vec![3, 2], 0.21),
            (vec![0, 5], 0.21),
            (vec![0, 1, 2], 0.09),
        ];
        assert_eq!(counts.len(), expected.len(), "{counts:?}");
        for (ids, share) in expected {
            // Four standard deviations at most.
            let count = f64::from(counts[&ids]);
            assert!((count - 10_000.0 * share).abs() < 200.0, "{ids:?}: {count}");
        }
    }

    #[test]
    fn a_word_with_many_symbols_takes_moderate_time() {
        let word = "ab".repeat(50_000);
        let model = &models()[0];
        assert_eq!(cut(model, 0.0, &word, 1), plain(model, &word));
        assert!(cut(model, 0.9, &word, 1).len() > plain(model, &word).len());
    }
}
