use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Examples that are sorted together. Large enough for rows of nearly equal length, small enough
/// that the members of a batch change from epoch to epoch.
const POOL: usize = 16_384;

/// Keeps these draws apart from all others made with the same seed.
const PURPOSE: [u8; 16] = *b"regard-text/plan";

/// The batches of one epoch, as indices into the corpus: a pure function of its arguments.
///
/// Examples are shuffled, sorted by length within large pools, cut into batches of at most
/// `batch_tokens`, and the batches shuffled. `lengths` are those of source and target in tokens
/// *without* special ids; the size of a batch is rows times the longer of source and target *with*
/// them, since padding costs as much as text. Every example comes exactly once; one that is larger
/// than the budget is a batch of its own.
///
/// # Example
///
/// ```
/// use regard_text::batch::plan_epoch;
///
/// let lengths = [(3, 4), (9, 9), (4, 3), (9, 8)];
/// let mut batches = plan_epoch(&lengths, 20, 7, 0);
/// batches.iter_mut().for_each(|batch| batch.sort_unstable());
/// batches.sort_unstable();
/// assert_eq!(batches, [[0, 2], [1, 3]]);
/// ```
pub fn plan_epoch(
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
        // Stable, so that equals keep their shuffled order.
        pool.sort_by_key(|&index| sort_key(lengths[index]));
        cut(pool, lengths, batch_tokens, &mut batches);
    }
    batches.shuffle(&mut rng);
    batches
}

/// The same batches every time, shortest first: for validation, where order must not matter and
/// padding should not cost.
pub fn plan_in_order(lengths: &[(usize, usize)], batch_tokens: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    order.sort_by_key(|&index| sort_key(lengths[index]));
    let mut batches = Vec::new();
    cut(&order, lengths, batch_tokens, &mut batches);
    batches
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
fn sort_key((source, target): (usize, usize)) -> (usize, usize) {
    (source.max(target), source)
}

fn cut(
    sorted: &[usize],
    lengths: &[(usize, usize)],
    batch_tokens: usize,
    batches: &mut Vec<Vec<usize>>,
) {
    let mut batch: Vec<usize> = Vec::new();
    for &index in sorted {
        let (source, target) = lengths[index];
        // Sorted: the newest row is the widest.
        let width = source.max(target) + 1;
        if !batch.is_empty() && (batch.len() + 1) * width > batch_tokens {
            batches.push(std::mem::take(&mut batch));
        }
        batch.push(index);
    }
    if !batch.is_empty() {
        batches.push(batch);
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
            check(&plan_epoch(&lengths, batch_tokens, seed, epoch), &lengths, batch_tokens)?;
            check(&plan_in_order(&lengths, batch_tokens), &lengths, batch_tokens)?;
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
            plan_epoch(&lengths, 12, 1, 0),
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
        let batches = plan_epoch(&lengths, 4096, 1, 0);
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
