//! Byte-pair encoding, learned in an order that depends on the text alone.
//!
//! The trainer of `tokenizers` takes the size of the vocabulary as a goal and passes it where there
//! are more characters than that; its limit on characters breaks ties by the order of a hash map.
//! Here the size is a bound, every tie goes to the lower ids, and `wordpiece` learns the same way.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

/// Merges that occur only once in the text teach nothing that another text would use.
const LEAST_COUNT: u64 = 2;

type Id = u32;
type Couple = (Id, Id);

/// A vocabulary and the merges that make it. Ids are places in `tokens`.
#[derive(Debug)]
pub(super) struct Merges {
    pub(super) tokens: Vec<String>,
    pub(super) merges: Vec<(String, String)>,
}

/// Learns merges until there are `vocabulary` tokens or nothing is left to merge.
///
/// `reserved` tokens come first and are never made by a merge. Characters follow in their order; if
/// there are too many, the rarest are left out. With a `continuation`, all characters of a piece
/// but the first carry it as a prefix.
pub(super) fn learn(
    pieces: &[(String, u64)],
    vocabulary: usize,
    reserved: &[&str],
    continuation: Option<&str>,
) -> Merges {
    let spelled: Vec<(Vec<String>, u64)> = pieces
        .iter()
        .map(|(piece, count)| (spell(piece, continuation), *count))
        .collect();
    let mut tokens: Vec<String> = reserved.iter().map(|&token| token.to_owned()).collect();
    tokens.extend(alphabet(
        &spelled,
        vocabulary.saturating_sub(reserved.len()),
    ));
    Learner::new(
        tokens,
        reserved.len(),
        &spelled,
        continuation.unwrap_or_default(),
    )
    .run(vocabulary)
}

fn spell(piece: &str, continuation: Option<&str>) -> Vec<String> {
    let symbol = |(place, character): (usize, char)| match continuation {
        Some(prefix) if place > 0 => format!("{prefix}{character}"),
        _ => character.to_string(),
    };
    piece.chars().enumerate().map(symbol).collect()
}

/// The `room` most frequent symbols, in their own order; equally frequent ones by that order.
fn alphabet(spelled: &[(Vec<String>, u64)], room: usize) -> Vec<String> {
    let mut counts: HashMap<&str, u64> = HashMap::new();
    for (symbols, count) in spelled {
        for symbol in symbols {
            *counts.entry(symbol).or_insert(0) += count;
        }
    }
    let mut symbols: Vec<(&str, u64)> = counts.into_iter().collect();
    symbols.sort_unstable_by_key(|&(symbol, count)| (Reverse(count), symbol));
    symbols.truncate(room);
    let mut kept: Vec<String> = symbols
        .into_iter()
        .map(|(symbol, _)| symbol.to_owned())
        .collect();
    kept.sort_unstable();
    kept
}

struct Learner<'a> {
    tokens: Vec<String>,
    ids: HashMap<String, Id>,
    words: Vec<(Vec<Id>, u64)>,
    counts: HashMap<Couple, u64>,
    /// Words that have, or once had, the couple.
    places: HashMap<Couple, Vec<usize>>,
    /// The most frequent couple first, then the lowest ids. A count may be out of date, but only
    /// too high or repeated.
    queue: BinaryHeap<(u64, Reverse<Couple>)>,
    continuation: &'a str,
}

impl<'a> Learner<'a> {
    fn new(
        tokens: Vec<String>,
        reserved: usize,
        spelled: &[(Vec<String>, u64)],
        continuation: &'a str,
    ) -> Self {
        let ids: HashMap<String, Id> = tokens
            .iter()
            .enumerate()
            .skip(reserved)
            .map(|(place, token)| (token.clone(), id(place)))
            .collect();
        let mut learner = Self {
            tokens,
            words: look_up(spelled, &ids),
            ids,
            counts: HashMap::new(),
            places: HashMap::new(),
            queue: BinaryHeap::new(),
            continuation,
        };
        for place in 0..learner.words.len() {
            let (word, count) = &learner.words[place];
            for couple in word.windows(2) {
                *learner.counts.entry((couple[0], couple[1])).or_insert(0) += count;
                learner
                    .places
                    .entry((couple[0], couple[1]))
                    .or_default()
                    .push(place);
            }
        }
        // The heap orders what the map does not.
        learner.queue = learner
            .counts
            .iter()
            .map(|(&couple, &count)| (count, Reverse(couple)))
            .collect();
        learner
    }

    fn run(mut self, vocabulary: usize) -> Merges {
        let mut merges = Vec::new();
        let mut listed = HashSet::new();
        while self.tokens.len() < vocabulary {
            let Some((count, Reverse(couple))) = self.queue.pop() else {
                break;
            };
            let now = self.counts.get(&couple).copied().unwrap_or(0);
            if now < LEAST_COUNT {
                continue;
            }
            if now < count {
                self.queue.push((now, Reverse(couple)));
                continue;
            }
            let [left, right] = [couple.0, couple.1].map(|id| self.tokens[id as usize].clone());
            let joined = self.id_of(format!(
                "{left}{}",
                right.strip_prefix(self.continuation).unwrap_or(&right)
            ));
            self.apply(couple, joined);
            // A couple can come back when another merge makes one of its tokens anew; its first rank counts.
            if listed.insert(couple) {
                merges.push((left, right));
            }
        }
        Merges {
            tokens: self.tokens,
            merges,
        }
    }

    /// The id of a token that may exist already, since two couples can spell the same.
    fn id_of(&mut self, token: String) -> Id {
        if let Some(&id) = self.ids.get(&token) {
            return id;
        }
        let new = id(self.tokens.len());
        self.tokens.push(token.clone());
        self.ids.insert(token, new);
        new
    }

    fn apply(&mut self, couple: Couple, joined: Id) {
        let mut places = self.places.remove(&couple).unwrap_or_default();
        places.sort_unstable();
        places.dedup();
        let mut grown = Vec::new();
        for place in places {
            let (word, count) = &mut self.words[place];
            let merged = merge(word, couple, joined);
            if merged.len() == word.len() {
                continue;
            }
            for old in word.windows(2) {
                if let Some(total) = self.counts.get_mut(&(old[0], old[1])) {
                    *total -= *count;
                }
            }
            for new in merged.windows(2) {
                let new = (new[0], new[1]);
                *self.counts.entry(new).or_insert(0) += *count;
                if new.0 == joined || new.1 == joined {
                    self.places.entry(new).or_default().push(place);
                    grown.push(new);
                }
            }
            *word = merged;
        }
        grown.sort_unstable();
        grown.dedup();
        for new in grown {
            self.queue.push((self.counts[&new], Reverse(new)));
        }
    }
}

/// Words as ids. A symbol is left out only when the alphabet fills the vocabulary, and then nothing
/// is merged.
fn look_up(spelled: &[(Vec<String>, u64)], ids: &HashMap<String, Id>) -> Vec<(Vec<Id>, u64)> {
    let known = |symbols: &[String]| {
        symbols
            .iter()
            .filter_map(|symbol| ids.get(symbol).copied())
            .collect()
    };
    spelled
        .iter()
        .map(|(symbols, count)| (known(symbols), *count))
        .collect()
}

fn merge(word: &[Id], couple: Couple, joined: Id) -> Vec<Id> {
    let mut merged = Vec::with_capacity(word.len());
    let mut rest = word;
    while let [first, after @ ..] = rest {
        if *first == couple.0 && after.first() == Some(&couple.1) {
            merged.push(joined);
            rest = &after[1..];
        } else {
            merged.push(*first);
            rest = after;
        }
    }
    merged
}

fn id(place: usize) -> Id {
    Id::try_from(place).expect("the configuration keeps vocabularies below 2^31")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pieces(text: &[(&str, u64)]) -> Vec<(String, u64)> {
        text.iter()
            .map(|&(piece, count)| (piece.to_owned(), count))
            .collect()
    }

    fn merges(learned: &Merges) -> Vec<String> {
        learned
            .merges
            .iter()
            .map(|(left, right)| format!("{left} {right}"))
            .collect()
    }

    #[test]
    fn the_most_frequent_couple_is_merged_first() {
        // The example of Sennrich, Haddow and Birch (2016): es 9, est 9, lo 7, low 7.
        let learned = learn(
            &pieces(&[("low", 5), ("lower", 2), ("newest", 6), ("widest", 3)]),
            100,
            &[],
            None,
        );
        assert_eq!(merges(&learned)[..4], ["e s", "es t", "l o", "lo w"]);
    }

    #[test]
    fn ties_go_to_the_lower_ids() {
        let learned = learn(&pieces(&[("cd", 3), ("ab", 3), ("ad", 3)]), 100, &[], None);
        assert_eq!(merges(&learned), ["a b", "a d", "c d"]);
    }

    #[test]
    fn a_token_made_in_two_ways_has_one_id() {
        let learned = learn(
            &pieces(&[("abc", 10), ("ab", 9), ("xbc", 30), ("abcd", 4)]),
            100,
            &[],
            None,
        );
        let once = |all: &[String]| all.iter().collect::<HashSet<_>>().len() == all.len();
        assert!(once(&learned.tokens), "{:?}", learned.tokens);
        assert!(once(&merges(&learned)), "{:?}", learned.merges);
    }

    proptest! {
        #[test]
        fn every_merge_makes_a_token_once(
            words in prop::collection::vec(("[abc]{1,8}", 1_u64..9), 1..30), vocabulary in 3_usize..60,
        ) {
            let learned = learn(&words, vocabulary, &[], None);
            let tokens: HashSet<&String> = learned.tokens.iter().collect();
            prop_assert_eq!(tokens.len(), learned.tokens.len());
            prop_assert!(tokens.len() <= vocabulary);
            let listed: HashSet<&(String, String)> = learned.merges.iter().collect();
            prop_assert_eq!(listed.len(), learned.merges.len());
            for (left, right) in &learned.merges {
                prop_assert!(tokens.contains(left) && tokens.contains(right));
                let joined = [left.as_str(), right].concat();
                prop_assert!(tokens.contains(&joined));
            }
        }

        #[test]
        fn the_order_of_pieces_does_not_matter(
            mut words in prop::collection::vec(("[abc]{1,8}", 1_u64..9), 1..30),
        ) {
            let learned = learn(&words, 60, &[], None);
            words.reverse();
            let backwards = learn(&words, 60, &[], None);
            prop_assert_eq!((learned.tokens, learned.merges), (backwards.tokens, backwards.merges));
        }
    }

    #[test]
    fn repeats_do_not_overlap() {
        assert_eq!(merge(&[1, 1, 1, 1, 1], (1, 1), 2), [2, 2, 1]);
    }

    #[test]
    fn the_vocabulary_is_an_upper_bound_and_the_rarest_characters_go() {
        let learned = learn(
            &pieces(&[("aab", 3), ("xaa", 1), ("y", 1)]),
            4,
            &["<s>"],
            None,
        );
        assert_eq!(learned.tokens, ["<s>", "a", "b", "x"]);
        let learned = learn(&pieces(&[("ab", 3), ("axb", 2)]), 3, &[], None);
        assert_eq!((learned.tokens.len(), merges(&learned)), (3, vec![]));
    }

    #[test]
    fn what_occurs_once_is_not_merged() {
        assert!(
            learn(&pieces(&[("abc", 1)]), 100, &[], None)
                .merges
                .is_empty()
        );
    }

    #[test]
    fn continuations_carry_their_prefix_once() {
        let learned = learn(&pieces(&[("aba", 5)]), 100, &[], Some("##"));
        assert_eq!(learned.tokens, ["##a", "##b", "a", "##ba", "aba"]);
    }
}
