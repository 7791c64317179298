use std::ops::Range;

use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rayon::prelude::*;

/// Examples that are sorted together. Large enough for rows of nearly equal length, small enough
/// that the members of a batch change from epoch to epoch.
const POOL: usize = 16_384;

/// Keeps these draws apart from all others made with the same seed.
const PURPOSE: [u8; 16] = *b"regard-text/plan";

/// The batches of one epoch, as indices into the corpus.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// The examples, batch by batch.
    order: Vec<u32>,
    /// Where each batch stands in `order`.
    batches: Vec<Range<u32>>,
}

impl Plan {
    /// Number of batches.
    pub fn len(&self) -> usize {
        self.batches.len()
    }

    /// Whether there is no batch.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// The examples of one batch.
    ///
    /// # Panics
    ///
    /// If there is no such batch.
    pub fn batch(&self, index: usize) -> &[u32] {
        let Range { start, end } = self.batches[index];
        &self.order[start as usize..end as usize]
    }

    /// All batches, in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u32]> {
        (0..self.len()).map(|index| self.batch(index))
    }
}

/// The batches of one epoch: a pure function of its arguments.
///
/// Examples are shuffled, sorted by length within large pools, cut into batches of at most
/// `batch_tokens`, and the batches shuffled. `lengths` are those of source and target in tokens
/// *without* special ids; the size of a batch is rows times the longer of source and target *with*
/// them, since padding costs as much as text. Every example comes exactly once; one that is larger
/// than the budget is a batch of its own.
///
/// # Panics
///
/// If there are more examples than 32 bits can number.
///
/// # Example
///
/// ```
/// use regard_text::batch::plan_epoch;
///
/// let lengths = [(3, 4), (9, 9), (4, 3), (9, 8)];
/// let plan = plan_epoch(&lengths, 20, 7, 0);
/// let mut batches: Vec<Vec<u32>> = plan.iter().map(<[u32]>::to_vec).collect();
/// batches.iter_mut().for_each(|batch| batch.sort_unstable());
/// batches.sort_unstable();
/// assert_eq!(batches, [[0, 2], [1, 3]]);
/// ```
pub fn plan_epoch(lengths: &[(u16, u16)], batch_tokens: usize, seed: u64, epoch: u64) -> Plan {
    let examples = u32::try_from(lengths.len()).expect("plan_epoch: at most 2^32 - 1 examples");
    let mut rng = generator(seed, epoch);
    let mut order: Vec<u32> = (0..examples).collect();
    order.shuffle(&mut rng);
    // Pools know nothing of each other: threads change nothing.
    let rows: Vec<Vec<u32>> = order
        .par_chunks_mut(POOL)
        .map(|pool| sort_and_cut(pool, lengths, batch_tokens))
        .collect();
    let mut start = 0;
    let mut batches: Vec<Range<u32>> = rows
        .into_iter()
        .flatten()
        .map(|rows| {
            let batch = start..start + rows;
            start += rows;
            batch
        })
        .collect();
    batches.shuffle(&mut rng);
    Plan { order, batches }
}

/// Sorts a pool by length and says how many rows each of its batches has.
fn sort_and_cut(pool: &mut [u32], lengths: &[(u16, u16)], batch_tokens: usize) -> Vec<u32> {
    // The place in the pool comes last, so that equals keep their shuffled order.
    let mut keyed: Vec<(u16, u16, u32, u32)> = pool
        .iter()
        .zip(0..)
        .map(|(&index, place)| {
            let (source, target) = lengths[index as usize];
            let (width, source) = sort_key((source, target));
            (width, source, place, index)
        })
        .collect();
    keyed.sort_unstable();
    for (slot, &(.., index)) in pool.iter_mut().zip(&keyed) {
        *slot = index;
    }
    let widths = keyed.iter().map(|&(width, ..)| usize::from(width));
    let mut rows = Vec::new();
    cut(widths, batch_tokens, |batch| {
        // A pool is far smaller than that.
        rows.push(u32::try_from(batch.len()).unwrap_or(u32::MAX));
    });
    rows
}

/// The same batches every time, shortest first: for validation, where order must not matter and
/// padding should not cost. `lengths` and sizes as for [`plan_epoch`].
pub fn plan_in_order(lengths: &[(usize, usize)], batch_tokens: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&index| sort_key(lengths[index]));
    let widths = order.iter().map(|&index| sort_key(lengths[index]).0);
    let mut batches = Vec::new();
    cut(widths, batch_tokens, |batch| {
        batches.push(order[batch].to_vec());
    });
    batches
}

/// Cuts rows that come in any order, so that each part is within the budget; a single longer row
/// is a part of its own. For rows whose lengths were not known when the batch was planned.
///
/// # Example
///
/// ```
/// use regard_text::batch::split;
///
/// let lengths = [(3, 4), (3, 3), (9, 9), (1, 1)];
/// assert_eq!(split(&lengths, 10), [0..2, 2..3, 3..4]);
/// ```
pub fn split(lengths: &[(usize, usize)], batch_tokens: usize) -> Vec<Range<usize>> {
    let mut parts = Vec::new();
    let widths = lengths.iter().map(|&lengths| sort_key(lengths).0);
    cut(widths, batch_tokens, |part| parts.push(part));
    parts
}

fn generator(seed: u64, epoch: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&epoch.to_le_bytes());
    key[16..].copy_from_slice(&PURPOSE);
    ChaCha8Rng::from_seed(key)
}

/// The width that rules the padded size first, then the source, so that both sides end up nearly
/// even.
fn sort_key<L: Ord + Copy>((source, target): (L, L)) -> (L, L) {
    (source.max(target), source)
}

/// Calls `found` with the rows of each batch; `widths` are those of the rows, without special ids.
fn cut(
    widths: impl Iterator<Item = usize>,
    batch_tokens: usize,
    mut found: impl FnMut(Range<usize>),
) {
    let (mut start, mut end, mut widest) = (0, 0, 0);
    for width in widths {
        let width = width + 1;
        if end > start && (end - start + 1) * widest.max(width) > batch_tokens {
            found(start..end);
            (start, widest) = (end, 0);
        }
        widest = widest.max(width);
        end += 1;
    }
    if end > start {
        found(start..end);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn padded_size(batch: &[usize], lengths: &[(usize, usize)]) -> usize {
        batch.len()
            * batch
                .iter()
                .map(|&i| lengths[i].0.max(lengths[i].1) + 1)
                .max()
                .unwrap_or(0)
    }

    fn batches(
        lengths: &[(usize, usize)],
        batch_tokens: usize,
        seed: u64,
        epoch: u64,
    ) -> Vec<Vec<usize>> {
        let short = |length: usize| u16::try_from(length).unwrap();
        let lengths: Vec<(u16, u16)> = lengths.iter().map(|&(s, t)| (short(s), short(t))).collect();
        let plan = plan_epoch(&lengths, batch_tokens, seed, epoch);
        let batch = |batch: &[u32]| batch.iter().map(|&index| index as usize).collect();
        plan.iter().map(batch).collect()
    }

    /// The same by vectors of vectors and one stable sort, as it was written first.
    fn nested(
        lengths: &[(usize, usize)],
        batch_tokens: usize,
        seed: u64,
        epoch: u64,
    ) -> Vec<Vec<usize>> {
        let mut rng = generator(seed, epoch);
        let mut order: Vec<usize> = (0..lengths.len()).collect();
        order.shuffle(&mut rng);
        let mut batches = Vec::new();
        for pool in order.chunks_mut(POOL) {
            pool.sort_by_key(|&index| sort_key(lengths[index]));
            let mut batch: Vec<usize> = Vec::new();
            for &mut index in pool {
                let width = lengths[index].0.max(lengths[index].1) + 1;
                if !batch.is_empty() && (batch.len() + 1) * width > batch_tokens {
                    batches.push(std::mem::take(&mut batch));
                }
                batch.push(index);
            }
            if !batch.is_empty() {
                batches.push(batch);
            }
        }
        batches.shuffle(&mut rng);
        batches
    }

    fn check(
        batches: &[Vec<usize>],
        lengths: &[(usize, usize)],
        batch_tokens: usize,
    ) -> Result<(), TestCaseError> {
        let mut all: Vec<usize> = batches.concat();
        all.sort_unstable();
        prop_assert_eq!(
            all,
            (0..lengths.len()).collect::<Vec<_>>(),
            "every example exactly once"
        );
        for batch in batches {
            prop_assert!(!batch.is_empty());
            prop_assert!(batch.len() == 1 || padded_size(batch, lengths) <= batch_tokens);
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn every_example_once_within_the_budget(
            lengths in prop::collection::vec((0_usize..40, 0_usize..40), 0..300),
            batch_tokens in 0_usize..200, seed: u64, epoch: u64,
        ) {
            check(&batches(&lengths, batch_tokens, seed, epoch), &lengths, batch_tokens)?;
            check(&plan_in_order(&lengths, batch_tokens), &lengths, batch_tokens)?;
            let parts = split(&lengths, batch_tokens);
            let parts: Vec<Vec<usize>> = parts.into_iter().map(Iterator::collect).collect();
            check(&parts, &lengths, batch_tokens)?;
            prop_assert!(parts.concat().is_sorted(), "parts keep the order");
        }

        #[test]
        fn a_flat_plan_has_the_batches_of_one_that_is_not(
            lengths in prop::collection::vec((0_usize..40, 0_usize..40), 0..300),
            batch_tokens in 0_usize..200, seed: u64, epoch: u64, times in 1..200_usize,
        ) {
            // More than one pool in one of a few cases.
            let lengths = lengths.repeat(times);
            prop_assert_eq!(
                batches(&lengths, batch_tokens, seed, epoch),
                nested(&lengths, batch_tokens, seed, epoch)
            );
        }

        #[test]
        fn a_plan_is_a_function_of_seed_and_epoch(seed: u64, epoch: u64) {
            let lengths: Vec<_> = (0..200).map(|i| (i * 7 % 31, i * 11 % 37)).collect();
            let plan = plan_epoch(&lengths, 100, seed, epoch);
            prop_assert_eq!(&plan, &plan_epoch(&lengths, 100, seed, epoch));
            prop_assert_ne!(&plan, &plan_epoch(&lengths, 100, seed, epoch.wrapping_add(1)));
            prop_assert_ne!(&plan, &plan_epoch(&lengths, 100, seed.wrapping_add(1), epoch));
        }
    }

    #[test]
    fn the_order_is_the_same_on_every_machine_and_in_every_version() {
        let lengths = [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 6)];
        assert_eq!(
            batches(&lengths, 12, 1, 0),
            [vec![3, 4], vec![0, 1, 2], vec![5]]
        );
    }

    #[test]
    fn in_order_runs_from_short_to_long() {
        let lengths = [(5, 1), (1, 1), (2, 9), (1, 2)];
        assert_eq!(
            plan_in_order(&lengths, 10),
            vec![vec![1, 3], vec![0], vec![2]]
        );
    }

    #[test]
    fn an_example_above_the_budget_is_alone() {
        assert_eq!(
            plan_in_order(&[(99, 1), (2, 2), (99, 99)], 10),
            vec![vec![1], vec![0], vec![2]]
        );
    }

    #[test]
    fn padding_is_a_small_part_of_a_large_corpus() {
        let lengths: Vec<_> = (0..40_000_usize)
            .map(|i| (3 + i * 7919 % 29, 3 + i * 7919 % 29 + i % 3))
            .collect();
        let batches = batches(&lengths, 4096, 1, 0);
        let padded: usize = batches
            .iter()
            .map(|batch| padded_size(batch, &lengths))
            .sum();
        let real: usize = lengths
            .iter()
            .map(|(source, target)| source.max(target) + 1)
            .sum();
        assert!(
            (padded as f64) < 1.03 * real as f64,
            "{padded} ids for {real} real ones"
        );
        let full = 4096 * batches.len();
        assert!(
            (padded as f64) > 0.95 * full as f64,
            "batches are nearly full: {padded} of {full}"
        );
    }
}
