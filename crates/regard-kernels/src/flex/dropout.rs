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

#[cfg(test)]
mod tests {
    use crate::flex::tests::{agree_on_threads, values};
    use crate::{Draws, Key, add_dropout, dropout};

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
            agree_on_threads(|device| {
                let [x, y] = ["x", "y"].map(|name| values(name, shape, device));
                (add_dropout(x.clone(), y.clone(), 0.3, draws), vec![x, y])
            });
            agree_on_threads(|device| {
                let [x, y] = ["x", "y"].map(|name| values(name, shape, device));
                let [a, b] = [&x, &y].map(|x| x.clone().swap_dims(0, 2));
                (add_dropout(a, b, 0.3, draws), vec![x, y])
            });
        }
    }
}
