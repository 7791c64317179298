//! What the loops of both passes run over.

use super::super::attention::product::Right;
use super::super::attention::transpose::{PANEL, transpose};
use crate::{Direction, RecurrentCell, Sequences};

/// Rows of all tasks from which on it pays to rearrange a matrix that each step multiplies with.
const WORTH_PACKING: usize = 256;

pub(super) struct Network<'a> {
    pub(super) cell: RecurrentCell,
    pub(super) direction: Direction,
    pub(super) sequences: &'a Sequences,
    /// H.
    pub(super) width: usize,
    /// `[B, Z]`
    pub(super) start: &'a [f32],
    /// `[H, G]`
    pub(super) weight: &'a [f32],
    pub(super) attention: Option<Attention<'a>>,
}

/// What is looked at before each step, and how.
pub(super) struct Attention<'a> {
    pub(super) memory: &'a Sequences,
    /// `[H, A]`
    pub(super) query: &'a [f32],
    /// `[A]`
    pub(super) score: &'a [f32],
    /// `[D, G]`
    pub(super) context: &'a [f32],
    /// `[M, A]`
    pub(super) keys: &'a [f32],
    /// `[M, D]`
    pub(super) values: &'a [f32],
    /// A and D.
    pub(super) widths: [usize; 2],
}

impl<'a> Network<'a> {
    /// G.
    pub(super) fn gates(&self) -> usize {
        self.cell.gates() * self.width
    }

    /// Z.
    pub(super) fn state_width(&self) -> usize {
        self.cell.state_width(self.width)
    }

    /// A and D; 0 without attention.
    pub(super) fn attention_widths(&self) -> [usize; 2] {
        self.attention.as_ref().map_or([0, 0], |look| look.widths)
    }

    /// Columns of the result: Z + D.
    pub(super) fn output_width(&self) -> usize {
        self.state_width() + self.attention_widths()[1]
    }

    /// Columns of what a GRU's candidate adds to its gates: kept beside them.
    pub(super) fn candidate_width(&self) -> usize {
        match self.cell {
            RecurrentCell::Lstm => 0,
            _ => self.width,
        }
    }

    /// Columns of the gates that one product with the state makes: all but a GRU's candidate.
    pub(super) fn joint_gates(&self) -> usize {
        self.gates() - self.candidate_width()
    }

    /// Which position of a sequence a step has to do with.
    pub(super) fn position(&self, length: usize, step: usize) -> usize {
        match self.direction {
            Direction::Forward => step,
            Direction::Backward => length - 1 - step,
        }
    }

    /// The state before a step, of a result `[N, Z + D]`.
    pub(super) fn before<'b>(
        &'b self,
        output: &'b [f32],
        sequence: usize,
        step: usize,
    ) -> &'b [f32] {
        let width = self.state_width();
        if step == 0 {
            return &self.start[sequence * width..][..width];
        }
        let range = self.sequences.range(sequence);
        let row = range.start + self.position(range.len(), step - 1);
        &output[row * self.output_width()..][..width]
    }

    /// Sequences that look at the same memory.
    pub(super) fn looks(&self) -> usize {
        let memories = self.attention.as_ref().map(|look| look.memory.count());
        memories.map_or(1, |count| {
            self.sequences.count().checked_div(count).unwrap_or(1)
        })
    }

    /// The matrices that make queries of states and gates of contexts; empty without attention.
    fn attention_weights(&self) -> [&'a [f32]; 2] {
        let look = self.attention.as_ref();
        look.map_or([&[], &[]], |look| [look.query, look.context])
    }

    /// The memory that a sequence looks at.
    pub(super) fn memory_of(&self, sequence: usize) -> usize {
        sequence / self.looks()
    }

    /// Multiplications and additions of the matrix products of the forward pass.
    pub(super) fn flop(&self) -> u64 {
        let [a, d] = self.attention_widths();
        let positions: usize = self.sequences.lengths().iter().sum();
        2 * (positions * (self.width * (self.gates() + a) + d * self.gates())) as u64
    }

    /// About as many multiply-adds as the positions of some sequences take that look at the same memory.
    pub(super) fn work(&self, unit: usize) -> usize {
        // A tanh is worth some thirty of them.
        const TANH: usize = 32;
        let [a, d] = self.attention_widths();
        let looks = self.looks();
        let lengths = &self.sequences.lengths()[unit * looks..][..looks];
        let seen = self
            .attention
            .as_ref()
            .map_or(0, |look| look.memory.lengths()[unit]);
        let of_position = (self.width + d) * self.gates() + a * self.width + seen * (TANH * a + d);
        lengths.iter().sum::<usize>() * of_position
    }

    /// Units of work: sequences, or those that look at the same memory.
    pub(super) fn units(&self) -> usize {
        let memories = self.attention.as_ref().map(|look| look.memory.count());
        memories.unwrap_or(self.sequences.count())
    }
}

/// The right factor of every step's products.
pub(super) enum Factor<'a> {
    /// Where it is: its rows begin that far apart.
    There(&'a [f32], usize),
    /// Rearranged to panels.
    Packed(Vec<f32>),
}

impl<'a> Factor<'a> {
    /// Some columns of a matrix.
    fn columns(
        data: &'a [f32],
        stride: usize,
        depth: usize,
        columns: std::ops::Range<usize>,
        pack: bool,
    ) -> Self {
        let data = &data[columns.start.min(data.len())..];
        if !pack {
            return Self::There(data, stride);
        }
        let count = columns.len();
        let mut panels = Vec::with_capacity(depth * count.next_multiple_of(PANEL));
        for first in (0..count).step_by(PANEL) {
            let width = PANEL.min(count - first);
            for row in data.chunks(stride).take(depth) {
                panels.extend_from_slice(&row[first..first + width]);
                panels.extend(std::iter::repeat_n(0.0, PANEL - width));
            }
        }
        Self::Packed(panels)
    }

    /// The transpose of some columns of a matrix with that many rows.
    fn turned(
        data: &'a [f32],
        stride: usize,
        rows: usize,
        columns: std::ops::Range<usize>,
    ) -> Self {
        let width = columns.len();
        let mut panels = vec![0.0; rows.next_multiple_of(PANEL) * width];
        let mut spare = vec![0.0; PANEL * width];
        let data = &data[columns.start.min(data.len())..];
        if width > 0 {
            transpose(data, stride, [rows, width], &mut panels, &mut spare);
        }
        Self::Packed(panels)
    }

    pub(super) fn right(&self) -> Right<'_> {
        match self {
            Self::There(data, stride) => Right::Rows(data, *stride),
            Self::Packed(panels) => Right::Panels(panels),
        }
    }
}

/// The factors of a pass: as they are for the forward pass, transposed for the backward pass.
pub(super) struct Factors<'a> {
    /// Of all gates but a GRU's candidate, and of that.
    pub(super) gates: [Factor<'a>; 2],
    pub(super) query: Factor<'a>,
    pub(super) context: Factor<'a>,
}

impl<'a> Factors<'a> {
    pub(super) fn new(network: &Network<'a>) -> Self {
        let rows: usize = network.sequences.lengths().iter().sum();
        let pack = rows >= WORTH_PACKING;
        let (width, gates, joint) = (network.width, network.gates(), network.joint_gates());
        let weight = |columns| Factor::columns(network.weight, gates, width, columns, pack);
        let [a, d] = network.attention_widths();
        let [query, context] = network.attention_weights();
        Self {
            gates: [weight(0..joint), weight(joint..gates)],
            query: Factor::columns(query, a.max(1), width, 0..a, pack),
            context: Factor::columns(context, gates, d, 0..gates, pack && d > 0),
        }
    }

    pub(super) fn turned(network: &Network<'a>) -> Self {
        let (width, gates, joint) = (network.width, network.gates(), network.joint_gates());
        let weight = |columns| Factor::turned(network.weight, gates, width, columns);
        let [a, d] = network.attention_widths();
        let [query, context] = network.attention_weights();
        Self {
            gates: [weight(0..joint), weight(joint..gates)],
            query: Factor::turned(query, a, width, 0..a),
            context: Factor::turned(context, gates, d, 0..if d == 0 { 0 } else { gates }),
        }
    }
}
