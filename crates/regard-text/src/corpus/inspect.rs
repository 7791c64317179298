use std::collections::BTreeMap;
use std::fmt;

use twox_hash::XxHash3_64;

use super::report::beginning;
use super::{Pair, PairStream};
use crate::error::TextError;

/// Something about a corpus that its owner may not have meant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Warning {
    /// Sources of a part that is held out stand in the training pairs, too.
    HeldOut {
        /// The part: `valid` or `test`.
        part: String,
        /// Pairs of it whose source is trained on.
        found: usize,
        /// All of its pairs.
        pairs: usize,
        /// The first few of those sources, by their place in the part.
        shown: Vec<String>,
    },
    /// Lines look as if a tokenizer had cut them already.
    Segmented {
        /// What gives them away.
        mark: &'static str,
        /// Training pairs with such a line.
        found: usize,
        /// All training pairs.
        pairs: usize,
        /// The first few of those lines.
        shown: Vec<String>,
    },
    /// Pairs are left out for their script that would be kept the other way round.
    Swapped {
        /// Such pairs.
        found: usize,
        /// All training pairs that were read.
        pairs: usize,
    },
}

impl Warning {
    /// The beginnings of a few lines that show what is meant.
    pub fn shown(&self) -> &[String] {
        match self {
            Self::HeldOut { shown, .. } | Self::Segmented { shown, .. } => shown,
            Self::Swapped { .. } => &[],
        }
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::HeldOut {
                part, found, pairs, ..
            } => write!(
                formatter,
                "{found} of {pairs} sources of `data.{part}` stand in the training pairs, too: what is measured on them is memory"
            ),
            Self::Segmented {
                mark, found, pairs, ..
            } => write!(
                formatter,
                "{found} of {pairs} training pairs have a line with `{mark}`, as if a tokenizer had cut it before; give plain text"
            ),
            Self::Swapped { found, pairs } => write!(
                formatter,
                "{found} of {pairs} training pairs have source and target in each other's script; are they swapped?"
            ),
        }
    }
}

/// Lines that are shown.
const SHOWN: usize = 3;

/// What tokenizers leave in a text: behind a piece that goes on, and before one that begins a word.
const MARKS: [&str; 2] = ["@@ ", "\u{2581}"];

/// Looks through all training pairs for what their owner may not have meant; `held_out` are the
/// pairs of other parts by name.
///
/// White space at the ends of a line does not count. What is in memory grows with `held_out` alone.
///
/// # Errors
///
/// Those of reading.
pub fn inspect(
    pairs: &mut PairStream,
    held_out: &[(&str, &[Pair])],
) -> Result<Vec<Warning>, TextError> {
    // Of each source that is held out, whether it was seen; looked up by its hash, told in order.
    let mut seen: BTreeMap<u64, bool> = BTreeMap::new();
    for (_, part) in held_out {
        seen.extend(part.iter().map(|pair| (key(pair), false)));
    }
    let mut segmented: [(usize, Vec<String>); 2] = Default::default();
    pairs.rewind();
    for chunk in pairs.by_ref() {
        for pair in chunk? {
            if let Some(seen) = seen.get_mut(&key(&pair)) {
                *seen = true;
            }
            for (mark, (found, shown)) in MARKS.into_iter().zip(&mut segmented) {
                let line = [&pair.source, &pair.target]
                    .into_iter()
                    .find(|line| line.contains(mark));
                if let Some(line) = line {
                    *found += 1;
                    if shown.len() < SHOWN {
                        shown.push(beginning(line));
                    }
                }
            }
        }
    }
    let (report, swapped) = (pairs.report().clone(), pairs.swapped());
    pairs.rewind();

    let mut warnings = Vec::new();
    for (name, part) in held_out {
        let found: Vec<&Pair> = part.iter().filter(|pair| seen[&key(pair)]).collect();
        if !found.is_empty() {
            let shown = found.iter().take(SHOWN).map(|pair| beginning(&pair.source));
            warnings.push(Warning::HeldOut {
                part: (*name).to_owned(),
                found: found.len(),
                pairs: part.len(),
                shown: shown.collect(),
            });
        }
    }
    for (mark, (found, shown)) in MARKS.into_iter().zip(segmented) {
        // A few such lines are text about tokenizers.
        if found > 0 && 100 * found >= report.kept() {
            warnings.push(Warning::Segmented {
                mark,
                found,
                pairs: report.kept(),
                shown,
            });
        }
    }
    if 2 * swapped > report.read {
        warnings.push(Warning::Swapped {
            found: swapped,
            pairs: report.read,
        });
    }
    Ok(warnings)
}

fn key(pair: &Pair) -> u64 {
    XxHash3_64::oneshot(pair.source.trim().as_bytes())
}
