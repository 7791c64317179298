use serde::{Deserialize, Serialize};

use super::Pair;

/// What became of the pairs that came in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ReadReport {
    /// Pairs that came in.
    pub read: usize,
    /// Pairs left out because a side, or both, has nothing but white space.
    pub dropped_empty: usize,
    /// Pairs left out because a side is not in the script that `data.source_script` or
    /// `data.target_script` names.
    pub dropped_script: usize,
    /// Pairs left out because source and target are the same, by `data.drop_identical`.
    pub dropped_identical: usize,
    /// Pairs left out because they came before, by `data.drop_duplicates`.
    pub dropped_duplicate: usize,
    /// Pairs left out because a side is longer than `data.max_length`.
    pub dropped_long: usize,
    /// Pairs left out because one side is more than `data.max_ratio` times as long as the other.
    pub dropped_ratio: usize,
    /// Pairs kept, but cut to `data.max_length`.
    pub truncated: usize,
    /// The first few of each kind.
    pub shown: Vec<Shown>,
}

/// Why a pair was left out or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Reason {
    /// A side has nothing but white space.
    Empty,
    /// A side is in another script.
    Script,
    /// Source and target are the same.
    Identical,
    /// The pair came before.
    Duplicate,
    /// A side is too long.
    Long,
    /// One side is too long for the other.
    Ratio,
    /// A side was cut.
    Truncated,
}

impl Reason {
    /// Every reason, in the order in which they are looked for.
    pub const ALL: [Self; 7] = [
        Self::Empty,
        Self::Script,
        Self::Identical,
        Self::Duplicate,
        Self::Long,
        Self::Ratio,
        Self::Truncated,
    ];

    /// In words, behind a number.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "with an empty side",
            Self::Script => "in another script",
            Self::Identical => "with equal sides",
            Self::Duplicate => "seen before",
            Self::Long => "too long",
            Self::Ratio => "of unequal length",
            Self::Truncated => "truncated",
        }
    }
}

/// A pair that was left out or changed, as a reader should see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// What happened to it.
    pub reason: Reason,
    /// File and line of the source; empty for pairs that are not from a file.
    pub place: String,
    /// The beginning of the source.
    pub source: String,
    /// The beginning of the target.
    pub target: String,
}

/// Pairs of each kind that are shown.
const SHOWN: usize = 3;

/// Characters of a side that are shown.
const WIDTH: usize = 60;

impl Shown {
    /// The beginning of a pair, on one line and without characters that would move a cursor.
    pub fn new(reason: Reason, place: String, pair: &Pair) -> Self {
        Self {
            reason,
            place,
            source: beginning(&pair.source),
            target: beginning(&pair.target),
        }
    }
}

fn beginning(text: &str) -> String {
    let mut shown = String::new();
    for (i, character) in text.chars().enumerate() {
        if i == WIDTH {
            shown.push_str("...");
            break;
        }
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

impl ReadReport {
    /// Pairs that went out.
    pub fn kept(&self) -> usize {
        self.read - self.dropped()
    }

    /// Pairs left out, for whatever reason.
    pub fn dropped(&self) -> usize {
        let reasons = Reason::ALL.into_iter();
        let dropped = reasons.filter(|&reason| reason != Reason::Truncated);
        dropped.map(|reason| self.count(reason)).sum()
    }

    /// Pairs left out or changed for one reason.
    pub fn count(&self, reason: Reason) -> usize {
        match reason {
            Reason::Empty => self.dropped_empty,
            Reason::Script => self.dropped_script,
            Reason::Identical => self.dropped_identical,
            Reason::Duplicate => self.dropped_duplicate,
            Reason::Long => self.dropped_long,
            Reason::Ratio => self.dropped_ratio,
            Reason::Truncated => self.truncated,
        }
    }

    fn count_mut(&mut self, reason: Reason) -> &mut usize {
        match reason {
            Reason::Empty => &mut self.dropped_empty,
            Reason::Script => &mut self.dropped_script,
            Reason::Identical => &mut self.dropped_identical,
            Reason::Duplicate => &mut self.dropped_duplicate,
            Reason::Long => &mut self.dropped_long,
            Reason::Ratio => &mut self.dropped_ratio,
            Reason::Truncated => &mut self.truncated,
        }
    }

    /// Notes a pair that is left out or changed; `shown` is asked for the first few only.
    pub(crate) fn note(&mut self, reason: Reason, shown: impl FnOnce() -> Shown) {
        let count = self.count_mut(reason);
        *count += 1;
        if *count <= SHOWN {
            self.shown.push(shown());
        }
    }

    /// This stage followed by `later`, which read what this one kept.
    #[must_use]
    pub fn then(mut self, later: Self) -> Self {
        for reason in Reason::ALL {
            *self.count_mut(reason) += later.count(reason);
        }
        self.shown.extend(later.shown);
        self.shown.sort_by_key(|shown| shown.reason);
        for reason in Reason::ALL {
            let mut place = 0;
            self.shown.retain(|shown| {
                place += usize::from(shown.reason == reason);
                shown.reason != reason || place <= SHOWN
            });
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noted(reason: Reason, times: usize) -> ReadReport {
        let mut report = ReadReport {
            read: times,
            ..ReadReport::default()
        };
        for i in 0..times {
            report.note(reason, || {
                Shown::new(reason, i.to_string(), &Pair::default())
            });
        }
        report
    }

    #[test]
    fn the_first_three_of_each_kind_are_shown() {
        for reason in Reason::ALL {
            let report = noted(reason, 5);
            assert_eq!((report.count(reason), report.shown.len()), (5, 3));
            let both = noted(reason, 2).then(noted(reason, 2));
            let places: Vec<&str> = both.shown.iter().map(|shown| &*shown.place).collect();
            assert_eq!((both.count(reason), places), (4, vec!["0", "1", "0"]));
        }
        let mixed = noted(Reason::Long, 1).then(noted(Reason::Empty, 9));
        let reasons: Vec<Reason> = mixed.shown.iter().map(|shown| shown.reason).collect();
        assert_eq!(
            reasons,
            [Reason::Empty, Reason::Empty, Reason::Empty, Reason::Long]
        );
    }

    #[test]
    fn what_is_cut_is_kept() {
        assert_eq!(noted(Reason::Truncated, 4).kept(), 4);
        assert_eq!(noted(Reason::Ratio, 4).kept(), 0);
    }

    #[test]
    fn a_shown_pair_cannot_move_the_cursor_and_is_short() {
        let pair = Pair {
            source: "\u{1b}[2Ja\0".into(),
            target: "\u{e9}".repeat(100_000),
        };
        let shown = Shown::new(Reason::Long, String::new(), &pair);
        assert_eq!(shown.source, "\\u{1b}[2Ja\\u{0}");
        assert_eq!(shown.target.chars().count(), WIDTH + 3);
    }
}
