//! Edit distance near the diagonal, with the edits themselves.

/// How far from the diagonal edits are looked for, in words.
const BEAM: usize = 25;

/// More edits than any sentence has; adding one to it must not overflow.
const UNREACHED: u32 = u32::MAX / 2;

/// What led to a cell of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edit {
    /// Both sides have the word.
    Keep,
    /// Another word stands in the reference.
    Replace,
    /// The word is the hypothesis's alone.
    Delete,
    /// The word is the reference's alone.
    Insert,
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    edits: u32,
    last: Edit,
}

/// The table of a hypothesis and its reference: a row for each beginning of the hypothesis, a column for each beginning
/// of the reference.
pub(super) struct Table<'a> {
    reference: &'a [usize],
    hypothesis: Vec<usize>,
    cells: Vec<Cell>,
    /// Rows below are not filled for `hypothesis`.
    filled: usize,
}

impl<'a> Table<'a> {
    pub(super) fn new(hypothesis: &[usize], reference: &'a [usize]) -> Self {
        let first = (0..=reference.len()).map(|j| Cell {
            edits: u32::try_from(j).unwrap_or(UNREACHED),
            last: Edit::Insert,
        });
        let mut cells: Vec<Cell> = first.collect();
        let unreached = Cell {
            edits: UNREACHED,
            last: Edit::Insert,
        };
        cells.resize((hypothesis.len() + 1) * (reference.len() + 1), unreached);
        Self {
            reference,
            hypothesis: hypothesis.to_vec(),
            cells,
            filled: 1,
        }
    }

    /// Fewest edits of `hypothesis`, which is as long as the one before. Rows for a beginning that both share stay.
    pub(super) fn edits(&mut self, hypothesis: &[usize]) -> u32 {
        let pairs = self.hypothesis.iter().zip(hypothesis);
        let shared = pairs.take_while(|(old, new)| old == new).count();
        self.filled = self.filled.min(shared + 1);
        self.hypothesis.copy_from_slice(hypothesis);
        while self.filled <= self.hypothesis.len() {
            self.fill(self.filled);
            self.filled += 1;
        }
        self.cells[self.cells.len() - 1].edits
    }

    /// Cells farther from the diagonal than the beam stay unreached. The diagonal is that of a table that is not square.
    fn fill(&mut self, i: usize) {
        let columns = self.reference.len() + 1;
        let slope = self.reference.len() as f64 / self.hypothesis.len() as f64;
        // Rows must overlap with the next, however steep.
        let beam = if (BEAM as f64) < slope / 2.0 {
            whole((slope / 2.0 + BEAM as f64).ceil())
        } else {
            BEAM
        };
        let diagonal = whole((i as f64 * slope).floor());
        let start = diagonal.saturating_sub(beam);
        let end = if i == self.hypothesis.len() {
            columns
        } else {
            columns.min(diagonal + beam)
        };

        let word = self.hypothesis[i - 1];
        let (above, row) = self.cells[(i - 1) * columns..(i + 1) * columns].split_at_mut(columns);
        row.fill(Cell {
            edits: UNREACHED,
            last: Edit::Insert,
        });
        for j in start..end {
            let delete = (above[j].edits + 1, Edit::Delete);
            let mut candidates = [delete; 3];
            if j > 0 {
                let same = word == self.reference[j - 1];
                let replace = if same { Edit::Keep } else { Edit::Replace };
                // Of equal ones the first is taken.
                candidates = [
                    (above[j - 1].edits + u32::from(!same), replace),
                    delete,
                    (row[j - 1].edits + 1, Edit::Insert),
                ];
            }
            for (edits, last) in candidates {
                if edits < row[j].edits {
                    row[j] = Cell { edits, last };
                }
            }
        }
    }

    /// The edits of the hypothesis last asked for, from the left.
    pub(super) fn trace(&self) -> Vec<Edit> {
        let columns = self.reference.len() + 1;
        let (mut i, mut j) = (self.hypothesis.len(), self.reference.len());
        let mut edits = Vec::with_capacity(i.max(j));
        while i > 0 || j > 0 {
            let edit = self.cells[i * columns + j].last;
            edits.push(edit);
            i -= usize::from(edit != Edit::Insert);
            j -= usize::from(edit != Edit::Delete);
        }
        edits.reverse();
        edits
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "lengths of sentences"
)]
fn whole(value: f64) -> usize {
    value as usize
}
