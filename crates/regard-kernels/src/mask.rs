//! Which keys a query may not see.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::{Bool, Device, Tensor, TensorData};

use crate::Graph;

/// Which keys are blocked for which query, said by rule instead of by a bool per pair.
///
/// Rules are joined with [`and`](Self::and): a key is visible where every rule allows it. With T queries and S keys,
/// query t stands at position `t + S - T`: the last query at the last key. So a mask means the same for a sequence at
/// once and for its end behind a cache.
///
/// ```
/// use regard_kernels::AttentionMask;
/// let mask = AttentionMask::causal().and(AttentionMask::key_lengths(vec![3, 1]));
/// assert!(!mask.is_blocked(0, 2, 2, [3, 3]));
/// assert!(mask.is_blocked(0, 1, 2, [3, 3])); // the future
/// assert!(mask.is_blocked(1, 2, 1, [3, 3])); // padding
/// ```
///
/// # Differences
///
/// `true` = blocked, as in burn and in PyTorch's `key_padding_mask`; PyTorch's `scaled_dot_product_attention` means the opposite.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AttentionMask {
    causal: bool,
    window: Option<Window>,
    key_lengths: Option<Arc<[usize]>>,
    blocks: Option<Arc<[Blocks]>>,
    graphs: Option<Arc<[Graph]>>,
}

/// What a blocked score becomes: far below every other, so that its weight is exactly 0 beside a visible key, yet finite, so
/// that a row of nothing else is uniform rather than NaN until it is set to 0. Scores below -1e30 are not expected.
pub const BLOCKED: f32 = -1e30;

/// How far a query sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Positions before its own.
    pub before: usize,
    /// Positions behind its own.
    pub after: usize,
}

/// The ends of consecutive blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Blocks(Vec<usize>);

impl Blocks {
    /// The block in which a position stands; empty behind the last.
    fn around(&self, position: usize) -> Range<usize> {
        let block = self.0.partition_point(|&end| end <= position);
        match self.0.get(block) {
            Some(&end) => block.checked_sub(1).map_or(0, |before| self.0[before])..end,
            None => 0..0,
        }
    }
}

impl AttentionMask {
    /// Every key is visible.
    pub fn none() -> Self {
        Self::default()
    }

    /// No query sees a later key.
    pub fn causal() -> Self {
        Self {
            causal: true,
            ..Self::default()
        }
    }

    /// A query sees its own position, `before` positions before it and `after` behind it.
    pub fn window(before: usize, after: usize) -> Self {
        Self {
            window: Some(Window { before, after }),
            ..Self::default()
        }
    }

    /// Row `b` has `lengths[b]` keys; those behind are padding.
    pub fn key_lengths(lengths: impl Into<Arc<[usize]>>) -> Self {
        Self {
            key_lengths: Some(lengths.into()),
            ..Self::default()
        }
    }

    /// Row `b` holds sequences of the lengths `rows[b]`, one behind the other; a position sees its own sequence only,
    /// and what stands behind the last sees nothing and is not seen. One entry serves all rows.
    pub fn blocks(rows: &[Vec<usize>]) -> Self {
        let ends = |lengths: &Vec<usize>| {
            let mut end = 0;
            let ends = lengths.iter().map(|length| {
                end += length;
                end
            });
            Blocks(ends.collect())
        };
        Self {
            blocks: Some(rows.iter().map(ends).collect()),
            ..Self::default()
        }
    }

    /// Positions of row `b` see along the edges of `graphs[b]`. One graph serves all rows.
    pub fn graph(graphs: impl Into<Arc<[Graph]>>) -> Self {
        Self {
            graphs: Some(graphs.into()),
            ..Self::default()
        }
    }

    /// Visible where both masks allow it.
    ///
    /// # Panics
    ///
    /// If both have rules for each row, for different numbers of rows; if both have blocks and these differ (two ways of
    /// packing do not belong to one batch), or graphs of different size.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        let both = |a: &[usize], b: &[usize]| -> Arc<[usize]> {
            assert_eq!(
                a.len(),
                b.len(),
                "AttentionMask::and: masks for {} and {} rows",
                a.len(),
                b.len()
            );
            a.iter().zip(b).map(|(&a, &b)| a.min(b)).collect()
        };
        assert!(
            self.blocks.is_none() || other.blocks.is_none() || self.blocks == other.blocks,
            "AttentionMask::and: both masks have blocks, and they differ"
        );
        Self {
            causal: self.causal || other.causal,
            window: joined(self.window, other.window, |a, b| Window {
                before: a.before.min(b.before),
                after: a.after.min(b.after),
            }),
            key_lengths: joined(self.key_lengths, other.key_lengths, |a, b| both(&a, &b)),
            blocks: self.blocks.or(other.blocks),
            graphs: joined(self.graphs, other.graphs, |a, b| {
                let rows = a.len().max(b.len());
                check_count("AttentionMask::and: graphs", a.len(), rows);
                check_count("AttentionMask::and: graphs", b.len(), rows);
                (0..rows)
                    .map(|row| of_row(&a, row).common(of_row(&b, row)))
                    .collect()
            }),
        }
    }

    /// The keys that query `query` of row `row` may see, with `[T, S]` queries and keys: the smallest range that holds
    /// them. Only a graph leaves holes in it.
    pub fn visible_range(&self, row: usize, query: usize, [t, s]: [usize; 2]) -> Range<usize> {
        // Positions count from T, so that a query before the first key has one too.
        let position = query + s;
        let mut end = self
            .key_lengths
            .as_ref()
            .map_or(s, |lengths| lengths[row].min(s));
        let mut start = 0;
        let through = |last: usize| (last + 1).saturating_sub(t);
        if self.causal {
            end = end.min(through(position));
        }
        if let Some(Window { before, after }) = self.window {
            end = end.min(through(position.saturating_add(after).min(s + t)));
            start = position.saturating_sub(before).saturating_sub(t);
        }
        if let Some(blocks) = &self.blocks {
            let block = match position.checked_sub(t) {
                Some(position) => of_row(blocks, row).around(position),
                None => 0..0,
            };
            start = start.max(block.start);
            end = end.min(block.end);
        }
        if let (Some(graphs), Some(position)) = (&self.graphs, position.checked_sub(t)) {
            let sources = of_row(graphs, row).sources(position);
            let first = sources.partition_point(|&source| source < start);
            let behind = sources.partition_point(|&source| source < end);
            match sources.get(first..behind) {
                Some([source]) => (start, end) = (*source, source + 1),
                Some([source, .., last]) => (start, end) = (*source, last + 1),
                _ => start = end,
            }
        }
        start.min(end)..end
    }

    /// The only keys that a query may see within its [`visible_range`](Self::visible_range), ascending, where a graph says
    /// so. `None` if the whole range is visible.
    #[cfg(feature = "flex")]
    pub(crate) fn sources(&self, row: usize, query: usize, [t, s]: [usize; 2]) -> Option<&[usize]> {
        let graphs = self.graphs.as_ref()?;
        Some(of_row(graphs, row).sources(query + s - t))
    }

    /// Whether query `query` of row `row` may not see key `key`, with `[T, S]` queries and keys.
    pub fn is_blocked(&self, row: usize, query: usize, key: usize, sizes: [usize; 2]) -> bool {
        if !self.visible_range(row, query, sizes).contains(&key) {
            return true;
        }
        let [t, s] = sizes;
        self.graphs
            .as_ref()
            .is_some_and(|graphs| !of_row(graphs, row).has_edge(key, query + s - t))
    }

    /// The rules without the window, and the window.
    pub fn split_window(self) -> (Self, Option<Window>) {
        let window = self.window;
        (
            Self {
                window: None,
                ..self
            },
            window,
        )
    }

    /// Whether no query sees a later key.
    pub fn is_causal(&self) -> bool {
        self.causal
    }

    /// Visible keys of each row, where padding is all that the mask blocks or the mask is causal besides: the masks that
    /// kinds without scores of single pairs can keep. `None` if there are other rules.
    pub fn lengths_only(&self, rows: usize, s: usize) -> Option<Vec<usize>> {
        let simple = self.window.is_none() && self.blocks.is_none() && self.graphs.is_none();
        simple.then(|| match &self.key_lengths {
            Some(lengths) => lengths.iter().map(|&length| length.min(s)).collect(),
            None => vec![s; rows],
        })
    }

    /// Whether what a query sees is one range of keys: so it is under every rule but a graph.
    pub fn is_contiguous(&self) -> bool {
        self.graphs.is_none()
    }

    /// Refuses a mask that does not fit `rows` rows of `[T, S]` queries and keys.
    ///
    /// # Panics
    ///
    /// If the mask is made for another number of rows, or its graphs have too few nodes.
    pub fn check(&self, rows: usize, [t, s]: [usize; 2]) {
        if let Some(lengths) = &self.key_lengths {
            assert_eq!(
                lengths.len(),
                rows,
                "attention: mask for {} rows, batch of {rows}",
                lengths.len()
            );
        }
        if let Some(blocks) = &self.blocks {
            check_count("attention: blocks", blocks.len(), rows);
        }
        if let Some(graphs) = &self.graphs {
            check_count("attention: graphs", graphs.len(), rows);
            for graph in graphs.iter() {
                assert!(
                    s <= graph.nodes() && t <= s,
                    "attention: a graph of {} nodes cannot mask {t} queries and {s} keys",
                    graph.nodes()
                );
            }
        }
    }

    /// Whether some query may see no key at all.
    pub(crate) fn blocks_a_whole_query(&self, rows: usize, sizes: [usize; 2]) -> bool {
        (0..self.own_rows(rows, sizes[1]))
            .any(|row| (0..sizes[0]).any(|query| self.visible_range(row, query, sizes).is_empty()))
    }

    /// Rows that the mask tells apart; lengths that cut nothing off s keys are the same for all.
    pub(crate) fn own_rows(&self, rows: usize, s: usize) -> usize {
        let cut = |lengths: &Arc<[usize]>| lengths.iter().any(|&length| length < s);
        let own = self.key_lengths.as_ref().is_some_and(cut)
            || self.blocks.as_ref().is_some_and(|blocks| blocks.len() > 1)
            || self.graphs.as_ref().is_some_and(|graphs| graphs.len() > 1);
        if own { rows } else { rows.min(1) }
    }

    /// The mask as a tensor that broadcasts to `[B, H, T, S]`, with axes of size 1 where a rule does not need them;
    /// `true` = blocked. `None` if it blocks nothing.
    pub fn to_tensor(
        &self,
        rows: usize,
        [t, s]: [usize; 2],
        device: &Device,
    ) -> Option<Tensor<4, Bool>> {
        let rows = self.own_rows(rows, s);
        let by_query = self.window.is_some() || self.blocks.is_some() || self.graphs.is_some();
        let own_queries = if self.causal || by_query { t } else { t.min(1) };
        let mut blocked = vec![true; rows * own_queries * s];
        let mut lines = blocked.chunks_exact_mut(s.max(1));
        for row in 0..rows {
            for query in t - own_queries..t {
                let line = lines.next().unwrap_or_default();
                match &self.graphs {
                    None => line[self.visible_range(row, query, [t, s])].fill(false),
                    Some(_) => (0..s).for_each(|key| {
                        line[key] = self.is_blocked(row, query, key, [t, s]);
                    }),
                }
            }
        }
        if !blocked.contains(&true) {
            return None;
        }
        let data = TensorData::new(blocked, [rows, 1, own_queries, s]);
        Some(Tensor::from_data(data, device))
    }
}

fn joined<T>(a: Option<T>, b: Option<T>, both: impl FnOnce(T, T) -> T) -> Option<T> {
    match (a, b) {
        (Some(a), Some(b)) => Some(both(a, b)),
        (a, b) => a.or(b),
    }
}

/// The entry of a row, where one entry may serve all.
fn of_row<T>(entries: &[T], row: usize) -> &T {
    match entries {
        [entry] => entry,
        _ => &entries[row],
    }
}

fn check_count(what: &str, count: usize, rows: usize) {
    assert!(
        count == 1 || count == rows,
        "{what}: expected one, or one for each of {rows} rows, got {count}"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every rule in other words: whether position `i` may not see key `j` of 5.
    type Rule = fn(row: usize, i: usize, j: usize) -> bool;

    fn rules() -> Vec<(AttentionMask, Rule)> {
        let graph = |edges: &[[usize; 2]]| Graph::new(6, edges);
        vec![
            (AttentionMask::none(), |_, _, _| false),
            (AttentionMask::causal(), |_, i, j| j > i),
            (AttentionMask::window(1, 2), |_, i, j| {
                j + 1 < i || j > i + 2
            }),
            (AttentionMask::window(usize::MAX, 0), |_, i, j| j > i),
            (AttentionMask::key_lengths(vec![5, 2]), |row, _, j| {
                j >= [5, 2][row]
            }),
            (AttentionMask::blocks(&[vec![2, 1, 2]]), |_, i, j| {
                [0, 0, 1, 2, 2][i] != [0, 0, 1, 2, 2][j]
            }),
            (
                AttentionMask::blocks(&[vec![5], vec![0, 3]]),
                |row, i, j| row == 1 && (i >= 3 || j >= 3),
            ),
            (
                // Holes; and within the blocks above, row 0 leaves position 2 nothing between two sources.
                AttentionMask::graph(vec![
                    graph(&[[0, 0], [1, 1], [1, 2], [3, 2], [0, 3], [4, 3], [4, 4]]),
                    graph(&[[1, 0], [0, 1], [2, 2], [4, 3], [0, 4], [3, 4]]),
                ]),
                |row, i, j| match row {
                    0 => !matches!((j, i), (0, 0) | (1, 1) | (1 | 3, 2) | (0 | 4, 3) | (4, 4)),
                    _ => !matches!((j, i), (1, 0) | (0, 1) | (2, 2) | (4, 3) | (0 | 3, 4)),
                },
            ),
        ]
    }

    #[test]
    fn every_rule_and_every_pair_of_rules_blocks_what_it_says() {
        let device = crate::test_device();
        for (a, rule_a) in rules() {
            for (b, rule_b) in rules() {
                let clash = a.blocks.is_some() && b.blocks.is_some() && a.blocks != b.blocks;
                if clash {
                    continue;
                }
                let mask = a.clone().and(b);
                for [t, s] in [[5, 5], [3, 5], [1, 5]] {
                    let pairs = (0..2)
                        .flat_map(|b| (0..t).flat_map(move |q| (0..s).map(move |k| (b, q, k))));
                    let expected: Vec<bool> = pairs
                        .clone()
                        .map(|(row, query, key)| {
                            let position = query + s - t;
                            rule_a(row, position, key) || rule_b(row, position, key)
                        })
                        .collect();
                    let got: Vec<bool> = pairs
                        .map(|(row, query, key)| mask.is_blocked(row, query, key, [t, s]))
                        .collect();
                    assert_eq!(got, expected, "{mask:?}, T {t}, S {s}");

                    let nothing = TensorData::new(vec![false; 2 * t * s], [2, 1, t, s]);
                    let mut dense = Tensor::<4, Bool>::from_data(nothing, &device);
                    if let Some(tensor) = mask.to_tensor(2, [t, s], &device) {
                        dense = dense.bool_or(tensor.expand([2, 1, t, s]));
                    }
                    let dense: Vec<bool> = dense.into_data().iter::<bool>().collect();
                    assert_eq!(dense, expected, "{mask:?}, T {t}, S {s}");

                    let whole = expected
                        .chunks(s)
                        .any(|line| line.iter().all(|&blocked| blocked));
                    assert_eq!(mask.blocks_a_whole_query(2, [t, s]), whole, "{mask:?}");
                }
            }
        }
    }

    #[test]
    fn queries_before_the_first_key_see_no_past() {
        let ranges = |mask: AttentionMask| [0, 1, 2].map(|t| mask.visible_range(0, t, [3, 2]));
        assert_eq!(ranges(AttentionMask::causal()), [0..0, 0..1, 0..2]);
        assert_eq!(ranges(AttentionMask::window(0, 1)), [0..1, 0..2, 1..2]);
        assert_eq!(
            ranges(AttentionMask::blocks(&[vec![1, 1]])),
            [0..0, 0..1, 1..2]
        );
    }

    #[test]
    fn a_tensor_has_no_axis_that_no_rule_needs() {
        let device = crate::test_device();
        let dims = |mask: AttentionMask| mask.to_tensor(2, [3, 5], &device).map(|m| m.dims());
        assert_eq!(dims(AttentionMask::none()), None);
        assert_eq!(dims(AttentionMask::key_lengths(vec![5, 7])), None);
        assert_eq!(
            dims(AttentionMask::key_lengths(vec![5, 3])),
            Some([2, 1, 1, 5])
        );
        assert_eq!(dims(AttentionMask::causal()), Some([1, 1, 3, 5]));
        let uncut = AttentionMask::causal().and(AttentionMask::key_lengths(vec![5, 7]));
        assert_eq!(dims(uncut), Some([1, 1, 3, 5]));
        assert_eq!(dims(AttentionMask::window(5, 5)), None);
        assert_eq!(
            dims(AttentionMask::blocks(&[vec![4, 1]])),
            Some([1, 1, 3, 5])
        );
        assert_eq!(
            dims(AttentionMask::graph([Graph::new(5, &[])])),
            Some([1, 1, 3, 5])
        );
    }

    #[test]
    fn a_graph_and_a_window_without_a_common_key_leave_nothing() {
        let graph = Graph::new(3, &[[0, 0], [0, 1], [2, 1], [2, 2]]);
        let mask = AttentionMask::graph([graph]).and(AttentionMask::window(0, 0));
        let ranges = [0, 1, 2].map(|query| mask.visible_range(0, query, [3, 3]));
        assert!(ranges[1].is_empty());
        assert_eq!([&ranges[0], &ranges[2]], [&(0..1), &(2..3)]);
        assert!(mask.blocks_a_whole_query(1, [3, 3]));
    }

    #[test]
    fn without_rows_queries_or_keys_there_is_nothing_to_block() {
        let device = crate::test_device();
        let lengths = AttentionMask::key_lengths;
        for (mask, rows, sizes) in [
            (lengths(vec![1, 0]), 2, [0, 3]),
            (lengths(vec![1, 0]), 2, [3, 0]),
            (lengths(vec![]), 0, [3, 3]),
            (AttentionMask::causal(), 0, [3, 3]),
            (AttentionMask::causal(), 2, [0, 3]),
        ] {
            assert!(mask.to_tensor(rows, sizes, &device).is_none(), "{mask:?}");
        }
    }

    #[test]
    fn and_keeps_the_shorter_length() {
        let mask =
            AttentionMask::key_lengths(vec![5, 2]).and(AttentionMask::key_lengths(vec![3, 4]));
        assert_eq!(mask, AttentionMask::key_lengths(vec![3, 2]));
    }

    #[test]
    #[should_panic(expected = "attention: blocks: expected one, or one for each of 3 rows, got 2")]
    fn blocks_for_another_number_of_rows() {
        AttentionMask::blocks(&[vec![1], vec![1]]).check(3, [1, 1]);
    }

    #[test]
    #[should_panic(expected = "a graph of 2 nodes cannot mask 3 queries and 3 keys")]
    fn a_graph_that_is_too_small() {
        AttentionMask::graph([Graph::new(2, &[])]).check(1, [3, 3]);
    }
}
