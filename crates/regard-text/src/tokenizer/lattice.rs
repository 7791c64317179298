//! Cutting a word at random under a unigram model of pieces: subword regularisation (Kudo 2018,
//! <https://arxiv.org/abs/1804.10959>).

use std::collections::HashMap;

use serde::Deserialize;
use tokenizers::models::unigram::Unigram;
use tokenizers::tokenizer::Result;

use super::draws::Draws;

/// Taken off the score of an unknown character, in nats: more than all known pieces of a word can
/// make up for, so that nothing becomes unknown that a piece could spell.
const UNKNOWN_PENALTY: f64 = 1e6;

/// The pieces of a unigram model, out of which a word is drawn.
///
/// A cut of a word into pieces `x_1 ... x_m` has the probability
///
/// ```text
/// P(x) = exp(alpha (s_1 + ... + s_m)) / Z       s_i: log-probability of x_i
/// ```
///
/// over all cuts there are. It is drawn exactly: sums of weights run forward over the lattice of
/// pieces, then pieces are drawn from the end of the word back to its start.
///
/// # Differences
///
/// - Paper: section 3.2 with `l` infinite, in place of the `l` best cuts.
/// - `SentencePiece`: unknown characters are taken only where no piece spells them; there, a small
///   `alpha` makes them as likely as other pieces.
#[derive(Debug)]
pub(super) struct Lattice {
    pieces: HashMap<String, Piece>,
    /// Characters of the longest piece.
    longest: usize,
    unknown: u32,
    /// The 256 bytes, if the model spells with them what is unknown.
    bytes: Option<Vec<u32>>,
}

/// A piece and `alpha` times its score.
#[derive(Debug, Clone, Copy)]
struct Piece {
    id: u32,
    weight: f64,
}

/// What a `tokenizer.json` says of a unigram model.
#[derive(Deserialize)]
struct Saved {
    vocab: Vec<(String, f64)>,
    unk_id: Option<u32>,
    byte_fallback: bool,
}

/// A piece that ends where it is listed, and where it begins, in characters. `None` is an unknown
/// character.
#[derive(Debug, Clone, Copy)]
struct Edge {
    start: usize,
    id: Option<u32>,
    weight: f64,
}

/// Memory for one word, used again for the next.
#[derive(Debug, Default)]
pub(super) struct LatticeScratch {
    /// Byte offsets of the characters and of the end.
    offsets: Vec<usize>,
    /// All edges, by their end.
    edges: Vec<Edge>,
    /// Where the edges begin that end after so many characters.
    ends: Vec<usize>,
    /// Logarithm of the summed weights of all ways to spell so many characters.
    sums: Vec<f64>,
    /// The cut, last piece first.
    drawn: Vec<Edge>,
}

impl Lattice {
    /// The pieces of `model`, their scores times `alpha`; `unknown` is the id of what they cannot
    /// spell if the model does not say.
    pub(super) fn new(model: &Unigram, alpha: f64, unknown: u32) -> Result<Self> {
        // The model shows the id of its unknown token only in what it saves.
        let saved: Saved = serde_json::from_value(serde_json::to_value(model)?)?;
        let mut pieces = HashMap::with_capacity(saved.vocab.len());
        for ((piece, score), id) in saved.vocab.into_iter().zip(0..) {
            let weight = alpha * score;
            pieces.insert(piece, Piece { id, weight });
        }
        let byte = |byte: u8| Some(pieces.get(&format!("<0x{byte:02X}>"))?.id);
        let bytes = saved
            .byte_fallback
            .then(|| (0..=u8::MAX).map(byte).collect());
        Ok(Self {
            longest: pieces
                .keys()
                .map(|piece| piece.chars().count())
                .max()
                .unwrap_or(0),
            unknown: saved.unk_id.unwrap_or(unknown),
            bytes: bytes.flatten(),
            pieces,
        })
    }

    /// Adds the ids of `word` to `ids`.
    pub(super) fn encode(
        &self,
        word: &str,
        draws: Draws,
        scratch: &mut LatticeScratch,
        ids: &mut Vec<u32>,
    ) {
        self.fill(word, scratch);
        scratch.draw(draws);
        let mut in_unknown = false;
        for edge in scratch.drawn.iter().rev() {
            match (edge.id, &self.bytes) {
                (Some(id), _) => ids.push(id),
                (None, Some(bytes)) => {
                    let character = scratch.offsets[edge.start]..scratch.offsets[edge.start + 1];
                    let spelled = word[character].bytes();
                    ids.extend(spelled.map(|byte| bytes[usize::from(byte)]));
                }
                // Unknown characters in a row are one unknown token.
                (None, None) if !in_unknown => ids.push(self.unknown),
                (None, None) => {}
            }
            in_unknown = edge.id.is_none();
        }
    }

    /// Lists the edges of a word and sums their weights, from its start to its end.
    fn fill(&self, word: &str, scratch: &mut LatticeScratch) {
        scratch.clear();
        let starts = word.char_indices().map(|(offset, _)| offset);
        scratch.offsets.extend(starts.chain([word.len()]));
        scratch.sums.push(0.0);
        scratch.ends.push(0);
        for end in 1..scratch.offsets.len() {
            scratch.ends.push(scratch.edges.len());
            for start in end.saturating_sub(self.longest)..end {
                let piece = &word[scratch.offsets[start]..scratch.offsets[end]];
                if let Some(&Piece { id, weight }) = self.pieces.get(piece) {
                    let id = Some(id);
                    scratch.edges.push(Edge { start, id, weight });
                }
            }
            let listed = &scratch.edges[scratch.ends[end]..];
            // A piece of one character would be the last in the list.
            if listed.last().is_none_or(|edge| edge.start + 1 < end) {
                scratch.edges.push(Edge {
                    start: end - 1,
                    id: None,
                    weight: -UNKNOWN_PENALTY,
                });
            }
            let sum = scratch.sum(end);
            scratch.sums.push(sum);
        }
        scratch.ends.push(scratch.edges.len());
    }
}

impl LatticeScratch {
    fn clear(&mut self) {
        self.offsets.clear();
        self.edges.clear();
        self.ends.clear();
        self.sums.clear();
        self.drawn.clear();
    }

    /// Logarithm of the summed weights of what ends at `end`, whose edges are the last ones listed.
    fn sum(&self, end: usize) -> f64 {
        let weights = || {
            let edges = self.edges[self.ends[end]..].iter();
            edges.map(|edge| self.sums[edge.start] + edge.weight)
        };
        let largest = weights().fold(f64::NEG_INFINITY, f64::max);
        let rest: f64 = weights().map(|weight| (weight - largest).exp()).sum();
        largest + rest.ln()
    }

    /// Draws pieces from the end of the word back to its start.
    fn draw(&mut self, mut draws: Draws) {
        let mut end = self.offsets.len() - 1;
        while end > 0 {
            let edges = &self.edges[self.ends[end]..self.ends[end + 1]];
            let mut left = draws.uniform();
            let edge = edges.iter().find(|edge| {
                left -= (self.sums[edge.start] + edge.weight - self.sums[end]).exp();
                left < 0.0
            });
            // The shares add up to one but for rounding.
            let edge = *edge.unwrap_or(&edges[edges.len() - 1]);
            self.drawn.push(edge);
            end = edge.start;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use tokenizers::tokenizer::Model;

    use super::*;

    fn model(pieces: &[(&str, f64)]) -> Unigram {
        let mut all = vec![("<unk>".to_owned(), 0.0)];
        all.extend(
            pieces
                .iter()
                .map(|&(piece, score)| (piece.to_owned(), score)),
        );
        Unigram::from(all, Some(0), false).unwrap()
    }

    /// `a` 1, `b` 2, `c` 3, `ab` 4, `bc` 5, `abc` 6.
    fn small() -> Unigram {
        model(&[
            ("a", -1.0),
            ("b", -1.5),
            ("c", -2.0),
            ("ab", -2.25),
            ("bc", -3.0),
            ("abc", -4.0),
        ])
    }

    fn cut(lattice: &Lattice, word: &str, key: u64) -> Vec<u32> {
        let mut ids = Vec::new();
        let draws = Draws::new(key, 0);
        lattice.encode(word, draws, &mut LatticeScratch::default(), &mut ids);
        ids
    }

    /// The frequencies of 20,000 cuts lie beside their probabilities.
    fn check_frequencies(alpha: f64, word: &str, cuts: &[(&[u32], f64)]) {
        let lattice = Lattice::new(&small(), alpha, 0).unwrap();
        let mut counts: BTreeMap<Vec<u32>, f64> = BTreeMap::new();
        let rounds = 20_000;
        for key in 0..rounds {
            *counts.entry(cut(&lattice, word, key)).or_insert(0.0) += 1.0;
        }
        assert_eq!(counts.len(), cuts.len(), "{counts:?}");
        let total: f64 = cuts.iter().map(|(_, score)| (alpha * score).exp()).sum();
        let chi_square: f64 = cuts
            .iter()
            .map(|&(ids, score)| {
                let expected = rounds as f64 * (alpha * score).exp() / total;
                (counts[ids] - expected).powi(2) / expected
            })
            .sum();
        // At most four degrees of freedom: beyond 23.5 once in 10,000 sets of keys.
        assert!(chi_square < 23.5, "alpha {alpha}: {chi_square}, {counts:?}");
    }

    #[test]
    fn cuts_come_as_often_as_the_model_has_it() {
        // All cuts, with the sums of their scores.
        let abc: [(&[u32], f64); 4] = [
            (&[1, 2, 3], -4.5),
            (&[4, 3], -4.25),
            (&[1, 5], -4.0),
            (&[6], -4.0),
        ];
        let abab: [(&[u32], f64); 4] = [
            (&[1, 2, 1, 2], -5.0),
            (&[4, 1, 2], -4.75),
            (&[1, 2, 4], -4.75),
            (&[4, 4], -4.5),
        ];
        for alpha in [0.1, 1.0, 3.0] {
            check_frequencies(alpha, "abc", &abc);
            check_frequencies(alpha, "abab", &abab);
        }
    }

    proptest! {
        #[test]
        fn a_large_alpha_gives_the_best_cut(word in "[abcxé]{1,12}", key in any::<u64>()) {
            // No two cuts of a word score the same.
            let model = model(&[
                ("a", -1.01), ("b", -1.52), ("c", -2.07), ("ab", -2.251), ("bc", -3.097), ("abc", -4.1003), ("ca", -2.57),
            ]);
            let lattice = Lattice::new(&model, 1e6, 0).unwrap();
            let best: Vec<u32> = model.tokenize(&word).unwrap().iter().map(|token| token.id).collect();
            prop_assert_eq!(cut(&lattice, &word, key), best);
        }

        #[test]
        fn a_word_takes_nothing_from_the_one_before(words in prop::collection::vec("[abcx]{0,12}", 1..6)) {
            let lattice = Lattice::new(&small(), 0.2, 0).unwrap();
            let mut scratch = LatticeScratch::default();
            for word in &words {
                let mut used = Vec::new();
                lattice.encode(word, Draws::new(7, 0), &mut scratch, &mut used);
                prop_assert_eq!(used, cut(&lattice, word, 7));
            }
        }
    }

    #[test]
    fn nothing_becomes_unknown_that_a_piece_spells() {
        let model = model(&[("qu", -9.0), ("u", -1.0), ("i", -1.0)]);
        let lattice = Lattice::new(&model, 0.01, 0).unwrap();
        for key in 0..200 {
            assert_eq!(cut(&lattice, "qui", key), [1, 3]);
            assert_eq!(cut(&lattice, "xqqui", key), [0, 1, 3]);
        }
    }

    #[test]
    fn a_model_with_bytes_spells_the_unknown_by_them() {
        let mut pieces = vec![("<unk>".to_owned(), 0.0), ("a".to_owned(), -1.0)];
        pieces.extend((0..=u8::MAX).map(|byte| (format!("<0x{byte:02X}>"), -5.0)));
        let model = Unigram::from(pieces, Some(0), true).unwrap();
        let lattice = Lattice::new(&model, 0.5, 0).unwrap();
        // The two bytes of the letter are 0xC3 and 0xA9.
        let expected = [1, 2 + 0xc3, 2 + 0xa9, 2 + 0xc3, 2 + 0xa9];
        assert_eq!(cut(&lattice, "aéé", 1), expected);
        let best = model.tokenize("aéé").unwrap();
        assert!(best.iter().map(|token| token.id).eq(expected));
    }

    #[test]
    fn a_long_word_stays_a_matter_of_numbers() {
        let lattice = Lattice::new(&small(), 0.2, 0).unwrap();
        let known = cut(&lattice, &"abc".repeat(30_000), 1);
        assert!(known.iter().all(|&id| id > 0));
        assert_eq!(cut(&lattice, &"x".repeat(90_000), 1), [0]);
    }
}
