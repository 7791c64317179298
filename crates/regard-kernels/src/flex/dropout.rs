//! Dropout whose mask is computed again backward instead of being stored.

use burn::backend::flex::FlexTensor;

use super::simd::mapped_rows;
use super::{FusedOp, elements, matrix_shape};
use crate::dropout::{Draws, DropoutRows};

/// Operands: `x` and `y` of `x + dropout(y)`, of one shape whose first axis is the example.
#[derive(Clone, Debug)]
pub(crate) struct AddDropoutOp {
    pub(crate) p: f64,
    pub(crate) draws: Draws,
}

/// Operand: `x`, any shape whose first axis is the example.
#[derive(Clone, Debug)]
pub(crate) struct DropoutOp {
    pub(crate) p: f64,
    pub(crate) draws: Draws,
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
            |row, values| rows.row(row).apply(values),
        )
    }
}

impl FusedOp<2> for AddDropoutOp {
    const NAMES: [&'static str; 2] = ["residual dropout", "residual dropout, backward"];

    type Saved = ();

    fn forward(&self, [x, y]: [FlexTensor; 2], _: bool) -> (FlexTensor, Option<()>) {
        let x = x.to_contiguous();
        let shape = x.layout().shape().clone();
        let [_, width] = matrix_shape(&x);
        let x = elements(&x);
        let rows = DropoutRows::new(shape.as_slice(), self.p, self.draws);
        let sum = mapped_rows(
            y,
            width,
            #[inline(always)]
            |row, values| {
                rows.row(row)
                    .apply_and_add(values, &x[row * width..][..width]);
            },
        );
        (sum, Some(()))
    }

    fn backward(&self, (): (), gradient: FlexTensor, wanted: [bool; 2]) -> [Option<FlexTensor>; 2] {
        let Self { p, draws } = *self;
        let of_x = wanted[0].then(|| gradient.clone());
        [
            of_x,
            wanted[1].then(|| DropoutOp { p, draws }.masked(gradient)),
        ]
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
