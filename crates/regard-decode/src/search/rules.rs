//! What may follow a hypothesis, and how much it is favoured.

use burn::tensor::Tensor;
use regard_kernels::{k_most_probable, log_probabilities_at, most_probable};

use super::Request;

/// What search adds to the model's word. A rule changes what is chosen and how it is ranked, never the log-probability that is
/// reported.
///
/// ```text
/// rank(c) = log p(c)                      of a token that the hypothesis does not have
/// rank(c) = repetition_penalty log p(c)   of one that it has
/// rank(c) + end_bias                      of the end token
/// ```
///
/// # Differences
///
/// Keskar et al. divide the logits of repeated tokens, and multiply those below 0; here it is the log-probabilities, which
/// have one sign. Nothing is normalised anew.
///
/// # References
///
/// No n-gram twice: Paulus et al. 2017. <https://arxiv.org/abs/1705.04304>, section 2.5. Repetition penalty: Keskar et al.
/// CTRL. 2019. <https://arxiv.org/abs/1909.05858>, section 4.1.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// Added to the end token's rank, nats: above 0 for shorter hypotheses.
    pub end_bias: f64,
    /// No sequence of so many tokens stands in a hypothesis twice; 0 for no such rule.
    pub no_repeat_ngram: usize,
    /// By how much the log-probability of a token is multiplied that the hypothesis has already; 1 for no such rule, above 1
    /// against repetition.
    pub repetition_penalty: f64,
    /// Tokens that are never taken.
    pub suppressed: Vec<u32>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            end_bias: 0.0,
            no_repeat_ngram: 0,
            repetition_penalty: 1.0,
            suppressed: Vec::new(),
        }
    }
}

/// A hypothesis that is to be continued.
#[derive(Clone, Debug)]
pub(super) struct Open<'a> {
    pub(super) ids: &'a [u32],
    pub(super) request: &'a Request,
    /// Whether the end may come.
    pub(super) may_end: bool,
    /// Tokens that are wanted among the continuations, however improbable.
    pub(super) wanted: Vec<u32>,
}

impl<'a> Open<'a> {
    /// One that may end as soon as it is long enough.
    pub(super) fn new(ids: &'a [u32], request: &'a Request) -> Self {
        Self {
            ids,
            request,
            may_end: ids.len() >= request.length.least.max(request.prefix.len()),
            wanted: Vec::new(),
        }
    }

    fn forced(&self) -> Option<u32> {
        self.request.prefix.get(self.ids.len()).copied()
    }
}

/// A token that may follow.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Continuation {
    pub(super) id: u32,
    /// Nats, the model's.
    pub(super) log_probability: f64,
    /// After the rules.
    pub(super) rank: f64,
}

impl Rules {
    /// The `k` best continuations of each row, the best first and of equals the lower id, and those that are wanted. A forced
    /// one is the only one.
    pub(super) fn continuations(
        &self,
        logits: Tensor<2>,
        k: usize,
        rows: &[Open],
        end: u32,
    ) -> Vec<Vec<Continuation>> {
        let barred: Vec<Option<u32>> = rows
            .iter()
            .map(|row| (!row.may_end).then_some(end))
            .collect();
        let changes: Vec<Change> = rows.iter().map(|row| self.change(row, end)).collect();
        if changes.iter().all(Change::is_none) {
            return plain(logits, k, &barred);
        }
        let asked: Vec<Vec<u32>> = changes.iter().map(|change| change.asked.clone()).collect();
        let asked_probabilities = log_probabilities_at(logits.clone(), &asked);
        // As many more as may fall behind.
        let lowered = changes.iter().map(|change| change.lowered).max();
        let mut best = plain(logits, k.saturating_add(lowered.unwrap_or(0)), &barred);
        for (((row, change), open), probabilities) in best
            .iter_mut()
            .zip(&changes)
            .zip(rows)
            .zip(asked_probabilities)
        {
            if let Some(id) = open.forced() {
                row.clear();
                row.push(Continuation {
                    id,
                    log_probability: probabilities[0],
                    rank: probabilities[0],
                });
                continue;
            }
            for (&id, log_probability) in change.asked.iter().zip(probabilities) {
                if row.iter().all(|one| one.id != id) {
                    row.push(Continuation {
                        id,
                        log_probability,
                        rank: log_probability,
                    });
                }
            }
            row.retain(|one| !change.barred.contains(&one.id));
            for one in row.iter_mut() {
                one.rank = self.rank(one, change, end);
            }
            row.sort_by(|a, b| b.rank.total_cmp(&a.rank).then(a.id.cmp(&b.id)));
            let mut kept = 0;
            row.retain(|one| {
                kept += 1;
                kept <= k || open.wanted.contains(&one.id)
            });
        }
        best
    }

    /// Log-probabilities of a whole row after the rules, from those before.
    pub(super) fn apply(&self, log_probabilities: &mut [f64], open: &Open, end: u32) {
        let change = self.change(open, end);
        for &id in &change.barred {
            if let Some(value) = log_probabilities.get_mut(id as usize) {
                *value = f64::NEG_INFINITY;
            }
        }
        for &id in &change.seen {
            log_probabilities[id as usize] *= self.repetition_penalty;
        }
        if let Some(value) = log_probabilities.get_mut(end as usize) {
            *value = if open.may_end {
                *value + self.end_bias
            } else {
                f64::NEG_INFINITY
            };
        }
        if let Some(id) = open.forced() {
            for (other, value) in (0..).zip(log_probabilities.iter_mut()) {
                *value = if other == id { 0.0 } else { f64::NEG_INFINITY };
            }
        }
    }

    fn rank(&self, one: &Continuation, change: &Change, end: u32) -> f64 {
        let mut rank = one.log_probability;
        if change.seen.contains(&one.id) {
            rank *= self.repetition_penalty;
        }
        if one.id == end {
            rank += self.end_bias;
        }
        rank
    }

    fn change(&self, open: &Open, end: u32) -> Change {
        if let Some(id) = open.forced() {
            return Change {
                asked: vec![id],
                ..Change::default()
            };
        }
        let mut barred = self.suppressed.clone();
        barred.extend(repeated(open.ids, self.no_repeat_ngram));
        barred.retain(|id| !open.wanted.contains(id));
        barred.sort_unstable();
        barred.dedup();
        let mut seen = Vec::new();
        if self.repetition_penalty.to_bits() != 1.0_f64.to_bits() {
            seen = open.ids.to_vec();
            seen.sort_unstable();
            seen.dedup();
        }
        let mut asked = open.wanted.clone();
        if self.repetition_penalty < 1.0 {
            asked.extend(&seen);
        }
        let is_biased = self.end_bias != 0.0 && open.may_end;
        asked.extend((is_biased && self.end_bias > 0.0).then_some(end));
        asked.sort_unstable();
        asked.dedup();
        Change {
            lowered: barred.len() + seen.len() + usize::from(is_biased),
            barred,
            seen,
            asked,
        }
    }
}

/// What the rules change for one hypothesis.
#[derive(Debug, Default)]
struct Change {
    /// Tokens that cannot follow.
    barred: Vec<u32>,
    /// Tokens it has, where that matters.
    seen: Vec<u32>,
    /// Tokens whose probability is needed even if they are not among the best.
    asked: Vec<u32>,
    /// How many of the best may fall behind.
    lowered: usize,
}

impl Change {
    fn is_none(&self) -> bool {
        self.lowered == 0 && self.asked.is_empty()
    }
}

/// The model's word.
fn plain(logits: Tensor<2>, k: usize, barred: &[Option<u32>]) -> Vec<Vec<Continuation>> {
    let own = |(id, log_probability)| Continuation {
        id,
        log_probability,
        rank: log_probability,
    };
    if k == 1 {
        let best = most_probable(logits, barred).into_iter();
        return best.map(|best| vec![own(best)]).collect();
    }
    let best = k_most_probable(logits, k, barred).into_iter();
    best.map(|row| row.into_iter().map(own).collect()).collect()
}

/// Tokens that would end an n-gram that stands in `ids` already.
fn repeated(ids: &[u32], n: usize) -> Vec<u32> {
    if n == 0 || ids.len() < n {
        return Vec::new();
    }
    let last = &ids[ids.len() + 1 - n..];
    let before = ids.windows(n).filter(|window| window[..n - 1] == *last);
    before.map(|window| window[n - 1]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_repeat_an_n_gram() {
        assert_eq!(repeated(&[1, 2, 3, 1, 2], 3), [3]);
        assert_eq!(repeated(&[1, 2, 3, 1, 2], 2), [3]);
        assert_eq!(repeated(&[1, 2, 3], 1), [1, 2, 3]);
        assert_eq!(repeated(&[1, 1, 1], 2), [1, 1]);
        for n in [0, 4, 9] {
            assert_eq!(repeated(&[1, 2, 3], n), [0; 0]);
        }
    }
}
