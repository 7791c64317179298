//! Vectors that are added to tokens: sinusoids and learned positions.

use burn::tensor::Tensor;
use regard_nn::{Init, LearnedPositionsConfig, SinusoidLayout, Sinusoids, Wavelengths, sinusoids};

use crate::parts::{assert_close, vector};

fn forms() -> Vec<Sinusoids> {
    let mut forms = Vec::new();
    for layout in [SinusoidLayout::Interleaved, SinusoidLayout::Halves] {
        for wavelengths in [Wavelengths::Paper, Wavelengths::Inclusive] {
            forms.push(Sinusoids {
                layout,
                wavelengths,
                start: 3,
            });
        }
    }
    forms
}

#[test]
fn sinusoids_are_those_of_the_paper_to_the_bit() {
    for d_model in [6, 7] {
        let got = vector(sinusoids(4, 3, d_model, &crate::device()));
        for (n, &value) in got.iter().enumerate() {
            let (position, column) = ((4 + n / d_model) as f64, n % d_model);
            let exponent = (column / 2 * 2) as f64 / d_model as f64;
            let angle = position / 10_000_f64.powf(exponent);
            let wave = if column % 2 == 0 { f64::sin } else { f64::cos };
            #[expect(clippy::cast_possible_truncation, reason = "as tensors are made")]
            let expected = wave(angle) as f32;
            assert_eq!(
                value.to_bits(),
                expected.to_bits(),
                "element {n} of {d_model}"
            );
        }
    }
}

#[test]
fn an_offset_continues_the_table_and_start_comes_before_it() {
    let device = crate::device();
    for form in forms() {
        let whole = form.table(0, 7, 6, &device);
        let end = whole.clone().slice(4..7).into_data();
        assert_eq!(form.table(4, 3, 6, &device).into_data(), end, "{form:?}");
        let from_zero = Sinusoids { start: 0, ..form };
        let later = from_zero.table(3, 7, 6, &device);
        assert_eq!(later.into_data(), whole.into_data(), "{form:?}");
    }
}

/// Why sinusoids were chosen: a shift is the same linear map everywhere, so products know only the difference.
#[test]
fn products_of_sinusoids_depend_on_the_difference_of_positions() {
    let device = crate::device();
    for form in forms() {
        let products = |offset| {
            let table = form.table(offset, 5, 8, &device);
            vector(table.clone().matmul(table.transpose()))
        };
        assert_close(&products(0), &products(90), 1e-5, &format!("{form:?}"));
    }
}

#[test]
fn the_last_inclusive_wave_is_ten_thousand_times_the_first() {
    let device = crate::device();
    for d_model in [4, 5, 8] {
        let form = Sinusoids {
            layout: SinusoidLayout::Halves,
            wavelengths: Wavelengths::Inclusive,
            start: 0,
        };
        let row = vector(form.table(1, 1, d_model, &device));
        let ends = [row[0], row[d_model / 2 - 1]];
        assert_eq!(ends.to_vec(), [1_f32.sin(), 1e-4_f32.sin()]);
    }
}

#[test]
fn narrow_sinusoids_are_finite() {
    let device = crate::device();
    for form in forms() {
        for d_model in [1, 2, 3] {
            let row = vector(form.table(0, 1, d_model, &device));
            let expected = match (form.layout, d_model) {
                (SinusoidLayout::Halves, 1) => vec![0.0],
                (_, 1) => vec![3_f32.sin()],
                (_, 2) => vec![3_f32.sin(), 3_f32.cos()],
                (SinusoidLayout::Halves, _) => vec![3_f32.sin(), 3_f32.cos(), 0.0],
                _ => vec![3_f32.sin(), 3_f32.cos(), row[2]],
            };
            assert_eq!(row, expected, "{form:?}, {d_model}");
            assert!(row.iter().all(|value| value.is_finite()));
        }
    }
}

#[test]
fn learned_positions_are_rows_of_the_table() {
    let positions = LearnedPositionsConfig::new(9, 4).init(&Init::new(1, &crate::device()));
    assert_eq!(positions.max_positions(), 9);
    let whole = positions.forward(0, 9);
    assert_eq!(
        whole.clone().into_data(),
        positions.weight.val().into_data()
    );
    let steps: Vec<Tensor<2>> = (0..9).map(|t| positions.forward(t, 1)).collect();
    assert_eq!(Tensor::cat(steps, 0).into_data(), whole.into_data());
}

#[test]
#[should_panic(expected = "LearnedPositions: expected at most 9 positions, got 10")]
fn positions_behind_the_table() {
    let positions = LearnedPositionsConfig::new(9, 4).init(&Init::new(1, &crate::device()));
    positions.forward(7, 3);
}
