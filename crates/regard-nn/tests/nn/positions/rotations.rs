//! Rotations of queries and keys.

use burn::tensor::{Int, Tensor};
use regard_nn::{Rotary, RotaryPairing, rotary};

use crate::formula::numbers;
use crate::parts::{assert_close, vector};

const H: usize = 3;
const K: usize = 6;

fn forms() -> [Rotary; 2] {
    [RotaryPairing::Interleaved, RotaryPairing::Halves].map(|pairing| Rotary {
        pairing,
        ..Rotary::default()
    })
}

fn x(name: &str, length: usize) -> Tensor<3> {
    numbers(name, [2, length, H * K], &crate::device())
}

/// `[B, L, H K]` to `[B, H, L, K]`.
fn heads(x: Tensor<3>) -> Tensor<4> {
    let [batch, length, _] = x.dims();
    x.reshape([batch, length, H, K]).swap_dims(1, 2)
}

#[test]
fn scores_depend_on_the_difference_of_positions() {
    for form in forms() {
        let scores = |query_offsets: [usize; 2], key_offsets: [usize; 2]| {
            let query = form.rotate(x("query", 4), H, &query_offsets);
            let key = form.rotate(x("key", 5), H, &key_offsets);
            vector(heads(query).matmul(heads(key).swap_dims(2, 3)))
        };
        let here = scores([7, 2], [3, 0]);
        let shifted = scores([7 + 120, 2 + 31], [3 + 120, 31]);
        assert_close(&shifted, &here, 1e-5, &format!("{form:?}"));
        assert_ne!(scores([8, 3], [3, 0]), here);
    }
}

#[test]
fn norms_are_kept() {
    for form in forms() {
        let norms = |x| vector(heads(x).powi_scalar(2).sum_dim(3));
        let turned = form.rotate(x("x", 5), H, &[500, 3]);
        assert_close(&norms(turned), &norms(x("x", 5)), 1e-5, "norms");
    }
}

#[test]
fn the_first_position_is_left_alone() {
    for form in forms() {
        let first = x("x", 1);
        let turned = form.rotate(first.clone(), H, &[0]);
        assert_eq!(vector(turned), vector(first));
    }
}

#[test]
fn a_step_is_turned_as_it_would_be_among_all() {
    for form in forms() {
        let whole = form.rotate(x("x", 5), H, &[4]);
        let step = |t: usize| {
            let part = x("x", 5).slice([0..2, t..t + 1]);
            form.rotate(part, H, &[4 + t])
        };
        let steps = Tensor::cat((0..5).map(step).collect(), 1);
        assert_eq!(vector(steps), vector(whole));
    }
}

#[test]
fn each_row_has_its_own_offset() {
    for form in forms() {
        let both = form.rotate(x("x", 3), H, &[2, 40]);
        for (row, offset) in [2, 40].into_iter().enumerate() {
            let alone = form.rotate(x("x", 3).slice(row..row + 1), H, &[offset]);
            assert_eq!(vector(alone), vector(both.clone().slice(row..row + 1)));
        }
    }
}

/// Weights of one pairing serve the other with columns in another order.
#[test]
fn pairings_differ_in_the_order_of_columns() {
    let [interleaved, halves] = forms();
    let column = |n: i32| n / 6 * 6 + n % 6 / 3 + n % 3 * 2; // of neighbours, for the n-th of halves
    let order: Vec<i32> = (0..18).map(column).collect();
    let order = Tensor::<1, Int>::from_data(order.as_slice(), &crate::device());
    let expected = interleaved
        .rotate(x("x", 4), H, &[9])
        .select(2, order.clone());
    let got = halves.rotate(x("x", 4).select(2, order), H, &[9]);
    assert_eq!(vector(got), vector(expected));
}

#[test]
#[should_panic(expected = "rotary: expected a width that is a multiple of 2 x 3 heads, got 15")]
fn an_odd_width_of_heads() {
    rotary(Tensor::zeros([2, 4, 15], &crate::device()), 3, &[0]);
}

#[test]
#[should_panic(expected = "rotary: expected one offset, or one for each of 2 rows, got 3")]
fn offsets_for_other_rows() {
    rotary(Tensor::zeros([2, 4, 18], &crate::device()), 3, &[0, 0, 0]);
}
