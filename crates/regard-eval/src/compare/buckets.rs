//! Lines sorted into buckets by length.

/// Most buckets that are made without edges.
const MOST: usize = 6;

/// Fewest sentences of such a bucket; with fewer, its intervals say little.
pub(super) const FEWEST: usize = 20;

/// A bucket and the lines in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sorted {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) lines: Vec<usize>,
}

/// Buckets by number of words, shortest first, and the ranges of those left out since they would be empty.
///
/// There must be a line. Given edges must ascend.
pub(super) fn sort(
    words: &[usize],
    edges: Option<&[usize]>,
) -> (Vec<Sorted>, Vec<(usize, Option<usize>)>) {
    let mut sorted = words.to_vec();
    sorted.sort_unstable();
    let (shortest, longest) = (sorted[0], sorted[sorted.len() - 1]);
    let mut starts = edges.map_or_else(|| filled(&sorted), <[usize]>::to_vec);
    if shortest < starts[0] {
        starts.insert(0, shortest);
    }
    let (mut buckets, mut empty) = (Vec::new(), Vec::new());
    for (i, &from) in starts.iter().enumerate() {
        let next = starts.get(i + 1);
        let is_in = |length: usize| length >= from && next.is_none_or(|&next| length < next);
        let lines: Vec<usize> = (0..words.len()).filter(|&i| is_in(words[i])).collect();
        let end = next.map(|next| next - 1);
        if lines.is_empty() {
            empty.push((from, end));
        } else {
            buckets.push(Sorted {
                from,
                to: end.unwrap_or(longest),
                lines,
            });
        }
    }
    (buckets, empty)
}

/// Edges for buckets of nearly equal numbers of sentences.
fn filled(sorted: &[usize]) -> Vec<usize> {
    let count = sorted.len();
    let buckets = (count / FEWEST).clamp(1, MOST);
    // Places where the length grows: a bucket may begin there, and nowhere else.
    let steps: Vec<usize> = (1..count)
        .filter(|&i| sorted[i - 1] < sorted[i] && i >= FEWEST && count - i >= FEWEST)
        .collect();
    let mut starts = vec![0];
    for bucket in 1..buckets {
        let wanted = bucket * count / buckets;
        let nearest = steps.iter().min_by_key(|&&step| step.abs_diff(wanted));
        starts.extend(nearest.filter(|&&step| step >= starts[starts.len() - 1] + FEWEST));
    }
    starts.into_iter().map(|i| sorted[i]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranges(words: &[usize], edges: &[usize]) -> Vec<(usize, usize, usize)> {
        let (buckets, _) = sort(words, Some(edges));
        let range = |bucket: Sorted| (bucket.from, bucket.to, bucket.lines.len());
        buckets.into_iter().map(range).collect()
    }

    #[test]
    fn given_edges_begin_buckets() {
        let words = [3, 10, 11, 20, 21, 60];
        assert_eq!(
            ranges(&words, &[3, 11, 21]),
            [(3, 10, 2), (11, 20, 2), (21, 60, 2)]
        );
    }

    #[test]
    fn what_is_shorter_has_a_bucket_of_its_own() {
        assert_eq!(ranges(&[0, 2, 5], &[3]), [(0, 2, 2), (3, 5, 1)]);
    }

    #[test]
    fn empty_buckets_are_told() {
        let (buckets, empty) = sort(&[4, 30], Some(&[1, 4, 10, 20, 40]));
        assert_eq!(buckets.len(), 2);
        assert_eq!(empty, [(1, Some(3)), (10, Some(19)), (40, None)]);
    }

    #[test]
    fn even_lengths_make_six_even_buckets() {
        let words: Vec<usize> = (0..600).map(|i| 1 + i % 60).collect();
        let (buckets, _) = sort(&words, None);
        let sizes: Vec<usize> = buckets.iter().map(|bucket| bucket.lines.len()).collect();
        assert_eq!(sizes, [100; 6]);
        assert_eq!((buckets[0].from, buckets[5].to), (1, 60));
    }

    #[test]
    fn one_length_is_one_bucket() {
        let (buckets, _) = sort(&[7; 500], None);
        assert_eq!(buckets.len(), 1);
        assert_eq!((buckets[0].from, buckets[0].to), (7, 7));
    }

    proptest! {
        #[test]
        fn every_line_is_in_one_bucket_and_buckets_are_filled(
            words in prop::collection::vec(0_usize..40, 1..400),
            squared: bool,
        ) {
            // Squared, most lines are short and a few are very long.
            let words: Vec<usize> =
                words.into_iter().map(|n| if squared { n * n / 40 } else { n }).collect();
            let (buckets, empty) = sort(&words, None);
            prop_assert!(empty.is_empty() && buckets.len() <= MOST);
            let mut seen: Vec<usize> =
                buckets.iter().flat_map(|bucket| bucket.lines.clone()).collect();
            seen.sort_unstable();
            prop_assert_eq!(seen, (0..words.len()).collect::<Vec<_>>());
            for (i, bucket) in buckets.iter().enumerate() {
                prop_assert!(bucket.lines.len() >= FEWEST || buckets.len() == 1);
                prop_assert!(i == 0 || buckets[i - 1].to < bucket.from);
                let all_in = bucket.lines.iter()
                    .all(|&line| (bucket.from..=bucket.to).contains(&words[line]));
                prop_assert!(all_in);
            }
        }
    }
}
