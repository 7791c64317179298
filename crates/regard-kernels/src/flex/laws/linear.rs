use proptest::prelude::*;

use super::{Use, View, cases, matrix, numbers, size, some, summands, usage, vector, view};
use crate::flex::tests::{agree_on_threads, check_differences, matrix as flat, vector as row};
use crate::flex::tests::values;
use crate::{Draws, Key, RowDropout, embedding, linear, linear_add, linear_relu};
use burn::tensor::{Int, Tensor, TensorData};

fn lengths(rows: usize, cuts: &[usize]) -> Vec<usize> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut % (rows + 1)).collect();
    ends.push(rows);
    ends.sort_unstable();
    let starts = std::iter::once(&0).chain(&ends);
    starts.zip(&ends).map(|(start, end)| end - start).collect()
}

fn dropout(p: f64, rows: usize, cuts: &[usize]) -> RowDropout {
    RowDropout {
        p,
        draws: Draws {
            key: Key::new(2),
            first_row: 3,
        },
        lengths: lengths(rows, cuts).into(),
    }
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn linear_maps_are_their_composition(
        (rows, d_in, d_out) in (size(), some(), some()),
        x_like in (view(), numbers()),
        w_like in (view(), numbers()),
        b_like in (view(), summands()),
        (bias, relu, used) in (any::<bool>(), any::<bool>(), usage()),
    ) {
        agree_on_threads(|device| {
            let (x, x_leaf) = matrix("x", [rows, d_in], x_like, device);
            let (w, w_leaf) = matrix("w", [d_in, d_out], w_like, device);
            let (b, b_leaf) = vector("b", d_out, b_like, device);
            let f = if relu { linear_relu } else { linear };
            let mut inputs = vec![x_leaf, w_leaf];
            inputs.extend(bias.then_some(b_leaf));
            (used.of(f(x, w, bias.then_some(b))), inputs)
        });
    }
}
