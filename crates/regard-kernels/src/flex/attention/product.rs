//! Products of small blocks, in registers: a call costs next to nothing, and nothing is packed but what must be turned.

#![expect(
    clippy::inline_always,
    reason = "a function gets the instruction set of the loop that it is inlined into, or none"
)]
#![expect(
    clippy::needless_range_loop,
    reason = "the loops over registers are alike, and unroll as they stand"
)]

use pulp::{Arch, Simd, WithSimd};

use super::transpose::PANEL;

/// The left factor of a product; row r of it begins at `data[r * stride]`, or is column r of such rows.
#[derive(Clone, Copy)]
pub(in crate::flex) enum Left<'a> {
    Rows(&'a [f32], usize),
    Columns(&'a [f32], usize),
}

/// The right factor: rows that begin `stride` apart, or panels of [`transpose`](super::transpose::transpose).
#[derive(Clone, Copy)]
pub(in crate::flex) enum Right<'a> {
    Rows(&'a [f32], usize),
    Panels(&'a [f32]),
}

/// `output = left right`, or that added to it, where `output` has rows that begin `stride` apart.
pub(in crate::flex) fn product(
    output: &mut [f32],
    stride: usize,
    [rows, columns, depth]: [usize; 3],
    left: Left<'_>,
    right: Right<'_>,
    factor: f32,
    add: bool,
) {
    Arch::new().dispatch(Product {
        output,
        stride,
        sizes: [rows, columns, depth],
        left,
        right,
        factor,
        add,
    });
}

struct Product<'a> {
    output: &'a mut [f32],
    stride: usize,
    sizes: [usize; 3],
    left: Left<'a>,
    right: Right<'a>,
    factor: f32,
    add: bool,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let columns = self.sizes[1];
        let lanes = S::F32_LANES;
        let mut column = 0;
        while column + 2 * lanes <= columns {
            self.strip::<S, 2, false>(simd, column);
            column += 2 * lanes;
        }
        while column + lanes <= columns {
            self.strip::<S, 1, false>(simd, column);
            column += lanes;
        }
        if column < columns {
            self.strip::<S, 1, true>(simd, column);
        }
    }
}

impl Product<'_> {
    /// The columns that `V` registers hold, or, with `END`, those of the last that is not full.
    #[inline(always)]
    fn strip<S: Simd, const V: usize, const END: bool>(&mut self, simd: S, column: usize) {
        let rows = self.sizes[0];
        let mut row = 0;
        while row + 8 <= rows {
            self.block::<S, 8, V, END>(simd, row, column);
            row += 8;
        }
        if row + 4 <= rows {
            self.block::<S, 4, V, END>(simd, row, column);
            row += 4;
        }
        if row + 2 <= rows {
            self.block::<S, 2, V, END>(simd, row, column);
            row += 2;
        }
        if row < rows {
            self.block::<S, 1, V, END>(simd, row, column);
        }
    }

    /// `R` rows of a strip.
    #[inline(always)]
    fn block<S: Simd, const R: usize, const V: usize, const END: bool>(
        &mut self,
        simd: S,
        row: usize,
        column: usize,
    ) {
        let lanes = S::F32_LANES;
        let [_, columns, depth] = self.sizes;
        let width = if END { columns - column } else { lanes };
        // Where each register's columns begin in the right factor.
        let mut right: [&[f32]; V] = [&[]; V];
        let right_stride = match self.right {
            Right::Rows(data, stride) => {
                for v in 0..V {
                    right[v] = &data[column + v * lanes..];
                }
                stride
            }
            Right::Panels(data) => {
                for v in 0..V {
                    let column = column + v * lanes;
                    right[v] = &data[column / PANEL * PANEL * depth + column % PANEL..];
                }
                PANEL
            }
        };
        let load = |k: usize| {
            let mut loaded = [simd.splat_f32s(0.0); V];
            for v in 0..V {
                let part = &right[v][k * right_stride..][..width];
                loaded[v] = if END {
                    simd.partial_load_f32s(part)
                } else {
                    S::as_simd_f32s(part).0[0]
                };
            }
            loaded
        };
        let mut sums = [[simd.splat_f32s(0.0); V]; R];
        match self.left {
            Left::Rows(data, stride) => {
                let mut lines: [&[f32]; R] = [&[]; R];
                for r in 0..R {
                    lines[r] = &data[(row + r) * stride..][..depth];
                }
                for k in 0..depth {
                    let loaded = load(k);
                    for r in 0..R {
                        let left = simd.splat_f32s(lines[r][k]);
                        for v in 0..V {
                            sums[r][v] = simd.mul_add_e_f32s(left, loaded[v], sums[r][v]);
                        }
                    }
                }
            }
            Left::Columns(data, stride) => {
                for k in 0..depth {
                    let loaded = load(k);
                    let line = &data[k * stride + row..][..R];
                    for r in 0..R {
                        let left = simd.splat_f32s(line[r]);
                        for v in 0..V {
                            sums[r][v] = simd.mul_add_e_f32s(left, loaded[v], sums[r][v]);
                        }
                    }
                }
            }
        }
        let factor = simd.splat_f32s(self.factor);
        for r in 0..R {
            let line = &mut self.output[(row + r) * self.stride + column..];
            for v in 0..V {
                let part = &mut line[v * lanes..][..width];
                let scaled = simd.mul_f32s(factor, sums[r][v]);
                if END {
                    let old = simd.partial_load_f32s(part);
                    let new = if self.add {
                        simd.add_f32s(old, scaled)
                    } else {
                        scaled
                    };
                    simd.partial_store_f32s(part, new);
                } else {
                    let part = &mut S::as_mut_simd_f32s(part).0[0];
                    *part = if self.add {
                        simd.add_f32s(*part, scaled)
                    } else {
                        scaled
                    };
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::transpose::transpose;
    use super::*;

    fn numbers(n: usize, factor: f32) -> Vec<f32> {
        (0..n).map(|i| (i as f32 * factor).sin()).collect()
    }

    #[test]
    fn products_are_sums_of_products() {
        for [rows, columns, depth] in [[1, 1, 1], [15, 7, 3], [9, 33, 5], [31, 100, 17]] {
            let stride = rows.max(columns).max(depth) + 3;
            let (a, b) = (numbers(stride * stride, 0.7), numbers(stride * stride, 0.3));
            let mut panels = vec![f32::NAN; columns.next_multiple_of(PANEL) * depth];
            let mut spare = vec![f32::NAN; PANEL * depth];
            transpose(&b, stride, [columns, depth], &mut panels, &mut spare);
            for turned in [false, true] {
                for by_columns in [false, true] {
                    let right = if turned {
                        Right::Panels(&panels)
                    } else {
                        Right::Rows(&b, stride)
                    };
                    let left = if by_columns {
                        Left::Columns(&a, stride)
                    } else {
                        Left::Rows(&a, stride)
                    };
                    let mut output = vec![1.0; rows * stride];
                    let sizes = [rows, columns, depth];
                    product(&mut output, stride, sizes, left, right, 2.0, true);
                    product(&mut output, stride, sizes, left, right, 0.5, true);
                    let mut fresh = vec![f32::NAN; rows * stride];
                    product(&mut fresh, stride, sizes, left, right, 2.5, false);
                    for i in 0..rows {
                        for j in 0..columns {
                            let of = |k: usize| {
                                let a = if by_columns {
                                    a[k * stride + i]
                                } else {
                                    a[i * stride + k]
                                };
                                let b = if turned {
                                    b[j * stride + k]
                                } else {
                                    b[k * stride + j]
                                };
                                a * b
                            };
                            let expected = 2.5 * (0..depth).map(of).sum::<f32>();
                            assert!((output[i * stride + j] - 1.0 - expected).abs() < 1e-5);
                            assert!((fresh[i * stride + j] - expected).abs() < 1e-5);
                        }
                        let behind = &output[i * stride + columns..(i + 1) * stride];
                        assert_eq!(
                            behind,
                            vec![1.0; stride - columns],
                            "nothing else is touched"
                        );
                    }
                }
            }
        }
    }
}
