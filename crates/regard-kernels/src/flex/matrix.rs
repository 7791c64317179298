//! Matrices over slices, and their product.

#![allow(unsafe_code, reason = "the product of the gemm crate takes pointers")]

use std::ops::Range;

use burn::backend::flex::FlexTensor;
use gemm::Parallelism;
use rayon::prelude::*;

use super::simd::for_rows;
use crate::profile::with_flop;

/// A matrix inside a slice; element (i, j) is `data[i * row_stride + j * column_stride]`.
#[derive(Clone, Copy)]
pub(super) struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    columns: usize,
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// Contiguous rows.
    pub(super) fn new(data: &'a [f32], [rows, columns]: [usize; 2]) -> Self {
        Self::strided(data, [rows, columns], columns)
    }

    /// Rows that begin `row_stride` apart.
    pub(super) fn strided(data: &'a [f32], [rows, columns]: [usize; 2], row_stride: usize) -> Self {
        let matrix = Self {
            data,
            rows,
            columns,
            row_stride,
            column_stride: 1,
        };
        matrix.check();
        matrix
    }

    /// The transpose of a two-dimensional tensor's memory, where that is how it is stored, or the tensor itself.
    pub(super) fn of(tensor: &'a FlexTensor) -> Self {
        let shape = tensor.layout().shape().as_slice();
        if tensor.is_contiguous() {
            return Self::new(super::elements(tensor), [shape[0], shape[1]]);
        }
        let strides = tensor.layout().strides();
        let stride =
            |axis: usize| usize::try_from(strides[axis]).expect("strides checked by `plain`");
        let matrix = Self {
            data: &tensor.storage::<f32>()[tensor.layout().start_offset()..],
            rows: shape[0],
            columns: shape[1],
            row_stride: stride(0),
            column_stride: stride(1),
        };
        matrix.check();
        matrix
    }

    pub(super) fn transposed(self) -> Self {
        Self {
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
            ..self
        }
    }

    /// Some of the rows.
    fn rows(self, range: Range<usize>) -> Self {
        let start = (range.start * self.row_stride).min(self.data.len());
        Self {
            data: &self.data[start..],
            rows: range.len(),
            ..self
        }
    }

    /// Some of the columns.
    fn columns(self, range: Range<usize>) -> Self {
        self.transposed().rows(range).transposed()
    }

    fn check(&self) {
        let last = match (self.rows.checked_sub(1), self.columns.checked_sub(1)) {
            (Some(row), Some(column)) => {
                let row = row.checked_mul(self.row_stride);
                let column = column.checked_mul(self.column_stride);
                row.zip(column)
                    .and_then(|(row, column)| row.checked_add(column)?.checked_add(1))
            }
            _ => Some(0),
        };
        assert!(
            last.is_some_and(|last| last <= self.data.len()),
            "a matrix reaches beyond its slice"
        );
    }
}

/// How many cores a product may use.
#[derive(Clone, Copy)]
pub(super) enum Cores {
    /// Those of the current thread pool.
    All,
    /// The calling one: where the caller divides the work itself.
    One,
}

/// Terms of a sum that are multiplied at a time. The `gemm` crate would divide longer sums by itself, in places that depend on
/// the numbers of rows and columns, and so on how a product is divided.
const DEPTH: usize = 512;

/// Work, in multiply-adds, below which dividing a product costs more than it gains.
const WORTH_DIVIDING: usize = 64 * 64 * 64;

/// `lhs rhs`, written once into fresh memory.
pub(super) fn product(lhs: Matrix<'_>, rhs: Matrix<'_>) -> Vec<f32> {
    let size = size_of_product(lhs, rhs);
    let mut output = Vec::with_capacity(size);
    // SAFETY: `run` is given room for `rows * columns` elements, reads none of them and writes all of them.
    unsafe {
        let start = output.as_mut_ptr();
        run(start, rhs.columns, lhs, rhs, 0.0, 1.0, Cores::All);
        output.set_len(size);
    }
    output
}

/// Rows of a product that are finished together: few enough to stay in the cache between product and finish, enough to
/// pay for reading `rhs` again.
const FINISHED_TOGETHER: usize = 256;

/// [`product`], where `finish` is called on blocks of rows while they are warm, with the number of the block's first row.
pub(super) fn product_then(
    lhs: Matrix<'_>,
    rhs: Matrix<'_>,
    finish: impl Fn(usize, &mut [f32]) + Sync,
) -> Vec<f32> {
    let columns = rhs.columns;
    if lhs.rows <= FINISHED_TOGETHER {
        let mut output = product(lhs, rhs);
        for_rows(&mut output, columns, finish);
        return output;
    }
    let size = size_of_product(lhs, rhs);
    let mut output = Vec::with_capacity(size);
    let start = Output(output.as_mut_ptr());
    let tasks = rayon::current_num_threads()
        * lhs
            .rows
            .div_ceil(rayon::current_num_threads() * FINISHED_TOGETHER);
    let block = |rows: Range<usize>| {
        let size = rows.len() * columns;
        // SAFETY: blocks of rows are disjoint and lie inside the room for `rows * columns` elements; `run` reads none of a
        // block's and writes all of them, so they are initialised when they become a slice.
        unsafe {
            let block = start.get().add(rows.start * columns);
            run(
                block,
                columns,
                lhs.rows(rows.clone()),
                rhs,
                0.0,
                1.0,
                Cores::One,
            );
            finish(rows.start, std::slice::from_raw_parts_mut(block, size));
        }
    };
    let flop = 2 * size as u64 * lhs.columns as u64;
    with_flop("matrix products", flop, || {
        parts(lhs.rows, columns, tasks)
            .into_par_iter()
            .for_each(block);
    });
    // SAFETY: the blocks are all rows, and all of their elements were written.
    unsafe { output.set_len(size) };
    output
}

fn size_of_product(lhs: Matrix<'_>, rhs: Matrix<'_>) -> usize {
    let size = lhs.rows.checked_mul(rhs.columns);
    size.expect("a product that fits in memory")
}

/// `output = keep * output + factor * lhs rhs`, where rows of `output` begin `row_stride` apart.
///
/// With `keep` 0 the old values are not read.
pub(super) fn product_into(
    output: &mut [f32],
    row_stride: usize,
    lhs: Matrix<'_>,
    rhs: Matrix<'_>,
    [keep, factor]: [f32; 2],
    cores: Cores,
) {
    let last = match lhs.rows.checked_sub(1) {
        Some(row) => row
            .checked_mul(row_stride)
            .and_then(|start| start.checked_add(rhs.columns)),
        None => Some(0),
    };
    assert!(
        last.is_some_and(|last| last <= output.len()) && rhs.columns <= row_stride,
        "a product reaches beyond its output"
    );
    // SAFETY: every row `i * row_stride .. + columns` was just checked to lie inside `output`, which is initialised.
    unsafe {
        run(
            output.as_mut_ptr(),
            row_stride,
            lhs,
            rhs,
            keep,
            factor,
            cores,
        );
    }
}

/// # Safety
///
/// `output` must have room for rows of `rhs.columns` elements that begin `row_stride` apart, one for each row of `lhs`,
/// and be initialised if `keep` is not 0.
unsafe fn run(
    output: *mut f32,
    row_stride: usize,
    lhs: Matrix<'_>,
    rhs: Matrix<'_>,
    keep: f32,
    factor: f32,
    cores: Cores,
) {
    assert_eq!(lhs.columns, rhs.rows, "inner sizes of a product");
    let work = lhs
        .rows
        .saturating_mul(rhs.columns)
        .saturating_mul(lhs.columns);
    let output = Output(output);
    let pieces = lhs.columns.div_ceil(DEPTH).max(1);
    let depth = lhs.columns.div_ceil(pieces);
    let multiply_piece = |[rows, columns]: [Range<usize>; 2], piece: usize| {
        let depth = (piece * depth).min(lhs.columns)..((piece + 1) * depth).min(lhs.columns);
        let keep = if piece == 0 { keep } else { 1.0 };
        let lhs = lhs.rows(rows.clone()).columns(depth.clone());
        let rhs = rhs.columns(columns.clone()).rows(depth);
        let stride = |stride: usize| isize::try_from(stride).expect("strides are below 2^63");
        // SAFETY: both matrices were checked against their slices when they were made; the block of `output` lies inside
        // the room that the caller promises, and no other task is given an element of it. The first piece writes all of it.
        unsafe {
            gemm::gemm(
                lhs.rows,
                rhs.columns,
                lhs.columns,
                output.get().add(rows.start * row_stride + columns.start),
                1,
                stride(row_stride),
                keep != 0.0,
                lhs.data.as_ptr(),
                stride(lhs.column_stride),
                stride(lhs.row_stride),
                rhs.data.as_ptr(),
                stride(rhs.column_stride),
                stride(rhs.row_stride),
                keep,
                factor,
                false,
                false,
                false,
                Parallelism::None,
            );
        }
    };
    let multiply = |block: [Range<usize>; 2]| {
        (0..pieces).for_each(|piece| multiply_piece(block.clone(), piece));
    };
    match cores {
        Cores::All => with_flop("matrix products", 2 * work as u64, || {
            let tasks = if work < WORTH_DIVIDING {
                1
            } else {
                rayon::current_num_threads()
            };
            divide([lhs.rows, rhs.columns], tasks, multiply);
        }),
        Cores::One => multiply([0..lhs.rows, 0..rhs.columns]),
    }
}

/// Gives each task a block of a product of `rows x columns`, cut along the larger side: each packs its part of one operand
/// and reads the other whole, without waiting for the rest.
fn divide([rows, columns]: [usize; 2], tasks: usize, multiply: impl Fn([Range<usize>; 2]) + Sync) {
    let (larger, smaller) = (rows.max(columns), rows.min(columns));
    let block = |range: Range<usize>| {
        if rows >= columns {
            multiply([range, 0..columns]);
        } else {
            multiply([0..rows, range]);
        }
    };
    let mut parts = parts(larger, smaller, tasks);
    match parts.len() {
        1 => block(parts.remove(0)),
        _ => parts.into_par_iter().for_each(block),
    }
}

/// The larger side of a product in as many parts as there are tasks, or fewer.
///
/// No sum may depend on how the product is divided. The `gemm` crate adds up in another order where there is one row or one
/// column, or where rows times columns are at most 256; a part of a larger product is larger than that, too.
fn parts(larger: usize, smaller: usize, tasks: usize) -> Vec<Range<usize>> {
    let unit = match smaller {
        0..6 => 6 * 48,
        17.. if larger < 4 * 48 => 16,
        // A multiple of the register blocks of every instruction set.
        _ => 48,
    };
    let units = (larger / unit).max(1);
    let tasks = tasks.clamp(1, units);
    // The nearest whole unit, but one at least for each part.
    let start = |i: usize| {
        let nearest = (2 * i * larger + tasks * unit) / (2 * tasks * unit);
        nearest.min(units + i - tasks) * unit
    };
    let end = |i: usize| if i == tasks { larger } else { start(i) };
    (0..tasks).map(|i| start(i)..end(i + 1)).collect()
}

/// A pointer that tasks write through, each to elements of its own.
#[derive(Clone, Copy)]
struct Output(*mut f32);

// SAFETY: whoever dereferences the pointer promises not to touch another task's elements.
unsafe impl Send for Output {}
// SAFETY: as above.
unsafe impl Sync for Output {}

impl Output {
    fn get(self) -> *mut f32 {
        self.0
    }
}

/// A two-dimensional tensor whose memory [`Matrix::of`] can read: itself, or a contiguous copy.
pub(super) fn plain(tensor: FlexTensor) -> FlexTensor {
    let strides = tensor.layout().strides();
    if tensor.is_contiguous() || (strides.len() == 2 && strides.iter().all(|&stride| stride > 0)) {
        tensor
    } else {
        tensor.to_contiguous()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flex::tests::same_on_threads;

    #[test]
    fn parts_cover_everything_once_and_are_not_small() {
        for larger in [0, 1, 47, 48, 95, 96, 97, 256, 287, 576, 1000, 8000] {
            for (smaller, least) in [(1, 257), (5, 52), (6, 43), (16, 17), (17, 16), (300, 2)] {
                for tasks in [1, 2, 3, 4, 16] {
                    let parts = parts(larger, smaller, tasks);
                    assert!(parts.len() <= tasks);
                    assert!(parts.len() == 1 || parts.iter().all(|part| part.len() >= least));
                    let mut end = 0;
                    for part in parts {
                        assert_eq!(part.start, end);
                        end = part.end;
                    }
                    assert_eq!(end, larger);
                }
            }
        }
        assert_eq!(parts(64, 64, 2), [0..32, 32..64]);
        assert_eq!(parts(256, 64, 2), [0..144, 144..256]);
    }

    #[test]
    fn the_number_of_threads_changes_no_bit() {
        let values: Vec<f32> = (0..1 << 20).map(|i| (i as f32 * 0.7).sin()).collect();
        let matrix = |rows: usize, columns: usize, turned| match turned {
            false => Matrix::new(&values[..rows * columns], [rows, columns]),
            true => Matrix::new(&values[..rows * columns], [columns, rows]).transposed(),
        };
        for larger in [66, 97, 145, 193, 271, 289, 577] {
            for smaller in [1, 3, 5, 6, 17, 61, 70] {
                for depth in [1, 300, 700, 1500] {
                    for i in 0..8 {
                        let turned = [i & 1 == 1, i & 2 == 2];
                        let [rows, columns] = match i & 4 {
                            0 => [larger, smaller],
                            _ => [smaller, larger],
                        };
                        let lhs = matrix(rows, depth, turned[0]);
                        let rhs = matrix(depth, columns, turned[1]);
                        let bits = |values: Vec<f32>| -> Vec<u32> {
                            values.into_iter().map(f32::to_bits).collect()
                        };
                        same_on_threads(|| bits(product(lhs, rhs)));
                        same_on_threads(|| bits(product_then(lhs, rhs, |_, _| ())));
                    }
                }
            }
        }
    }

    #[test]
    fn products_of_strided_and_transposed_matrices() {
        // a = [[1, 2], [3, 4]] inside rows of 3; b = [[5, 6], [7, 8]].
        let a = [1.0, 2.0, 0.0, 3.0, 4.0, 0.0];
        let b = [5.0, 6.0, 7.0, 8.0];
        let (a, b) = (Matrix::strided(&a, [2, 2], 3), Matrix::new(&b, [2, 2]));
        assert_eq!(product(a, b), [19.0, 22.0, 43.0, 50.0]);
        assert_eq!(product(a.transposed(), b), [26.0, 30.0, 38.0, 44.0]);
        assert_eq!(product(a, b.transposed()), [17.0, 23.0, 39.0, 53.0]);
        let mut sum = [1.0; 5];
        product_into(&mut sum, 3, a, b, [1.0, 2.0], Cores::One);
        assert_eq!(sum.to_vec(), [39.0, 45.0, 1.0, 87.0, 101.0]);
    }

    #[test]
    #[should_panic(expected = "fits in memory")]
    fn a_product_that_no_memory_holds_is_refused() {
        let huge = 1_usize << 32;
        product(Matrix::new(&[], [huge, 0]), Matrix::new(&[], [0, huge]));
    }

    #[test]
    #[should_panic(expected = "beyond its slice")]
    fn a_matrix_larger_than_its_slice_is_refused() {
        Matrix::new(&[0.0; 5], [2, 3]);
    }
}
