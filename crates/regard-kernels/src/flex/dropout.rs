//! Dropout whose mask is computed again backward instead of being stored.

#![expect(
    clippy::inline_always,
    reason = "a function gets the instruction set of the loop that it is inlined into, or none"
)]

use std::sync::Arc;

use burn::backend::flex::FlexTensor;

use super::simd::{for_rows, vectorized};
use super::{FusedOp, elements, tensor};
use crate::dropout::{Draws, apply_mask, apply_packed_mask};

/// Operands: `x` and `y` of `x + dropout(y)`, of one shape, as that of [`DropoutOp`].
#[derive(Clone, Debug)]
pub(crate) struct AddDropoutOp {
    pub(crate) p: f64,
    pub(crate) draws: Draws,
    pub(crate) lengths: Option<Arc<[usize]>>,
}

/// Operand: `x`, any shape whose first axis is the example; or packed rows of examples of the given lengths.
#[derive(Clone, Debug)]
pub(crate) struct DropoutOp {
    pub(crate) p: f64,
    pub(crate) draws: Draws,
    pub(crate) lengths: Option<Arc<[usize]>>,
}

impl DropoutOp {
    fn masked(&self, x: &FlexTensor) -> FlexTensor {
        let x = x.to_contiguous();
        let shape = x.layout().shape().clone();
        let mut values = elements(&x).to_vec();
        let width = *shape.as_slice().last().unwrap_or(&1);
        let dims = shape.as_slice().to_vec();
        for_rows(&mut values, width, |row, block| {
            vectorized(|| self.apply(block, row, &dims));
        });
        tensor(values, shape)
    }

    /// Drops elements of rows from `first` on, of a tensor of the given shape.
    #[inline(always)]
    fn apply(&self, rows: &mut [f32], first: usize, shape: &[usize]) {
        match &self.lengths {
            None => apply_mask(rows, first, shape, self.p, self.draws),
            Some(lengths) => {
                apply_packed_mask(rows, first, shape[1], lengths, self.p, self.draws);
            }
        }
    }
}

impl AddDropoutOp {
    fn of_summand(&self) -> DropoutOp {
        DropoutOp {
            p: self.p,
            draws: self.draws,
            lengths: self.lengths.clone(),
        }
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
        let dropout = self.of_summand();
        for_rows(&mut values, width, |row, block| {
            vectorized(|| {
                dropout.apply(block, row, &dims);
                for (value, x) in block.iter_mut().zip(&x[row * width..]) {
                    *value += x;
                }
            });
        });
        (tensor(values, shape), Some(()))
    }

    fn backward(&self, (): (), gradient: FlexTensor, wanted: [bool; 2]) -> [Option<FlexTensor>; 2] {
        let of_y = wanted[1].then(|| self.of_summand().masked(&gradient));
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
