//! The scores of a tile of queries and keys.

use std::ops::Range;

use super::problem::{KEYS, Problem, QUERIES, Visible};
use super::product::{Left, Right, product};
use super::transpose::{PANEL, transpose};

/// Keys of a tile, for the head and row at hand.
#[derive(Clone, Copy)]
pub(super) struct Keys {
    pub(super) row: usize,
    pub(super) head: usize,
    /// The first, from a whole number of panels on.
    pub(super) first: usize,
    pub(super) count: usize,
    /// How many keys before the first were turned with it.
    pub(super) offset: usize,
}

impl Keys {
    /// As few of them as hold those in a range.
    pub(super) fn within(self, range: &Range<usize>) -> Option<Self> {
        let first = self.first.max(range.start / PANEL * PANEL);
        let end = (self.first + self.count).min(range.end);
        (first < end).then(|| Self {
            first,
            count: end - first,
            offset: self.offset + first - self.first,
            ..self
        })
    }

    /// Elements of a row of scores: as many as fill whole panels.
    pub(super) fn stride(self) -> usize {
        self.count.next_multiple_of(PANEL)
    }
}

/// Memory that a task works in.
pub(super) struct Scratch {
    pub(super) scores: Vec<f32>,
    pub(super) gradients: Vec<f32>,
    keys: Vec<f32>,
    values: Vec<f32>,
    spare: Vec<f32>,
    pub(super) draws: Vec<f32>,
}

impl Scratch {
    /// For the forward pass alone, or for the backward pass, too.
    pub(super) fn new(problem: &Problem<'_>, backward: bool) -> Self {
        let backward = usize::from(backward);
        let (queries, keys) = (problem.t.min(QUERIES), problem.s.min(KEYS));
        let keys = keys.next_multiple_of(PANEL);
        let (width, value_width) = (problem.heads.width, problem.heads.value_width);
        Self {
            scores: vec![0.0; queries * keys],
            gradients: vec![0.0; queries * keys * backward],
            keys: vec![0.0; width * keys],
            values: vec![0.0; value_width * keys * backward],
            spare: vec![0.0; width.max(value_width) * PANEL],
            draws: vec![0.0; keys * backward],
        }
    }

    /// Turns keys, for products of queries with them.
    pub(super) fn turn_keys(&mut self, problem: &Problem<'_>, keys: Keys) {
        let width = problem.heads.width;
        let rows = problem.key.at(keys.row, keys.first, keys.head * width);
        let panels = &mut self.keys[..keys.stride() * width];
        let sizes = [keys.count, width];
        transpose(rows, problem.key.stride, sizes, panels, &mut self.spare);
    }

    /// Turns values, for products of the context's gradients with them.
    pub(super) fn turn_values(&mut self, problem: &Problem<'_>, keys: Keys) {
        let width = problem.heads.value_width;
        let rows = problem.value.at(keys.row, keys.first, keys.head * width);
        let panels = &mut self.values[..keys.stride() * width];
        let sizes = [keys.count, width];
        transpose(rows, problem.value.stride, sizes, panels, &mut self.spare);
    }

    /// Scaled and biased scores of queries of a head with the keys that were turned last; blocked ones are -inf.
    pub(super) fn score(
        &mut self,
        problem: &Problem<'_>,
        visible: &Visible,
        keys: Keys,
        head: usize,
        queries: Range<usize>,
    ) {
        let (width, stride) = (problem.heads.width, keys.stride());
        let left = problem.query.at(keys.row, queries.start, head * width);
        product(
            &mut self.scores,
            stride,
            [queries.len(), stride, width],
            Left::Rows(left, problem.query.stride),
            Right::Panels(&self.keys[keys.offset * width..]),
            problem.scale,
            false,
        );
        for (query, scores) in queries.zip(self.scores.chunks_exact_mut(stride)) {
            if let Some(bias) = &problem.bias {
                let place = [keys.row, head, query];
                bias.add_to(&mut scores[..keys.count], place, keys.first);
            }
            let range = visible.range(keys.row, query);
            problem.block(scores, keys.row, query, range, keys.first);
        }
    }

    /// Products of the context's gradients with the values that were turned last.
    pub(super) fn multiply_values(
        &mut self,
        problem: &Problem<'_>,
        keys: Keys,
        queries: usize,
        gradients: &[f32],
    ) {
        let (width, stride) = (problem.heads.value_width, keys.stride());
        product(
            &mut self.gradients,
            stride,
            [queries, stride, width],
            Left::Rows(gradients, problem.context_width()),
            Right::Panels(&self.values[keys.offset * width..]),
            1.0,
            false,
        );
    }
}

impl Problem<'_> {
    /// Sets to -inf the scores, of keys from `first` on, that are outside of the range of what the query sees, or no
    /// sources of it in the mask's graph.
    #[inline]
    pub(super) fn block(
        &self,
        scores: &mut [f32],
        row: usize,
        query: usize,
        range: Range<usize>,
        first: usize,
    ) {
        let last = first + scores.len();
        let [start, end] = [range.start, range.end].map(|key| key.clamp(first, last) - first);
        let end = end.max(start);
        scores[..start].fill(f32::NEG_INFINITY);
        scores[end..].fill(f32::NEG_INFINITY);
        if let Some(sources) = self.mask.sources(row, query, [self.t, self.s]) {
            let mut next = start;
            let behind = sources.partition_point(|&source| source < first + start);
            for source in sources[behind..].iter().map(|source| source - first) {
                if source >= end {
                    break;
                }
                scores[next..source].fill(f32::NEG_INFINITY);
                next = source + 1;
            }
            if next < end {
                scores[next..end].fill(f32::NEG_INFINITY);
            }
        }
    }
}
