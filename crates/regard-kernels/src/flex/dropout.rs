//! Dropout whose mask is computed again backward instead of being stored.

use burn::backend::flex::FlexTensor;

use super::simd::mapped_rows;
use super::{FusedOp, matrix_shape};
use crate::dropout::{Draws, DropoutRows, RowDropout};

/// Operand: `x`, any shape whose first axis is the example.
#[derive(Clone, Debug)]
pub(crate) struct DropoutOp {
    pub(crate) p: f64,
    pub(crate) draws: Draws,
}

/// Operand: rows of sequences.
#[derive(Clone, Debug)]
pub(crate) struct RowDropoutOp(pub(crate) RowDropout);

impl RowDropoutOp {
    pub(super) fn masked(&self, x: FlexTensor) -> FlexTensor {
        let [_, width] = matrix_shape(&x);
        let rows = self.0.rows();
        mapped_rows(
            x,
            width,
            #[inline(always)]
            |row, values| rows.row(row).apply(0, values),
        )
    }
}

impl DropoutOp {
    fn masked(&self, x: FlexTensor) -> FlexTensor {
        let shape = x.layout().shape().clone();
        let [_, width] = matrix_shape(&x);
        let rows = DropoutRows::new(shape.as_slice(), self.p, self.draws);
        mapped_rows(
            x,
            width,
            #[inline(always)]
            |row, values| rows.row(row).apply(0, values),
        )
    }
}

impl FusedOp<1> for DropoutOp {
    const NAMES: [&'static str; 2] = ["dropout", "dropout, backward"];

    type Saved = ();

    fn forward(&self, [x]: [FlexTensor; 1], _: bool) -> (FlexTensor, Option<()>) {
        (self.masked(x), Some(()))
    }

    fn backward(&self, (): (), gradient: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        [Some(self.masked(gradient))]
    }
}

impl FusedOp<1> for RowDropoutOp {
    const NAMES: [&'static str; 2] = ["dropout", "dropout, backward"];

    type Saved = ();

    fn forward(&self, [x]: [FlexTensor; 1], _: bool) -> (FlexTensor, Option<()>) {
        (self.masked(x), Some(()))
    }

    fn backward(&self, (): (), gradient: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        [Some(self.masked(gradient))]
    }
}

#[cfg(test)]
mod tests {
    use crate::flex::tests::{agree_on_threads, values};
    use crate::{Draws, Key, dropout};

    #[test]
    fn dropout_is_its_composition() {
        let draws = Draws {
            key: Key::new(2),
            first_row: 3,
        };
        for shape in [[1, 1, 1], [3, 5, 7], [2, 40, 513], [2, 0, 3]] {
            agree_on_threads(|device| {
                let x = values("x", shape, device);
                (dropout(x.clone(), 0.3, draws), vec![x])
            });
        }
    }
}
