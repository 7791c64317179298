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

/// The `k` most probable classes of each row of logits, the most probable first, with their log-probabilities in nats.
///
/// ```text
/// log p(c) = logits[n][c] - ln(sum over all classes j of e^logits[n][j])
/// ```
///
/// # Shapes
///
/// `logits: [N, V]`, one entry of `barred` and of the result for each row.
///
/// # Behaviour
///
/// Ties go to the lower class. A barred class is not taken but keeps its share of the probability. Nor are impossible classes
/// taken, whose logit is negative infinity, or NaN: a row may have fewer than `k`. Of `k = 1` this is [`most_probable`].
/// Cost: `O(N V)`, and `O(k)` for each class that displaces another, of which there are about `k ln(V / k)` where the order
/// is any; nothing is sorted. On burn's CPU backend the logits are read where they are.
///
/// # Panics
///
/// If there are not as many entries of `barred` as rows.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::k_most_probable;
///
/// let logits = Tensor::<2>::from_floats([[1.0, 9.0, 9.0, 2.0]], &Device::flex());
/// let chosen = k_most_probable(logits, 3, &[Some(1)]);
/// assert_eq!(chosen[0].iter().map(|&(class, _)| class).collect::<Vec<_>>(), [2, 3, 0]);
/// assert!((chosen[0][0].1 + 2_f64.ln()).abs() < 1e-3); // class 1 has the other half
/// ```
pub fn k_most_probable(
    logits: Tensor<2>,
    k: usize,
    barred: &[Option<u32>],
) -> Vec<Vec<(u32, f64)>> {
    let [rows, classes] = logits.dims();
    assert_eq!(rows, barred.len(), "k_most_probable: an entry for each row");
    let k = k.min(classes);
    if k == 0 {
        return vec![Vec::new(); rows];
    }
    #[cfg(feature = "flex")]
    if let Some(logits) = crate::flex::Operand::new(&logits) {
        return crate::flex::k_most_probable(logits, k, barred);
    }
    let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
    let rows = logits.chunks(classes).zip(barred);
    rows.map(|(row, &barred)| {
        let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let total: f64 = row.iter().map(|&x| f64::from(x - highest).exp()).sum();
        let is_possible =
            |&(class, &logit): &(u32, &f32)| Some(class) != barred && logit > f32::NEG_INFINITY;
        let mut possible: Vec<(u32, &f32)> = (0..).zip(row).filter(is_possible).collect();
        possible.sort_by(|a, b| b.1.total_cmp(a.1));
        let best = possible.into_iter().take(k);
        best.map(|(class, logit)| (class, f64::from(logit - highest) - total.ln()))
            .collect()
    })
    .collect()
}

/// The log-probabilities of some classes of each row of logits, in nats.
///
/// ```text
/// log p(c) = logits[n][c] - ln(sum over all classes j of e^logits[n][j])
/// ```
///
/// # Shapes
///
/// `logits: [N, V]`, one list of classes, and of results, for each row.
///
/// # Behaviour
///
/// The same numbers as those of [`k_most_probable`]. A row that nothing is asked of costs nothing, any other `O(V)`. On burn's
/// CPU backend the logits are read where they are.
///
/// # Panics
///
/// If there are not as many lists as rows, or a class is not below V.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::log_probabilities_at;
///
/// let logits = Tensor::<2>::from_floats([[0.0, 0.0], [5.0, 5.0]], &Device::flex());
/// let found = log_probabilities_at(logits, &[vec![1], vec![]]);
/// assert!((found[0][0] + 2_f64.ln()).abs() < 1e-6 && found[1].is_empty());
/// ```
pub fn log_probabilities_at(logits: Tensor<2>, classes: &[Vec<u32>]) -> Vec<Vec<f64>> {
    let [rows, width] = logits.dims();
    assert_eq!(
        rows,
        classes.len(),
        "log_probabilities_at: a list for each row"
    );
    for &class in classes.iter().flatten() {
        assert!(
            (class as usize) < width,
            "log_probabilities_at: expected classes below {width}, got {class}"
        );
    }
    if classes.iter().all(Vec::is_empty) {
        return vec![Vec::new(); rows];
    }
    #[cfg(feature = "flex")]
    if let Some(logits) = crate::flex::Operand::new(&logits) {
        return crate::flex::log_probabilities_at(logits, classes);
    }
    let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
    let rows = logits.chunks(width.max(1)).zip(classes);
    rows.map(|(row, classes)| {
        let highest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let total: f64 = row.iter().map(|&x| f64::from(x - highest).exp()).sum();
        let of_class = |&class: &u32| f64::from(row[class as usize] - highest) - total.ln();
        classes.iter().map(of_class).collect()
    })
    .collect()
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::Key;
    use crate::flex::tests::COMPOSED;
    use burn::tensor::TensorData;

    fn logits(rows: usize, classes: usize, largest: f64) -> Tensor<2> {
        let key = Key::new(3);
        let values: Vec<f32> = (0..(rows * classes) as u64)
            .map(|i| (largest * (2.0 * key.uniform(i) - 1.0)) as f32)
            .collect();
        Tensor::from_data(
            TensorData::new(values, [rows, classes]),
            &crate::test_device(),
        )
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
            let logits =
                Tensor::<1>::from_floats(values.as_slice(), &crate::test_device()).unsqueeze();
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

    /// [`k_most_probable`] by sorting.
    fn composed_k(logits: Tensor<2>, k: usize, barred: &[Option<u32>]) -> Vec<Vec<(u32, f64)>> {
        COMPOSED.set(true);
        let chosen = k_most_probable(logits, k, barred);
        COMPOSED.set(false);
        chosen
    }

    #[test]
    fn the_fused_k_are_the_sorted_ones() {
        for (rows, classes) in [(0, 3), (1, 1), (5, 15), (3, 16), (7, 1003), (2, 8000)] {
            for k in [0, 1, 2, 10, 16, 1500] {
                for largest in [1.0, 60.0] {
                    let logits = logits(rows, classes, largest);
                    let free = composed(logits.clone(), &vec![None; rows]);
                    let barred: Vec<_> = (0..rows)
                        .map(|row| [Some(free[row].0), Some(0), Some(u32::MAX), None][row % 4])
                        .collect();
                    let expected = composed_k(logits.clone(), k, &barred);
                    let got = k_most_probable(logits, k, &barred);
                    let name = format!("{k} of {rows} x {classes}");
                    assert_eq!(got.len(), rows, "{name}");
                    for (got, expected) in got.iter().zip(&expected) {
                        let classes = |row: &[(u32, f64)]| -> Vec<u32> {
                            row.iter().map(|&(class, _)| class).collect()
                        };
                        assert_eq!(classes(got), classes(expected), "{name}");
                        for (got, expected) in got.iter().zip(expected) {
                            assert!((got.1 - expected.1).abs() < 1e-5, "{name}: {got:?}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn the_first_of_k_is_the_most_probable_to_the_bit() {
        let logits = logits(9, 1003, 9.0);
        let barred: Vec<_> = (0..9)
            .map(|row| (row % 2 == 0).then_some(row * 7))
            .collect();
        let one = most_probable(logits.clone(), &barred);
        for k in [1, 4] {
            let many = k_most_probable(logits.clone(), k, &barred);
            let first: Vec<(u32, f64)> = many.iter().map(|row| row[0]).collect();
            assert_eq!(first, one);
        }
    }

    #[test]
    fn all_classes_together_are_certain() {
        for chosen in k_most_probable(logits(3, 40, 5.0), 40, &[None; 3]) {
            let total: f64 = chosen.iter().map(|(_, log_p)| log_p.exp()).sum();
            assert!((total - 1.0).abs() < 1e-6, "{total}");
            assert!(chosen.windows(2).all(|pair| pair[0].1 >= pair[1].1));
        }
    }

    #[test]
    fn equal_classes_come_in_their_order() {
        let mut values = vec![0.5; 50];
        for place in [3, 17, 18, 33, 49] {
            values[place] = 1.5;
        }
        let logits = Tensor::<1>::from_floats(values.as_slice(), &crate::test_device()).unsqueeze();
        let choose = |k, barred| {
            let chosen = k_most_probable(Tensor::clone(&logits), k, &[barred]);
            chosen[0]
                .iter()
                .map(|&(class, _)| class)
                .collect::<Vec<_>>()
        };
        assert_eq!(choose(7, None), [3, 17, 18, 33, 49, 0, 1]);
        assert_eq!(choose(4, None), [3, 17, 18, 33]);
        assert_eq!(choose(4, Some(17)), [3, 18, 33, 49]);
        assert_eq!(choose(6, Some(0)), [3, 17, 18, 33, 49, 1]);
    }

    #[test]
    fn impossible_classes_are_never_taken() {
        let (low, nan) = (f32::NEG_INFINITY, f32::NAN);
        let rows = [[low, 2.0, low, 2.0], [low; 4], [low, low, low, 1.0]];
        let logits = Tensor::<2>::from_floats(rows, &crate::test_device());
        for choose in [k_most_probable, composed_k] {
            let chosen = choose(logits.clone(), 3, &[None, None, Some(3)]);
            assert_eq!(chosen[0].len(), 2);
            for (&(class, log_p), expected) in chosen[0].iter().zip([1, 3]) {
                assert_eq!(class, expected);
                assert!((log_p + 2_f64.ln()).abs() < 1e-6);
            }
            assert_eq!(chosen[1..], [[], []]);
        }
        let logits = Tensor::<2>::from_floats([[nan, nan, 1.0]], &crate::test_device());
        assert!(
            k_most_probable(logits, 3, &[None])[0]
                .iter()
                .all(|&(class, log_p)| class == 2 && log_p.is_nan())
        );
    }

    #[test]
    fn classes_asked_for_have_the_numbers_of_those_chosen() {
        for (rows, classes) in [(1, 1), (5, 15), (3, 16), (7, 1003)] {
            let logits = logits(rows, classes, 30.0);
            let free = vec![None; rows];
            let chosen = k_most_probable(logits.clone(), classes, &free);
            let asked: Vec<Vec<u32>> = chosen
                .iter()
                .enumerate()
                .map(|(row, chosen)| chosen.iter().map(|best| best.0).take(row % 3 * 5).collect())
                .collect();
            let found = log_probabilities_at(logits.clone(), &asked);
            for (found, chosen) in found.iter().zip(&chosen) {
                let expected = chosen.iter().map(|best| best.1).take(found.len());
                assert!(found.iter().copied().eq(expected), "to the bit");
            }
            COMPOSED.set(true);
            let composed = log_probabilities_at(logits, &asked);
            COMPOSED.set(false);
            for (found, composed) in found.iter().flatten().zip(composed.iter().flatten()) {
                assert!((found - composed).abs() < 1e-5, "{found}, {composed}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "expected classes below 3, got 3")]
    fn a_class_that_is_none() {
        log_probabilities_at(logits(2, 3, 1.0), &[vec![2], vec![3]]);
    }

    #[test]
    #[should_panic(expected = "k_most_probable: an entry for each row")]
    fn too_few_entries_for_k() {
        k_most_probable(logits(2, 3, 1.0), 2, &[None]);
    }
}
