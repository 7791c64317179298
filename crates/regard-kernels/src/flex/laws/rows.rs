//! What moves rows without computing with them, and what only looks at them.

use burn::tensor::{Device, Tensor};
use proptest::prelude::*;

use super::Numbers::{Levels, Uniform};
use super::{Numbers, batch, cases, lengths, matrix, size, some, summands, usage, view};
use crate::flex::tests::{self, COMPOSED, agree_on_threads, check_differences, same_on_threads};
use crate::{Key, most_probable, pack_rows, unpack_rows, write_positions};

fn composed<R>(f: impl FnOnce() -> R) -> R {
    COMPOSED.set(true);
    let result = f();
    COMPOSED.set(false);
    result
}

proptest! {
    #![proptest_config(cases(64))]

    #[test]
    fn rows_are_packed_and_padded_as_in_their_composition(
        (rows, more, width) in (size(), 0..3_usize, some()),
        (like, cuts, used) in ((view(), summands()), any::<[u16; 2]>(), usage()),
    ) {
        let lengths = lengths(rows, cuts);
        let length = lengths.iter().max().unwrap_or(&0) + more;
        // burn's reshape takes a size of 0 for "as before".
        prop_assume!(length > 0);
        agree_on_threads(|device| {
            let (x, leaf) = batch("x", [lengths.len(), length, width], like, device);
            (used.of(pack_rows(x, lengths.clone())), vec![leaf])
        });
        agree_on_threads(|device| {
            let (x, leaf) = matrix("x", [rows, width], like, device);
            (used.of(unpack_rows(x, lengths.clone(), length)), vec![leaf])
        });
    }

    #[test]
    fn positions_are_written_as_in_their_composition(
        (rows, before, added, after, width) in (1..5_usize, 0..9_usize, 0..9_usize, 0..9_usize, some()),
        (room_like, new_like) in ((view(), summands()), (view(), summands())),
    ) {
        let device = Device::flex().autodiff();
        let room = batch("room", [rows, before + added + after, width], room_like, &device).0.inner();
        let new = batch("new", [rows, added, width], new_like, &device).0.inner();
        prop_assume!(before + added + after > 0);
        let untouched = room.to_data();
        let write = || write_positions(room.clone(), before, new.clone()).into_data();
        prop_assert_eq!(write(), composed(write));
        prop_assert_eq!(room.to_data(), untouched);
    }

    #[test]
    fn a_choice_is_that_of_a_plain_loop(
        (rows, classes, view, seed) in (size(), some(), view(), any::<u64>()),
        numbers in prop::sample::select(vec![Uniform(1.0), Uniform(60.0), Levels(3.0), Levels(1e30), Numbers::Mixed]),
    ) {
        // The only class is not barred: there would be none to take.
        let key = Key::new(seed);
        let barred: Vec<Option<u32>> = (0..rows as u64)
            .map(|i| (classes > 1 && key.bits(i).is_multiple_of(2)).then(|| (key.bits(i) / 2 % (classes as u64 + 1)) as u32))
            .collect();
        let device = Device::flex().autodiff();
        let logits = matrix("logits", [rows, classes], (view, numbers), &device).0.inner();
        let values: Vec<f32> = logits.to_data().iter::<f32>().collect();
        let chosen = most_probable(logits.clone(), &barred);
        prop_assert_eq!(chosen.len(), rows);
        for ((row, &barred), (class, score)) in values.chunks(classes).zip(&barred).zip(&chosen) {
            let free = (0..classes).filter(|&class| barred != Some(class as u32));
            let best = free.reduce(|best, class| if row[class] > row[best] { class } else { best });
            prop_assert_eq!(*class as usize, best.expect("a class that is not barred"));
            let highest = row.iter().copied().fold(f32::MIN, f32::max);
            let total: f64 = row.iter().map(|&x| f64::from(x - highest).exp()).sum();
            let expected = f64::from(row[*class as usize] - highest) - total.ln();
            prop_assert!((score - expected).abs() <= 1e-5 * expected.abs().max(1.0), "{score}, not {expected}");
        }
        same_on_threads(|| most_probable(logits.clone(), &barred));
    }
}

#[test]
fn gradients_are_differences() {
    check_differences(&[[2, 3, 2]], |x| pack_rows(x[0].clone(), vec![3, 1]));
    check_differences(&[[1, 4, 2]], |x| {
        unpack_rows(tests::matrix(&x[0]), vec![3, 1], 5)
    });
}

#[test]
fn without_rows_there_is_nothing_to_pack() {
    let device = Device::flex();
    for [batch, length, width] in [[2, 0, 3], [0, 4, 3], [2, 4, 0]] {
        let x = Tensor::<3>::zeros([batch, length, width], &device);
        let packed = pack_rows(x.clone(), vec![0; batch]);
        assert_eq!(packed.dims(), [0, width]);
        let padded = unpack_rows(packed, vec![0; batch], length);
        assert_eq!(padded.into_data(), x.into_data());
    }
}
