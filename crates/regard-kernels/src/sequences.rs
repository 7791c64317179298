//! Which rows of a matrix are which sequences.

use std::ops::Range;
use std::sync::Arc;

/// Where the positions of each sequence lie in a matrix `[N, W]`: side by side, one sequence behind the other, with room
/// between them or without.
///
/// ```
/// use regard_kernels::Sequences;
///
/// let packed = Sequences::packed(vec![2, 1]);
/// assert_eq!((packed.rows(), packed.range(1)), (3, 2..3));
/// let padded = Sequences::padded(vec![2, 1], 4);
/// assert_eq!((padded.rows(), padded.range(1)), (8, 4..5));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sequences {
    lengths: Arc<[usize]>,
    starts: Arc<[usize]>,
    rows: usize,
}

impl Sequences {
    /// Sequences of the given lengths without room between them.
    pub fn packed(lengths: impl Into<Arc<[usize]>>) -> Self {
        let lengths = lengths.into();
        let mut rows = 0;
        let start_of = |&length: &usize| {
            let start = rows;
            rows += length;
            start
        };
        let starts = lengths.iter().map(start_of).collect();
        Self {
            lengths,
            starts,
            rows,
        }
    }

    /// Sequences that begin `width` rows apart.
    ///
    /// # Panics
    ///
    /// If a length exceeds the width.
    pub fn padded(lengths: impl Into<Arc<[usize]>>, width: usize) -> Self {
        let lengths = lengths.into();
        assert!(
            lengths.iter().all(|&length| length <= width),
            "Sequences: expected lengths of at most {width}, got {lengths:?}"
        );
        Self {
            starts: (0..lengths.len()).map(|i| i * width).collect(),
            rows: lengths.len() * width,
            lengths,
        }
    }

    /// Number of sequences B.
    pub fn count(&self) -> usize {
        self.lengths.len()
    }

    /// Number of rows N of the matrix, those between sequences included.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Number of positions of each sequence.
    pub fn lengths(&self) -> &Arc<[usize]> {
        &self.lengths
    }

    /// Positions of the longest sequence; 0 if there is none.
    pub fn longest(&self) -> usize {
        self.lengths.iter().copied().max().unwrap_or(0)
    }

    /// The rows of a sequence.
    pub fn range(&self, sequence: usize) -> Range<usize> {
        let start = self.starts[sequence];
        start..start + self.lengths[sequence]
    }

    /// Sequences by decreasing length; equal ones in their order.
    pub(crate) fn longest_first(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.count()).collect();
        order.sort_by_key(|&sequence| std::cmp::Reverse(self.lengths[sequence]));
        order
    }
}
