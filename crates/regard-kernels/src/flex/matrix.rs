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
    #[cfg_attr(
        not(test),
        allow(dead_code, reason = "attention has products of its own")
    )]
    One,
}

/// Work, in multiply-adds, below which dividing a product costs more than it gains.
const WORTH_DIVIDING: usize = 1 << 20;

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
    if lhs.rows <= FINISHED_TOGETHER || columns == 0 {
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
    // A multiple of the rows that the product holds in registers.
    let blocks = blocks(lhs.rows, columns, tasks, 6);
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
        blocks.into_par_iter().for_each(block);
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
    let multiply = |[rows, columns]: [Range<usize>; 2]| {
        let (lhs, rhs) = (lhs.rows(rows.clone()), rhs.columns(columns.clone()));
        let stride = |stride: usize| isize::try_from(stride).expect("strides are below 2^63");
        // SAFETY: both matrices were checked against their slices when they were made; the block of `output` lies inside
        // the room that the caller promises, and no other task is given an element of it.
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
    let block = |range: Range<usize>| {
        if rows >= columns {
            multiply([range, 0..columns]);
        } else {
            multiply([0..rows, range]);
        }
    };
    // A multiple of the register blocks of every instruction set.
    let mut blocks = blocks(rows.max(columns), rows.min(columns), tasks, 48);
    match blocks.pop() {
        Some(all) if blocks.is_empty() => block(all),
        last => blocks.into_par_iter().chain(last).for_each(block),
    }
}

/// Cuts one side of a product into a block for each task, whose lengths are multiples of `multiple` but the last.
///
/// The gemm crate adds in another order where a product is a vector, has at most 256 elements, or has two sides of at most
/// 64; no block is any of that unless the whole is, so the bits of a product do not depend on how many tasks there are.
fn blocks(side: usize, other: usize, tasks: usize, multiple: usize) -> Vec<Range<usize>> {
    let is_large = |side: usize| side > 1 && side * other > 256 && side.max(other) > 64;
    let mut size = side.div_ceil(tasks).next_multiple_of(multiple);
    while size < side && !is_large(size) {
        size += multiple;
    }
    let mut starts: Vec<usize> = (0..side).step_by(size.max(1)).collect();
    if starts
        .last()
        .is_some_and(|&last| last > 0 && !is_large(side - last))
    {
        starts.pop(); // the block before takes the rest
    }
    let ends = starts.iter().skip(1).copied().chain([side]);
    starts
        .iter()
        .zip(ends)
        .map(|(&start, end)| start..end)
        .collect()
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
    fn the_number_of_threads_changes_no_bit() {
        // Blocks of one row, of few elements, and with two short sides, unless they are avoided.
        for (rows, depth, columns) in [
            (97, 300, 64),
            (100, 2000, 60),
            (97, 5000, 3),
            (2, 1500, 193),
            (1, 1000, 290),
            (1000, 70, 97),
            (337, 300, 64),
        ] {
            let numbers = |n: usize| (0..n).map(|i| (i as f32 * 0.7).sin()).collect::<Vec<_>>();
            let (lhs, rhs) = (numbers(rows * depth), numbers(depth * columns));
            let lhs = Matrix::new(&lhs, [rows, depth]);
            let turned = Matrix::new(&rhs, [columns, depth]).transposed();
            for rhs in [Matrix::new(&rhs, [depth, columns]), turned] {
                same_on_threads(|| (product(lhs, rhs), product_then(lhs, rhs, |_, _| ())));
            }
        }
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
