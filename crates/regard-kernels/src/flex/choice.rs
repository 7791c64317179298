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

/// Classes that are summed by themselves: in f32, the last of many small terms would be lost.
const PART: usize = 512;

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
    let class = u32::try_from(class.unwrap_or(0)).expect("fewer than 2^32 classes");
    (class, f64::from(score - highest) - normalizer(row, highest))
}

/// The logarithm of the sum of what logits stand for, less `highest`.
#[inline(always)]
fn normalizer(row: &[f32], highest: f32) -> f64 {
    let mut total = 0.0;
    for part in row.chunks(PART) {
        total += f64::from(sum(part, |logit| exp(logit - highest)));
    }
    f64::ln(total)
}

/// As the function of that name; `logits [N, V]`, `k` from 1 to V.
pub(crate) fn k_most_probable(
    logits: Operand,
    k: usize,
    barred: &[Option<u32>],
) -> Vec<Vec<(u32, f64)>> {
    profiled("choice of tokens", || {
        let logits: FlexTensor = logits.into_plain().to_contiguous();
        let [_, classes] = matrix_shape(&logits);
        let rows = elements(&logits).par_chunks_exact(classes).zip(barred);
        rows.map(|(row, &barred)| {
            vectorized(
                #[inline(always)]
                || choose_k(row, k, barred),
            )
        })
        .collect()
    })
}

/// As the function of that name; `logits [N, V]`, classes below V.
pub(crate) fn log_probabilities_at(logits: Operand, classes: &[Vec<u32>]) -> Vec<Vec<f64>> {
    profiled("log-probabilities of tokens", || {
        let logits: FlexTensor = logits.into_plain().to_contiguous();
        let [_, width] = matrix_shape(&logits);
        let rows = elements(&logits).par_chunks_exact(width).zip(classes);
        rows.map(|(row, classes)| {
            vectorized(
                #[inline(always)]
                || look_up(row, classes),
            )
        })
        .collect()
    })
}

/// The log-probabilities of some classes of a row.
#[inline(always)]
fn look_up(row: &[f32], classes: &[u32]) -> Vec<f64> {
    if classes.is_empty() {
        return Vec::new();
    }
    let highest = maximum(row);
    let normalizer = normalizer(row, highest);
    let of_class = |&class: &u32| f64::from(row[class as usize] - highest) - normalizer;
    classes.iter().map(of_class).collect()
}

/// The `k` most probable classes of a row and their log-probabilities.
#[inline(always)]
fn choose_k(row: &[f32], k: usize, barred: Option<u32>) -> Vec<(u32, f64)> {
    let mut best = Best::new(k, barred);
    let (chunks, rest) = row.as_chunks::<16>();
    let mut first = 0;
    for chunk in chunks {
        let mut found = false;
        for &logit in chunk {
            found |= logit > best.least;
        }
        if found {
            best.offer(first, chunk);
        }
        first += 16;
    }
    best.offer(first, rest);

    let Some(&(mut highest, _)) = best.classes.first() else {
        return Vec::new();
    };
    if let Some(&logit) = barred.and_then(|class| row.get(class as usize)) {
        highest = highest.max(logit);
    }
    let normalizer = normalizer(row, highest);
    let of_class = |&(logit, class): &(f32, u32)| (class, f64::from(logit - highest) - normalizer);
    best.classes.iter().map(of_class).collect()
}

/// The best classes so far, the best first, and of equals the one that came first.
struct Best {
    classes: Vec<(f32, u32)>,
    k: usize,
    barred: Option<u32>,
    /// What a logit must exceed to be among them.
    least: f32,
}

impl Best {
    fn new(k: usize, barred: Option<u32>) -> Self {
        Self {
            classes: Vec::with_capacity(k + 1),
            k,
            barred,
            least: f32::NEG_INFINITY,
        }
    }

    /// Takes those of some classes, numbered from `first` on, that are better. Not a part of the loop over a row, which few
    /// classes interrupt.
    #[inline(never)]
    fn offer(&mut self, first: usize, logits: &[f32]) {
        for (i, &logit) in logits.iter().enumerate() {
            let class = u32::try_from(first + i).expect("fewer than 2^32 classes");
            if logit > self.least && Some(class) != self.barred {
                let place = self.classes.partition_point(|&(other, _)| other >= logit);
                self.classes.insert(place, (logit, class));
                self.classes.truncate(self.k);
                if self.classes.len() == self.k {
                    self.least = self.classes[self.k - 1].0;
                }
            }
        }
    }
}
