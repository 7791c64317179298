//! Both forms of a recurrence against a plain loop in double precision, and against each other.

mod attentive;
mod reference;

use burn::tensor::{Device, Tensor, TensorData};

use crate::flex::tests::{COMPOSED, agree_on_threads, check_differences, matrix, values, vector};
use crate::*;
use reference::Reference;

const CELLS: [RecurrentCell; 3] = [
    RecurrentCell::Gru,
    RecurrentCell::GruResetBefore,
    RecurrentCell::Lstm,
];

const DIRECTIONS: [Direction; 2] = [Direction::Forward, Direction::Backward];

/// Sequences without positions, with one, with as many as others, packed and with room between them.
fn sequences() -> Vec<Sequences> {
    vec![
        Sequences::packed(vec![3, 0, 1, 3, 5]),
        Sequences::padded(vec![2, 4, 0], 6),
        Sequences::packed(vec![1; 7]),
        Sequences::packed(vec![4; 3]),
        Sequences::padded(vec![1, 9], 9),
    ]
}

/// Operands of [`recurrence`]: x, start, weight and, of some cells, the candidate's bias.
fn operands(
    cell: RecurrentCell,
    sequences: &Sequences,
    width: usize,
    device: &Device,
) -> Vec<Tensor<3>> {
    shapes(cell, sequences, width)
        .into_iter()
        .zip(["x", "start", "weight", "bias"])
        .map(|(shape, name)| values(name, shape, device))
        .collect()
}

fn shapes(cell: RecurrentCell, sequences: &Sequences, width: usize) -> Vec<[usize; 3]> {
    let (gates, state) = (cell.gates() * width, cell.state_width(width));
    let mut shapes = vec![
        [1, sequences.rows(), gates],
        [1, sequences.count(), state],
        [1, width, gates],
    ];
    if cell == RecurrentCell::Gru {
        shapes.push([1, 1, width]);
    }
    shapes
}

/// Operands that no gradient is asked of.
fn plain(operands: Vec<Tensor<3>>) -> Vec<Tensor<3>> {
    operands.into_iter().map(Tensor::inner).collect()
}

/// A weight whose products are of the size of 1.
fn scaled(weight: &Tensor<3>) -> Tensor<2> {
    let [_, width, _] = weight.dims();
    matrix(weight) * (1.5 / (width as f64).sqrt())
}

fn weights_of(all: &[Tensor<3>]) -> RecurrentWeights {
    RecurrentWeights {
        weight: scaled(&all[2]),
        candidate_bias: all.get(3).map(vector),
    }
}

fn recurrence_of(
    cell: RecurrentCell,
    all: &[Tensor<3>],
    sequences: &Sequences,
    direction: Direction,
) -> Tensor<2> {
    let weights = weights_of(all);
    recurrence(
        cell,
        matrix(&all[0]),
        matrix(&all[1]),
        weights,
        sequences,
        direction,
    )
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

fn doubles<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}

fn bits<const D: usize>(tensor: Tensor<D>) -> Vec<u32> {
    numbers(tensor).into_iter().map(f32::to_bits).collect()
}

fn composed<R>(f: impl FnOnce() -> R) -> R {
    COMPOSED.set(true);
    let result = f();
    COMPOSED.set(false);
    result
}

/// All of them within `tolerance`.
fn assert_near(got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len());
    for (got, expected) in got.iter().zip(expected) {
        assert!(
            (got - expected).abs() <= tolerance,
            "{got}, expected {expected}"
        );
    }
}

#[test]
fn a_recurrence_is_its_composition() {
    for cell in CELLS {
        for direction in DIRECTIONS {
            for sequences in sequences() {
                for width in [1, 3, 17, 40, 130] {
                    agree_on_threads(|device| {
                        let all = operands(cell, &sequences, width, device);
                        (recurrence_of(cell, &all, &sequences, direction), all)
                    });
                }
            }
        }
    }
}

#[test]
fn without_a_bias_it_is_as_with_one_of_zeros() {
    let sequences = Sequences::packed(vec![3, 2]);
    let device = Device::flex().autodiff();
    let mut all = plain(operands(RecurrentCell::Gru, &sequences, 5, &device));
    all[3] = all[3].zeros_like();
    let with = recurrence_of(RecurrentCell::Gru, &all, &sequences, Direction::Forward);
    all.pop();
    let without = recurrence_of(RecurrentCell::Gru, &all, &sequences, Direction::Forward);
    assert_eq!(numbers(with), numbers(without));
}

#[test]
fn gradients_are_differences() {
    let sequences = Sequences::padded(vec![2, 0, 3], 3);
    for cell in CELLS {
        for direction in DIRECTIONS {
            check_differences(&shapes(cell, &sequences, 2), |all| {
                recurrence_of(cell, all, &sequences, direction)
            });
        }
    }
}

#[test]
fn it_is_a_plain_loop_in_single_and_double_precision() {
    let device = Device::flex().autodiff();
    for cell in CELLS {
        for direction in DIRECTIONS {
            for sequences in sequences() {
                let all = plain(operands(cell, &sequences, 5, &device));
                let reference = Reference {
                    cell,
                    width: 5,
                    start: doubles(all[1].clone()),
                    weight: doubles(scaled(&all[2])),
                    bias: all
                        .get(3)
                        .map_or(vec![0.0; 5], |bias| doubles(bias.clone())),
                    look: None,
                };
                let expected = reference.run(&doubles(all[0].clone()), &sequences, direction);
                let run = || doubles(recurrence_of(cell, &all, &sequences, direction));
                assert_near(&run(), &expected, 2e-6);
                assert_near(&composed(run), &expected, 2e-6);
            }
        }
    }
}

#[test]
fn a_sequence_alone_has_the_bits_that_it_has_among_others() {
    let sequences = Sequences::packed((0..41).map(|i| i * 7 % 12).collect::<Vec<_>>());
    let device = Device::flex().autodiff();
    for cell in CELLS {
        let all = operands(cell, &sequences, 37, &device);
        let gradient = values(
            "gradient",
            [1, sequences.rows(), cell.state_width(37)],
            &device,
        );
        // The result, and the gradients of x and of start.
        let run = |all: &[Tensor<3>], sequences: &Sequences, gradient: &Tensor<3>| {
            let y = recurrence_of(cell, all, sequences, Direction::Backward);
            let gradients = (y.clone() * matrix(gradient)).sum().backward();
            let of = |i: usize| matrix(&Tensor::from_inner(all[i].grad(&gradients).expect("one")));
            [y, of(0), of(1)]
        };
        let together = run(&all, &sequences, &gradient);
        for sequence in (0..41).filter(|&i| sequences.lengths()[i] > 0) {
            let rows = sequences.range(sequence);
            let own = [rows.clone(), rows.clone(), sequence..sequence + 1];
            let cut = |x: &Tensor<3>, rows: &std::ops::Range<usize>| {
                let x = x.clone().slice([0..1, rows.clone()]);
                Tensor::from_data(x.into_data(), &device).require_grad()
            };
            let mut operands = all.clone();
            operands[0] = cut(&all[0], &rows);
            operands[1] = cut(&all[1], &own[2]);
            let alone = Sequences::packed(vec![rows.len()]);
            let alone = run(&operands, &alone, &cut(&gradient, &rows));
            for ((together, alone), rows) in together.iter().zip(alone).zip(own) {
                assert_eq!(bits(together.clone().slice(rows)), bits(alone));
            }
        }
    }
}

#[test]
fn steps_one_by_one_have_the_bits_of_the_whole() {
    // Enough rows that the whole rearranges its matrices, which single steps do not.
    let (count, length) = (33, 9);
    let device = Device::flex().autodiff();
    for cell in CELLS {
        let sequences = Sequences::padded(vec![length; count], length);
        let all = plain(operands(cell, &sequences, 21, &device));
        let whole = recurrence_of(cell, &all, &sequences, Direction::Forward);
        let whole = whole.reshape([count, length, cell.state_width(21)]);
        let x = all[0].clone().reshape([count, length, cell.gates() * 21]);
        let one = Sequences::packed(vec![1; count]);
        let mut step = all.clone();
        for t in 0..length {
            step[0] = x.clone().narrow(1, t, 1).swap_dims(0, 1);
            let state = recurrence_of(cell, &step, &one, Direction::Forward);
            assert_eq!(bits(state.clone()), bits(whole.clone().narrow(1, t, 1)));
            step[1] = state.unsqueeze();
        }
    }
}

#[test]
fn backward_is_forward_on_rows_in_reverse() {
    let sequences = Sequences::packed(vec![5]);
    let device = Device::flex().autodiff();
    for cell in CELLS {
        let mut all = plain(operands(cell, &sequences, 7, &device));
        let backward = recurrence_of(cell, &all, &sequences, Direction::Backward);
        all[0] = all[0].clone().flip([1]);
        let forward = recurrence_of(cell, &all, &sequences, Direction::Forward);
        assert_eq!(bits(backward), bits(forward.flip([0])));
    }
}

#[test]
fn rows_of_no_sequence_are_not_read() {
    let sequences = Sequences::padded(vec![2, 0, 3], 4);
    let own = |row: usize| (0..3).any(|sequence| sequences.range(sequence).contains(&row));
    let device = Device::flex().autodiff();
    for cell in CELLS {
        for direction in DIRECTIONS {
            let all = operands(cell, &sequences, 3, &device);
            let poison = |x: &Tensor<3>| {
                let [_, rows, width] = x.dims();
                let data: Vec<f32> = numbers(x.clone());
                let poisoned = data.chunks(width).enumerate().flat_map(|(row, data)| {
                    data.iter()
                        .map(move |&x| if own(row) { x } else { f32::NAN })
                });
                let data = TensorData::new(poisoned.collect::<Vec<f32>>(), [1, rows, width]);
                Tensor::<3>::from_data(data, &device).require_grad()
            };
            let mut poisoned = all.clone();
            poisoned[0] = poison(&all[0]);
            let g = values("gradient", [1, 12, cell.state_width(3)], &device).detach();
            let run = |all: &[Tensor<3>], g: &Tensor<3>| {
                let y = recurrence_of(cell, all, &sequences, direction);
                let gradients = (y.clone() * matrix(g)).sum().backward();
                let of = |x: &Tensor<3>| numbers(x.grad(&gradients).expect("a gradient"));
                let mut results: Vec<Vec<f32>> = all.iter().map(of).collect();
                results.push(numbers(y));
                results
            };
            let (clean, got) = (run(&all, &g), run(&poisoned, &poison(&g)));
            assert_eq!(clean, got);
            for rows in [&got[0], got.last().expect("the result")] {
                let width = rows.len() / 12;
                for (row, values) in rows.chunks(width).enumerate() {
                    assert_eq!(values.iter().all(|&x| x == 0.0), !own(row));
                }
            }
        }
    }
}
