//! Made-up data with a right answer: an English-French sentence pair grammar, and three tasks on letters.
//!
//! Nothing is read: a [`Generate`] says which task, how many pairs and which seed, and the pairs follow, the same
//! on every platform. Which split a source sentence belongs to is a function of its text alone, so no
//! training set, whatever its seed or size, holds a sentence of any validation or test set.
//!
//! | task | source | target |
//! |------|--------|--------|
//! | [`Task::Toy`] | `the old owl that we see sleeps .` | `le vieux hibou que nous voyons dort .` |
//! | [`Task::Reverse`] | `c a b` | `b a c` |
//! | [`Task::Copy`] | `c a b` | `c a b` |
//! | [`Task::Sort`] | `c a b` | `a b c` |
//!
//! The grammar: `lexicon` holds words and their forms, `tree` what a sentence says, `plan` draws one of a given
//! length, `english` and `french` say it, `surface` spells French where words meet.

mod draw;
mod english;
mod french;
mod lexicon;
mod plan;
mod surface;
mod symbols;
mod tree;

use std::collections::HashSet;

use draw::Draw;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Which pairs are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Task {
    /// English to French, by a grammar of some three hundred content words.
    Toy,
    /// Letters, last first.
    Reverse,
    /// Letters as they come.
    Copy,
    /// Letters in alphabetical order.
    Sort,
}

impl Task {
    /// The name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Toy => "toy",
            Self::Reverse => "reverse",
            Self::Copy => "copy",
            Self::Sort => "sort",
        }
    }

    /// The default of [`Generate::max_length`].
    pub fn default_max_length(self) -> usize {
        if self == Self::Toy { 60 } else { 20 }
    }

    /// The fewest words a source can have.
    pub fn min_length(self) -> usize {
        if self == Self::Toy { plan::SHORTEST } else { 1 }
    }
}

/// A part of the data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// To learn from.
    Train,
    /// To choose by.
    Valid,
    /// To judge by.
    Test,
}

impl Split {
    /// Every split.
    pub const ALL: [Self; 3] = [Self::Train, Self::Valid, Self::Test];

    /// The name in file names: `train`, `valid`, `test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        }
    }

    /// The split a source belongs to: nine tenths train, one twentieth each of the others.
    ///
    /// ```
    /// use regard_text::toy::Split;
    /// assert_eq!(Split::of("the cat sleeps ."), Split::of("the cat sleeps ."));
    /// ```
    pub fn of(source: &str) -> Self {
        match hash(source) % 20 {
            0 => Self::Valid,
            1 => Self::Test,
            _ => Self::Train,
        }
    }
}

/// FNV-1a, its bits mixed once more because the low ones are weak.
fn hash(text: &str) -> u64 {
    let mut state: u64 = 0xcbf2_9ce4_8422_2325;
    for byte in text.bytes() {
        state = (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    state = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    state ^ (state >> 31)
}

/// Why no pairs were made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ToyError {
    /// The task has too few different sources of the lengths allowed.
    #[error(
        "task `{}` has too few different {} pairs: expected {asked}, found {found}; \
         ask for fewer pairs or raise `max_length` (now {max_length})", task.name(), split.name()
    )]
    TooFew {
        /// The task.
        task: Task,
        /// The split being made.
        split: Split,
        /// Pairs asked for.
        asked: usize,
        /// Pairs found before new ones stopped coming.
        found: usize,
        /// The longest source allowed, in words.
        max_length: usize,
    },
    /// `max_length` lies below the shortest source of the task.
    #[error(
        "task `{}` cannot keep to `max_length`: expected at least {expected}, got {got}; raise it",
        task.name()
    )]
    TooShort {
        /// The task.
        task: Task,
        /// The length of the shortest source, in words.
        expected: usize,
        /// The value given.
        got: usize,
    },
}

/// `[data] generate = { task, pairs, seed, max_length }`: pairs made to order.
///
/// ```
/// use regard_text::toy::{Generate, Split, Task};
///
/// let generate = Generate { pairs: 100, ..Generate::new(Task::Reverse) };
/// let pairs = generate.pairs(Split::Train)?;
/// assert_eq!(pairs.len(), 100);
/// assert_eq!(pairs[0].0.split(' ').next(), pairs[0].1.split(' ').next_back());
/// # Ok::<(), regard_text::toy::ToyError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generate {
    /// Which pairs.
    pub task: Task,
    /// How many training pairs; 100,000 by default, enough to learn any of the tasks.
    #[serde(default = "default_pairs")]
    pub pairs: usize,
    /// Other seeds give other pairs, never a pair of another split. 1 by default, as in the files of `data/`.
    #[serde(default = "default_seed")]
    pub seed: u64,
    /// The longest source in words, the full stop included; 60 for [`Task::Toy`], else 20 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<usize>,
}

fn default_pairs() -> usize {
    100_000
}

fn default_seed() -> u64 {
    1
}

/// How many pairs validation and test have, if the task holds as many.
const HELD_OUT: usize = 1000;

/// Sources of the toy pair above this length are one in five.
const LONGEST_SHORT: usize = 15;

/// So many draws without a new pair mean that there are none left.
const PATIENCE: usize = 50_000;

impl Generate {
    /// The task with every default.
    pub fn new(task: Task) -> Self {
        Self {
            task,
            pairs: default_pairs(),
            seed: default_seed(),
            max_length: None,
        }
    }

    /// The pairs of a split, no source twice: [`pairs`](Self::pairs) of them for training, 1,000 for validation and
    /// for test, or all there are if the task holds fewer.
    ///
    /// # Errors
    ///
    /// [`ToyError::TooShort`] if `max_length` is below the task's shortest source; [`ToyError::TooFew`] if training
    /// asks for more pairs than were found, or a held-out split has none.
    pub fn pairs(&self, split: Split) -> Result<Vec<(String, String)>, ToyError> {
        if split == Split::Train {
            return self.sample(split, self.pairs);
        }
        match self.sample(split, HELD_OUT) {
            Err(ToyError::TooFew { found, .. }) if found > 0 => self.sample(split, found),
            other => other,
        }
    }

    /// So many pairs of a split. A smaller sample is the beginning of a larger one.
    ///
    /// # Errors
    ///
    /// Those of [`pairs`](Self::pairs), for any split.
    pub fn sample(&self, split: Split, count: usize) -> Result<Vec<(String, String)>, ToyError> {
        let Self { task, seed, .. } = *self;
        let max_length = self.max_length.unwrap_or_else(|| task.default_max_length());
        if max_length < task.min_length() {
            return Err(ToyError::TooShort {
                task,
                expected: task.min_length(),
                got: max_length,
            });
        }
        let mut draw = Draw::new(seed, task as u8, split as u8);
        let mut pairs = Vec::new();
        // Only ever asked whether it holds a source: its order reaches nothing.
        let mut seen = HashSet::new();
        while pairs.len() < count {
            let Some((source, target)) = self.next(max_length, split, &mut seen, &mut draw) else {
                return Err(ToyError::TooFew {
                    task,
                    split,
                    asked: count,
                    found: pairs.len(),
                    max_length,
                });
            };
            pairs.push((source, target));
        }
        Ok(pairs)
    }

    /// The pairs of a split as the text of a file: source, tab, target, line feed.
    ///
    /// # Errors
    ///
    /// Those of [`pairs`](Self::pairs).
    pub fn lines(&self, split: Split) -> Result<String, ToyError> {
        let mut text = String::new();
        for (source, target) in self.pairs(split)? {
            text.push_str(&source);
            text.push('\t');
            text.push_str(&target);
            text.push('\n');
        }
        Ok(text)
    }

    /// A pair of this split that has not been seen.
    ///
    /// The band of lengths is drawn once and the length in it again for every attempt: where the short sources are
    /// used up the longer ones of the band take their place, and the share of the bands stays.
    fn next(
        &self,
        max_length: usize,
        split: Split,
        seen: &mut HashSet<String>,
        draw: &mut Draw,
    ) -> Option<(String, String)> {
        let (from, to) = self.band(max_length, draw);
        for _ in 0..PATIENCE {
            let length = draw.between(from, to);
            let Some((source, target)) = self.pair(length, draw) else {
                continue;
            };
            if Split::of(&source) == split && !seen.contains(&source) {
                seen.insert(source.clone());
                return Some((source, target));
            }
        }
        None
    }

    fn band(&self, max_length: usize, draw: &mut Draw) -> (usize, usize) {
        let shortest = self.task.min_length();
        if self.task != Task::Toy || max_length <= LONGEST_SHORT {
            (shortest, max_length)
        } else if draw.chance(80) {
            (shortest, LONGEST_SHORT)
        } else {
            (LONGEST_SHORT + 1, max_length)
        }
    }

    fn pair(&self, length: usize, draw: &mut Draw) -> Option<(String, String)> {
        if self.task != Task::Toy {
            return Some(symbols::pair(self.task, length, draw));
        }
        let sentence = plan::sentence(length, draw)?;
        Some((english::sentence(&sentence), french::sentence(&sentence)))
    }
}

#[cfg(test)]
mod tests;
