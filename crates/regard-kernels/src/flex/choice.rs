//! The choice of a token, on the logits as they are.

#![expect(
    clippy::inline_always,
    reason = "a function gets the instruction set of the loop that it is inlined into, or none"
)]

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::simd::{exp, first, maximum, sum, vectorized};
use super::{Operand, elements, matrix_shape};
use crate::profile::profiled;

/// As the function of that name; `logits [N, V]`.
pub(crate) fn most_probable(logits: Operand, barred: &[Option<u32>]) -> Vec<(u32, f64)> {
    profiled("choice of a token", || {
        let logits: FlexTensor = logits.into_plain().to_contiguous();
        let [_, classes] = matrix_shape(&logits);
        let rows = elements(&logits).par_chunks_exact(classes).zip(barred);
        rows.map(|(row, &barred)| {
            vectorized(
                #[inline(always)]
                || choose(row, barred),
            )
        })
        .collect()
    })
}

/// The most probable class of a row and its log-probability.
#[inline(always)]
fn choose(row: &[f32], barred: Option<u32>) -> (u32, f64) {
    let cut = barred.map_or(row.len(), |class| (class as usize).min(row.len()));
    let (before, after) = (&row[..cut], &row[(cut + 1).min(row.len())..]);
    let (best_before, best_after) = (maximum(before), maximum(after));
    let class = if best_before >= best_after {
        first(before, best_before)
    } else {
        first(after, best_after).map(|class| cut + 1 + class)
    };
    let score = best_before.max(best_after);
    let highest = row.get(cut).map_or(score, |&logit| score.max(logit));
    // Parts of a long sum by themselves: in f32, the last of many small terms would be lost.
    let mut total = 0.0;
    for part in row.chunks(512) {
        total += f64::from(sum(part, |logit| exp(logit - highest)));
    }
    let class = u32::try_from(class.unwrap_or(0)).expect("fewer than 2^32 classes");
    (class, f64::from(score - highest) - f64::ln(total))
}
