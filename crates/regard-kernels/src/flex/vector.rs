//! The product of a few rows with a matrix that is stored transposed, as the output map of tied embeddings is.

#![allow(
    unsafe_code,
    reason = "a vector is filled in another order than its own"
)]
#![expect(
    clippy::inline_always,
    reason = "a function gets the instruction set of the loop that it is inlined into, or none"
)]

use std::mem::MaybeUninit;
use std::ops::RangeInclusive;

use burn::backend::flex::FlexTensor;
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::{elements, matrix_shape};
use crate::profile::with_flop;

/// Numbers of rows for which this is faster than a product that rearranges both matrices first. A single row has nothing
/// to share a weight with.
const FEW: RangeInclusive<usize> = 2..=64;

/// Columns of the result that are computed together: with two vectors of rows, as many sums as registers hold.
const BLOCK: usize = 12;

/// Columns of the result that a task computes at least.
const TASK: usize = 64 * BLOCK;

/// The most numbers in a vector register, of any machine.
const MOST_LANES: usize = 16;

/// `x weight` for `x [N, D]` and `weight [D, V]`, if N is small and `weight` the transpose of contiguous memory.
///
/// The rows stand side by side in vectors and meet one weight at a time, which so is read once, where it is. Every sum is
/// made in the order of D: its bits depend neither on the other rows nor on the number of threads.
pub(super) fn few_rows(x: &FlexTensor, weight: &FlexTensor) -> Option<Vec<f32>> {
    let ([rows, width], columns) = (matrix_shape(x), weight.layout().shape()[1]);
    let weight = weight.transpose(0, 1); // [V, D]
    if !FEW.contains(&rows) || width == 0 || !weight.is_contiguous() {
        return None;
    }
    let flop = 2 * (rows * width * columns) as u64;
    Some(with_flop("matrix products", flop, || {
        let (x, weight) = (x.to_contiguous(), elements(&weight));
        let part = |weight| {
            Arch::new().dispatch(Product {
                x: elements(&x),
                weight,
                width,
            })
        };
        let tasks = rayon::current_num_threads();
        let size = columns.div_ceil(tasks).next_multiple_of(BLOCK).max(TASK);
        if size >= columns {
            return part(weight);
        }
        let parts: Vec<Vec<f32>> = weight.par_chunks(size * width).map(part).collect();
        let mut y = Vec::with_capacity(rows * columns);
        for row in 0..rows {
            for part in &parts {
                let width = part.len() / rows;
                y.extend_from_slice(&part[row * width..][..width]);
            }
        }
        y
    }))
}

/// `x weight^T` for rows of `width` elements each.
struct Product<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    width: usize,
}

impl WithSimd for Product<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Vec<f32> {
        let Self { x, weight, width } = self;
        let (rows, columns) = (x.len() / width, weight.len() / width);
        let room = rows.next_multiple_of(S::F32_LANES);
        let mut x_columns = vec![0.0; width * room];
        for (row, x) in x.chunks_exact(width).enumerate() {
            for (column, &x) in x_columns[row..].iter_mut().step_by(room).zip(x) {
                *column = x;
            }
        }
        let mut y = Vec::with_capacity(rows * columns);
        let mut tiles = Tiles {
            x: &x_columns,
            room,
            width,
            y: &mut y.spare_capacity_mut()[..rows * columns],
            columns,
        };
        for (i, weight) in weight.chunks(BLOCK * width).enumerate() {
            let column = i * BLOCK;
            if weight.len() == BLOCK * width {
                tiles.compute::<S, BLOCK>(simd, column, weight);
            } else {
                for (i, weight) in weight.chunks(width).enumerate() {
                    tiles.compute::<S, 1>(simd, column + i, weight);
                }
            }
        }
        // SAFETY: the chunks are all columns, and `compute` writes its columns in every row.
        unsafe { y.set_len(rows * columns) };
        y
    }
}

/// A result in the making, and one of its factors.
struct Tiles<'a> {
    /// `[D, room]`: a column of the factor, with as many zeros behind it as fill the last vector.
    x: &'a [f32],
    room: usize,
    width: usize,
    /// `[N, columns]`.
    y: &'a mut [MaybeUninit<f32>],
    columns: usize,
}

impl Tiles<'_> {
    /// Writes `R` columns of the result, in every row; `weight` has a row for each.
    #[inline(always)]
    fn compute<S: Simd, const R: usize>(&mut self, simd: S, column: usize, weight: &[f32]) {
        let lanes = S::F32_LANES;
        // Smaller vectors come in smaller numbers: there are no registers for so many sums.
        let pairs = if lanes == MOST_LANES {
            self.room / (2 * lanes)
        } else {
            0
        };
        for pair in 0..pairs {
            self.tile::<S, R, 2>(simd, 2 * lanes * pair, column, weight);
        }
        for row in (2 * lanes * pairs..self.room).step_by(lanes) {
            self.tile::<S, R, 1>(simd, row, column, weight);
        }
    }

    /// `R` columns in `V` vectors of rows.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        row: usize,
        column: usize,
        weight: &[f32],
    ) {
        let size = V * S::F32_LANES;
        let weight: [&[f32]; R] = std::array::from_fn(|i| &weight[i * self.width..][..self.width]);
        let mut sums = [[simd.splat_f32s(0.0); V]; R];
        for k in 0..self.width {
            let (x, _) = S::as_simd_f32s(&self.x[k * self.room + row..][..size]);
            let x: &[S::f32s; V] = x.try_into().expect("as many vectors as were cut off");
            for (sums, weight) in sums.iter_mut().zip(weight) {
                let weight = simd.splat_f32s(weight[k]);
                for (sum, &x) in sums.iter_mut().zip(x) {
                    *sum = simd.mul_add_e_f32s(weight, x, *sum);
                }
            }
        }
        let mut values = [[0.0; 2 * MOST_LANES]; R];
        for (values, sums) in values.iter_mut().zip(&sums) {
            S::as_mut_simd_f32s(&mut values[..size])
                .0
                .copy_from_slice(sums);
        }
        let rows = self.y.chunks_exact_mut(self.columns).skip(row).take(size);
        for (row, y) in rows.enumerate() {
            for (y, values) in y[column..column + R].iter_mut().zip(&values) {
                y.write(values[row]);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flex::matrix::{Matrix, product};
    use crate::flex::tensor;

    fn values(n: usize, phase: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * 0.7 + phase).sin()).collect()
    }

    /// The product for `x [rows, width]` and `weight [columns, width]`, transposed.
    fn few(x: &[f32], weight: &[f32], width: usize) -> Option<Vec<f32>> {
        let x = tensor(x.to_vec(), [x.len() / width, width]);
        let weight = tensor(weight.to_vec(), [weight.len() / width, width]);
        few_rows(&x, &weight.transpose(0, 1))
    }

    #[test]
    fn it_is_the_product() {
        for (rows, width, columns) in [
            (2, 3, 1),
            (5, 7, 12),
            (17, 19, 29),
            (33, 31, 24),
            (64, 5, 2000),
        ] {
            let (x, weight) = (values(rows * width, 0.1), values(columns * width, 0.2));
            let got = few(&x, &weight, width).expect("few rows");
            let [x, weight] =
                [(&x, rows), (&weight, columns)].map(|(values, n)| Matrix::new(values, [n, width]));
            let expected = product(x, weight.transposed());
            for (got, expected) in got.iter().zip(&expected) {
                assert!((got - expected).abs() < 1e-5, "{got} and {expected}");
            }
            assert_eq!(got.len(), expected.len());
        }
    }

    #[test]
    fn a_row_is_the_same_among_others_and_on_any_number_of_threads() {
        let (width, columns) = (23, 2003);
        let (x, weight) = (values(40 * width, 0.1), values(columns * width, 0.2));
        let on = |threads: usize| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            let pool = pool.build().expect("a pool");
            pool.install(|| few(&x, &weight, width).expect("few rows"))
        };
        let together = on(1);
        assert_eq!(together, on(2));
        assert_eq!(together, on(4));
        for pair in 0..20 {
            let x = &x[2 * pair * width..][..2 * width];
            let alone = few(x, &weight, width).expect("few rows");
            assert_eq!(alone, together[2 * pair * columns..][..2 * columns]);
        }
    }

    #[test]
    fn one_row_many_rows_and_other_matrices_are_left_to_others() {
        let weight = values(15 * 4, 0.2);
        for rows in [0, 1, 65] {
            assert!(few(&values(rows * 4, 0.1), &weight, 4).is_none());
        }
        let x = tensor(values(12, 0.1), [3, 4]);
        assert!(few_rows(&x, &tensor(values(20, 0.1), [4, 5])).is_none());
    }
}
