//! Transposes of a few rows, for products along them.

#![expect(
    clippy::inline_always,
    reason = "a function gets the instruction set of the loop that it is inlined into, or none"
)]

use pulp::{Arch, Simd, WithSimd};

/// Rows whose transpose stands side by side in a panel.
pub(in crate::flex) const PANEL: usize = 16;

/// Turns rows that begin `stride` apart into panels: [`PANEL`] of them, `[PANEL, width]`, become `[width, PANEL]`, the last
/// filled up with zeros. `spare` has room for one panel.
///
/// The places of a panel's elements have numbers `(row, column)`; one perfect shuffle of its two halves moves the highest
/// bit of the row behind the lowest of the column, so four of them turn the panel, in long vectors on every machine.
pub(in crate::flex) fn transpose(
    data: &[f32],
    stride: usize,
    sizes: [usize; 2],
    panels: &mut [f32],
    spare: &mut [f32],
) {
    Arch::new().dispatch(Transpose {
        data,
        stride,
        sizes,
        panels,
        spare,
    });
}

struct Transpose<'a> {
    data: &'a [f32],
    stride: usize,
    sizes: [usize; 2],
    panels: &'a mut [f32],
    spare: &'a mut [f32],
}

impl WithSimd for Transpose<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let Self {
            data,
            stride,
            sizes: [rows, width],
            ..
        } = self;
        let half = PANEL / 2 * width;
        let spare = &mut self.spare[..2 * half];
        let firsts = (0..rows).step_by(PANEL);
        for (panel, first) in self.panels.chunks_exact_mut(2 * half).zip(firsts) {
            for (i, pairs) in spare.chunks_exact_mut(2 * width).enumerate() {
                let (low, high) = (first + i, first + i + PANEL / 2);
                if high < rows {
                    shuffle(
                        &data[low * stride..][..width],
                        &data[high * stride..][..width],
                        pairs,
                    );
                } else if low < rows {
                    let low = &data[low * stride..][..width];
                    for (pair, &low) in pairs.as_chunks_mut::<2>().0.iter_mut().zip(low) {
                        *pair = [low, 0.0];
                    }
                } else {
                    pairs.fill(0.0);
                }
            }
            shuffle(&spare[..half], &spare[half..], panel);
            shuffle(&panel[..half], &panel[half..], spare);
            shuffle(&spare[..half], &spare[half..], panel);
        }
    }
}

/// Elements of `low` and `high` in turn.
#[inline(always)]
fn shuffle(low: &[f32], high: &[f32], output: &mut [f32]) {
    let pairs = output.as_chunks_mut::<2>().0.iter_mut();
    for ((pair, &low), &high) in pairs.zip(low).zip(high) {
        *pair = [low, high];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panel_that_is_not_full_ends_in_zeros() {
        let mut panels = [f32::NAN; 2 * PANEL];
        transpose(
            &[1.0, 2.0, 3.0, 4.0],
            2,
            [2, 2],
            &mut panels,
            &mut [0.0; 2 * PANEL],
        );
        let mut expected = [0.0; 2 * PANEL];
        expected[..2].copy_from_slice(&[1.0, 3.0]);
        expected[PANEL..PANEL + 2].copy_from_slice(&[2.0, 4.0]);
        assert_eq!(panels.to_vec(), expected);
    }
}
