//! The choice of a token.

use burn::tensor::Tensor;

/// The most probable class of each row of logits, and its log-probability in nats.
///
/// ```text
/// choice[n] = argmax of logits[n] over all classes but barred[n]
/// log p     = logits[n][choice[n]] - ln(sum over all classes c of e^logits[n][c])
/// ```
///
/// # Shapes
///
/// `logits: [N, V]`, one entry of `barred` and of the result for each row.
///
/// # Behaviour
///
/// Ties go to the lower class. A barred class is not taken but keeps its share of the probability. On burn's CPU backend the
/// logits are read where they are. Cost: `O(N V)`.
///
/// # Panics
///
/// If there are not as many entries of `barred` as rows, or no classes.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::most_probable;
///
/// let logits = Tensor::<2>::from_floats([[0.0, 9.0, 9.0], [0.0, 9.0, 0.0]], &Device::flex());
/// let chosen = most_probable(logits, &[None, Some(1)]);
/// assert_eq!([chosen[0].0, chosen[1].0], [1, 0]);
/// assert!(chosen[1].1 < -9.0); // in spite of being barred, class 1 is the probable one
/// ```
pub fn most_probable(logits: Tensor<2>, barred: &[Option<u32>]) -> Vec<(u32, f64)> {
    let [rows, classes] = logits.dims();
    assert_eq!(rows, barred.len(), "most_probable: an entry for each row");
    assert!(classes > 0, "most_probable: expected classes, got none");
    #[cfg(feature = "flex")]
    if let Some(logits) = crate::flex::Operand::new(&logits) {
        return crate::flex::most_probable(logits, barred);
    }
    let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
    let rows = logits.chunks(classes).zip(barred);
    rows.map(|(row, &barred)| {
        let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let total: f64 = row.iter().map(|&x| f64::from(x - highest).exp()).sum();
        let (mut best, mut score) = (0, f32::NEG_INFINITY);
        for (class, &logit) in (0..).zip(row) {
            if logit > score && Some(class) != barred {
                (best, score) = (class, logit);
            }
        }
        (best, f64::from(score - highest) - total.ln())
    })
    .collect()
}
