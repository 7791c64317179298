//! Phrases that must appear, and how far a hypothesis has come with them.

/// How much of its phrases a hypothesis has.
///
/// A phrase is met once its tokens stand in a row; it stays so. Of those that are not met, one may be begun: the one of which
/// most stands at the end of the hypothesis.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Progress {
    met: Vec<bool>,
    /// Which phrase is begun, and how many of its tokens there are.
    begun: Option<(usize, usize)>,
    /// Tokens that are missing.
    pub(super) missing: usize,
}

impl Progress {
    /// That of the hypothesis without a token.
    pub(super) fn new(phrases: &[Vec<u32>]) -> Self {
        Self {
            met: vec![false; phrases.len()],
            begun: None,
            missing: phrases.iter().map(Vec::len).sum(),
        }
    }

    /// After `ids` have been continued with `id`.
    pub(super) fn advanced(&self, phrases: &[Vec<u32>], ids: &[u32], id: u32) -> Self {
        let ends_with = |part: &[u32]| match part.split_last() {
            Some((last, before)) => *last == id && ids.ends_with(before),
            None => true,
        };
        let mut met = self.met.clone();
        for (met, phrase) in met.iter_mut().zip(phrases) {
            *met |= ends_with(phrase);
        }
        let open = || phrases.iter().enumerate().filter(|&(i, _)| !met[i]);
        let begun = open()
            .filter_map(|(i, phrase)| {
                let longest = (1..phrase.len()).rev().find(|&n| ends_with(&phrase[..n]));
                longest.map(|length| (i, length))
            })
            // Of equals the first.
            .rev()
            .max_by_key(|&(_, length)| length);
        let whole: usize = open().map(|(_, phrase)| phrase.len()).sum();
        Self {
            missing: whole - begun.map_or(0, |(_, length)| length),
            met,
            begun,
        }
    }

    /// Tokens that bring it further: the next of what is begun, and the first of every other phrase.
    pub(super) fn next(&self, phrases: &[Vec<u32>]) -> Vec<u32> {
        let next = |(i, phrase): (usize, &Vec<u32>)| match self.begun {
            Some((begun, length)) if begun == i => phrase[length],
            _ => phrase[0],
        };
        let open = phrases.iter().enumerate().filter(|&(i, _)| !self.met[i]);
        let mut next: Vec<u32> = open.map(next).collect();
        next.sort_unstable();
        next.dedup();
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(phrases: &[Vec<u32>], ids: &[u32]) -> Progress {
        let mut progress = Progress::new(phrases);
        for (i, &id) in ids.iter().enumerate() {
            progress = progress.advanced(phrases, &ids[..i], id);
        }
        progress
    }

    #[test]
    fn hand_computed() {
        let phrases = [vec![1, 1, 2], vec![3]];
        for (ids, missing, next) in [
            (&[][..], 4, &[1, 3][..]),
            (&[1], 3, &[1, 3]),
            (&[1, 1], 2, &[2, 3]),
            // Two of the three 1 are a beginning still.
            (&[1, 1, 1], 2, &[2, 3]),
            (&[1, 1, 3], 3, &[1]),
            (&[1, 1, 2], 1, &[3]),
            (&[1, 1, 2, 3], 0, &[]),
            (&[3, 1, 1, 2, 9], 0, &[]),
        ] {
            let progress = after(&phrases, ids);
            assert_eq!(progress.missing, missing, "{ids:?}");
            assert_eq!(progress.next(&phrases), next, "{ids:?}");
        }
    }

    #[test]
    fn a_token_may_serve_two_phrases() {
        let phrases = [vec![1, 2], vec![2, 3], vec![2]];
        assert_eq!(after(&phrases, &[1, 2, 3]).missing, 0);
        assert_eq!(after(&phrases, &[1, 2]).missing, 1);
    }

    #[test]
    fn each_wanted_token_leaves_less_to_be_missing() {
        let phrases = [vec![1, 2, 1], vec![2, 2], vec![1, 1]];
        let mut open = vec![Vec::new()];
        while let Some(ids) = open.pop() {
            let progress = after(&phrases, &ids);
            if progress.missing == 0 || ids.len() > 6 {
                continue;
            }
            let begun = progress.begun.map(|(i, length)| phrases[i][length]);
            let best = begun.or(progress.next(&phrases).first().copied()).unwrap();
            let further = progress.advanced(&phrases, &ids, best);
            assert!(further.missing < progress.missing, "{ids:?} {best}");
            for id in [1, 2, 3] {
                open.push([ids.as_slice(), &[id]].concat());
            }
        }
    }
}
