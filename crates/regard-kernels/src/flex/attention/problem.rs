//! What the loops of both passes run over.

#![allow(unsafe_code, reason = "results are written once, not zeroed first")]

use std::mem::MaybeUninit;
use std::ops::Range;

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::{AttentionOp, Heads, Place};
use crate::{AttentionMask, Draws, Origins};

/// Queries of a tile.
pub(super) const QUERIES: usize = 64;
/// Keys of a tile. Rows of no more keep their weights for the backward pass.
pub(super) const KEYS: usize = 256;
/// Positions of a task where a row of the batch is divided; a multiple of [`QUERIES`].
pub(super) const PART: usize = 128;
/// Rows of a batch that give every core something to do.
pub(super) const MANY_ROWS: usize = 8;
/// Work, in multiply-adds, below which dividing it costs more than it gains.
const WORTH_DIVIDING: usize = 1 << 18;

pub(super) struct Problem<'a> {
    pub(super) batch: usize,
    pub(super) t: usize,
    pub(super) s: usize,
    pub(super) heads: Heads,
    pub(super) scale: f32,
    pub(super) query: View<'a>,
    pub(super) key: View<'a>,
    pub(super) value: View<'a>,
    pub(super) bias: Option<Bias<'a>>,
    pub(super) mask: &'a AttentionMask,
    pub(super) dropout: Option<(f64, Draws)>,
    /// In which rows keys and values stand, if not in those of the queries. Only a step reads it.
    pub(super) origins: Option<&'a Origins>,
}

impl<'a> Problem<'a> {
    /// Of operands that are `readable`.
    pub(super) fn new(op: &'a AttentionOp, inputs: &'a [FlexTensor]) -> Self {
        let places = op.places(inputs.len());
        let [query, key, value] =
            places.map(|Place { operand, column }| View::new(&inputs[operand], column));
        let shape = |place: Place| inputs[place.operand].layout().shape();
        Self {
            batch: shape(places[0])[0],
            t: shape(places[0])[1],
            s: shape(places[1])[1],
            heads: op.heads,
            scale: op.scale.unwrap_or(1.0 / (op.heads.width as f64).sqrt()) as f32,
            query,
            key,
            value,
            bias: inputs.last().filter(|_| op.bias).map(Bias::new),
            mask: &op.mask,
            dropout: op.dropout,
            origins: None,
        }
    }

    /// Width of a row of the context.
    pub(super) fn context_width(&self) -> usize {
        self.heads.queries * self.heads.value_width
    }

    /// `[B, T, H K_v]`
    pub(super) fn context_shape(&self) -> [usize; 3] {
        [self.batch, self.t, self.context_width()]
    }

    /// Whether there are no scores at all.
    pub(super) fn is_empty(&self) -> bool {
        self.batch * self.t * self.s * self.context_width() * self.heads.width == 0
    }

    /// The head of keys that a head of queries looks at.
    pub(super) fn group(&self, key_head: usize) -> Range<usize> {
        let size = self.heads.queries / self.heads.keys;
        key_head * size..(key_head + 1) * size
    }

    /// Calls `f` for each task with some scratch memory, on several cores if that is worth it.
    pub(super) fn for_each<T: Send, S>(
        &self,
        tasks: Vec<T>,
        scratch: impl Fn() -> S + Sync + Send,
        f: impl Fn(&mut S, T) + Sync + Send,
    ) {
        let pairs = self.batch * self.heads.queries * self.t * self.s;
        if tasks.len() < 2 || pairs.saturating_mul(self.heads.width) < WORTH_DIVIDING {
            let mut scratch = scratch();
            for task in tasks {
                f(&mut scratch, task);
            }
        } else {
            tasks.into_par_iter().for_each_init(scratch, f);
        }
    }
}

/// The rows of q, k or v.
#[derive(Clone, Copy)]
pub(super) struct View<'a> {
    data: &'a [f32],
    row_stride: usize,
    pub(super) stride: usize,
}

impl<'a> View<'a> {
    pub(super) fn new(tensor: &'a FlexTensor, column: usize) -> Self {
        let layout = tensor.layout();
        let [row_stride, stride] = [0, 1].map(|axis| {
            usize::try_from(layout.strides()[axis]).expect("strides of readable rows are positive")
        });
        let data: &[f32] = tensor.storage();
        Self {
            data: &data[(layout.start_offset() + column).min(data.len())..],
            row_stride,
            stride,
        }
    }

    /// Row `row` of the batch from position `first` on, and there from column `column` on; positions stand `stride` apart.
    #[inline]
    pub(super) fn at(&self, row: usize, first: usize, column: usize) -> &'a [f32] {
        &self.data[row * self.row_stride + first * self.stride + column..]
    }
}

/// A bias that broadcasts to `[B, H, T, S]`.
pub(super) struct Bias<'a> {
    data: &'a [f32],
    strides: [usize; 4],
}

impl<'a> Bias<'a> {
    fn new(tensor: &'a FlexTensor) -> Self {
        let layout = tensor.layout();
        let strides = std::array::from_fn(|axis| match layout.shape()[axis] {
            1 => 0,
            _ => usize::try_from(layout.strides()[axis]).expect("readable strides are positive"),
        });
        Self {
            data: &tensor.storage()[layout.start_offset()..],
            strides,
        }
    }

    /// Adds the bias of one query and of keys from `first` on.
    #[inline]
    pub(super) fn add_to(&self, scores: &mut [f32], [row, head, query]: [usize; 3], first: usize) {
        let [b, h, t, s] = self.strides;
        let data = &self.data[row * b + head * h + query * t + first * s..];
        if s == 0 {
            for score in scores {
                *score += data[0];
            }
        } else {
            for (score, bias) in scores.iter_mut().zip(data) {
                *score += bias;
            }
        }
    }
}

/// Which keys the queries see, worked out once for all heads.
pub(super) struct Visible {
    /// Of each query of each row that the mask tells apart.
    ranges: Vec<Range<usize>>,
    /// Of each tile of queries.
    hulls: Vec<Range<usize>>,
    /// Rows that the mask tells apart.
    rows: usize,
}

impl Visible {
    pub(super) fn new(problem: &Problem<'_>) -> Self {
        let Problem {
            batch, t, s, mask, ..
        } = *problem;
        let rows = mask.own_rows(batch, s);
        let ranges: Vec<Range<usize>> = (0..rows)
            .flat_map(|row| (0..t).map(move |query| mask.visible_range(row, query, [t, s])))
            .collect();
        let hull = |ranges: &[Range<usize>]| {
            let mut seen = ranges.iter().filter(|range| !range.is_empty());
            let first = seen.next().cloned().unwrap_or(0..0);
            seen.fold(first, |hull, range| {
                hull.start.min(range.start)..hull.end.max(range.end)
            })
        };
        let hulls = ranges
            .chunks(t.max(1))
            .flat_map(|ranges| ranges.chunks(QUERIES).map(hull))
            .collect();
        Self {
            ranges,
            hulls,
            rows,
        }
    }

    /// The keys that a query sees: those of this range that are sources in the mask's graph, if it has one.
    #[inline]
    pub(super) fn range(&self, row: usize, query: usize) -> Range<usize> {
        let t = self.ranges.len() / self.rows;
        self.ranges[row % self.rows * t + query].clone()
    }

    /// The smallest range that holds what the queries of the tile that begins at `first` see.
    #[inline]
    pub(super) fn hull(&self, row: usize, first: usize) -> Range<usize> {
        let tiles = self.hulls.len() / self.rows;
        self.hulls[row % self.rows * tiles + first / QUERIES].clone()
    }
}

/// The tile at `first` of a sequence.
#[inline]
pub(super) fn tile(first: usize, size: usize, length: usize) -> Range<usize> {
    first..(first + size).min(length)
}

/// The memory of a part of fresh room, set to zero by the task that goes on to use it: on its core, and in its cache.
pub(super) fn zeroed(part: &mut [MaybeUninit<f32>]) -> &mut [f32] {
    part.fill(MaybeUninit::new(0.0));
    // SAFETY: every element was just written.
    unsafe { part.assume_init_mut() }
}
