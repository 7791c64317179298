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

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::Key;
    use crate::flex::tests::COMPOSED;
    use burn::tensor::{Device, TensorData};

    fn logits(rows: usize, classes: usize, largest: f64) -> Tensor<2> {
        let key = Key::new(3);
        let values: Vec<f32> = (0..(rows * classes) as u64)
            .map(|i| (largest * (2.0 * key.uniform(i) - 1.0)) as f32)
            .collect();
        Tensor::from_data(TensorData::new(values, [rows, classes]), &Device::flex())
    }

    fn composed(logits: Tensor<2>, barred: &[Option<u32>]) -> Vec<(u32, f64)> {
        COMPOSED.set(true);
        let chosen = most_probable(logits, barred);
        COMPOSED.set(false);
        chosen
    }

    #[test]
    fn fused_is_composed() {
        for (rows, classes) in [(0, 3), (1, 1), (5, 15), (3, 16), (7, 1003), (2, 8000)] {
            for largest in [1.0, 60.0] {
                let logits = logits(rows, classes, largest);
                // The class that would be chosen, some other, one that does not exist, none.
                let free = composed(logits.clone(), &vec![None; rows]);
                let barred: Vec<_> = (0..rows)
                    .map(|row| [Some(free[row].0), Some(0), Some(u32::MAX), None][row % 4])
                    .collect();
                let expected = composed(logits.clone(), &barred);
                let got = most_probable(logits.clone(), &barred);
                assert_eq!(got, most_probable(logits, &barred), "the same bits again");
                for (row, (got, expected)) in got.iter().zip(&expected).enumerate() {
                    if classes > 1 || barred[row].is_none() {
                        assert_eq!(got.0, expected.0, "row {row} of {classes} classes");
                        assert!((got.1 - expected.1).abs() < 1e-5, "{got:?}, {expected:?}");
                    }
                }
                assert_eq!(got.len(), rows);
            }
        }
    }

    #[test]
    fn ties_go_to_the_lower_class_wherever_they_stand() {
        for places in [[2, 9], [3, 40], [17, 19], [33, 36]] {
            let mut values = vec![0.5; 37 + 5];
            for place in places {
                values[place] = 1.5;
            }
            let logits = Tensor::<1>::from_floats(values.as_slice(), &Device::flex()).unsqueeze();
            let choose = |barred| most_probable(Tensor::clone(&logits), &[barred])[0].0 as usize;
            assert_eq!(choose(None), places[0]);
            assert_eq!(choose(Some(places[0] as u32)), places[1]);
            assert_eq!(choose(Some(places[1] as u32)), places[0]);
            assert_eq!(choose(Some(0)), places[0]);
            assert_eq!(choose(Some(places[1] as u32 - 1)), places[0]);
        }
    }

    #[test]
    #[should_panic(expected = "an entry for each row")]
    fn too_few_entries() {
        most_probable(logits(2, 3, 1.0), &[None]);
    }
}
