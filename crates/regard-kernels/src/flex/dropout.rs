//! Dropout whose mask is computed again backward instead of being stored.

use burn::backend::flex::FlexTensor;

use super::simd::{for_rows, vectorized};
use super::{FusedOp, elements, tensor};
use crate::dropout::{Draws, apply_mask};

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
    fn masked(&self, x: &FlexTensor) -> FlexTensor {
        let x = x.to_contiguous();
        let shape = x.layout().shape().clone();
        let mut values = elements(&x).to_vec();
        let width = *shape.as_slice().last().unwrap_or(&1);
        let dims = shape.as_slice().to_vec();
        for_rows(&mut values, width, |row, block| {
            vectorized(|| apply_mask(block, row, &dims, self.p, self.draws));
        });
        tensor(values, shape)
    }
}

impl FusedOp<2> for AddDropoutOp {
    const NAMES: [&'static str; 2] = ["residual dropout", "residual dropout, backward"];

    type Saved = ();

    fn forward(&self, [x, y]: [FlexTensor; 2], _: bool) -> (FlexTensor, Option<()>) {
        let (x, y) = (x.to_contiguous(), y.to_contiguous());
        let shape = x.layout().shape().clone();
        let dims = shape.as_slice().to_vec();
        let width = dims.last().copied().unwrap_or(1);
        let (x, y) = (elements(&x), elements(&y));
        let mut values = y.to_vec();
        for_rows(&mut values, width, |row, block| {
            vectorized(|| {
                apply_mask(block, row, &dims, self.p, self.draws);
                for (value, x) in block.iter_mut().zip(&x[row * width..]) {
                    *value += x;
                }
            });
        });
        (tensor(values, shape), Some(()))
    }

    fn backward(&self, (): (), gradient: FlexTensor, wanted: [bool; 2]) -> [Option<FlexTensor>; 2] {
        let Self { p, draws } = *self;
        let of_y = wanted[1].then(|| DropoutOp { p, draws }.masked(&gradient));
        [Some(gradient), of_y]
    }
}

impl FusedOp<1> for DropoutOp {
    const NAMES: [&'static str; 2] = ["dropout", "dropout, backward"];

    type Saved = ();

    fn forward(&self, [x]: [FlexTensor; 1], _: bool) -> (FlexTensor, Option<()>) {
        (self.masked(&x), Some(()))
    }

    fn backward(&self, (): (), gradient: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        [Some(self.masked(&gradient))]
    }
}
