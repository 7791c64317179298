//! N-grams that two lines share.

use std::cmp::Ordering;

/// Sizes of the intersections of two multisets of n-grams, for `n` from 1 to `N`.
pub(crate) fn count_matches<T: Ord, const N: usize>(
    hypothesis: &[T],
    reference: &[T],
) -> [usize; N] {
    let (left, right) = (sorted::<_, N>(hypothesis), sorted::<_, N>(reference));
    std::array::from_fn(|i| count_common(&left, &right, i + 1))
}

/// The longest n-gram from every place, sorted: then their beginnings of any length are sorted, too.
fn sorted<T: Ord, const N: usize>(items: &[T]) -> Vec<&[T]> {
    let mut longest: Vec<&[T]> = (0..items.len())
        .map(|start| &items[start..items.len().min(start + N)])
        .collect();
    longest.sort_unstable();
    longest
}

fn count_common<T: Ord>(left: &[&[T]], right: &[&[T]], n: usize) -> usize {
    let mut left = left.iter().filter_map(|gram| gram.get(..n)).peekable();
    let mut right = right.iter().filter_map(|gram| gram.get(..n)).peekable();
    let mut common = 0;
    while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
        let order = a.cmp(b);
        if order != Ordering::Greater {
            left.next();
        }
        if order != Ordering::Less {
            right.next();
        }
        common += usize::from(order == Ordering::Equal);
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn by_counting(hypothesis: &[u8], reference: &[u8], n: usize) -> usize {
        let mut left: HashMap<&[u8], usize> = HashMap::new();
        for gram in reference.windows(n) {
            *left.entry(gram).or_default() += 1;
        }
        let mut found = 0;
        for gram in hypothesis.windows(n) {
            if let Some(count) = left.get_mut(gram).filter(|count| **count > 0) {
                *count -= 1;
                found += 1;
            }
        }
        found
    }

    proptest! {
        #[test]
        fn sorting_counts_what_counting_counts(
            hypothesis in prop::collection::vec(0_u8..3, 0..20),
            reference in prop::collection::vec(0_u8..3, 0..20),
        ) {
            let expected: [usize; 5] =
                std::array::from_fn(|i| by_counting(&hypothesis, &reference, i + 1));
            prop_assert_eq!(count_matches::<_, 5>(&hypothesis, &reference), expected);
        }
    }
}
