//! Both forms of a recurrence against a plain loop in double precision, and against each other.

use burn::tensor::{Device, Tensor};

use crate::flex::tests::{agree_on_threads, check_differences, matrix, values, vector};
use crate::*;

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

/// Operands of [`recurrence`]: x, start, weight and the candidate's bias, of some cells.
fn operands(
    cell: RecurrentCell,
    sequences: &Sequences,
    width: usize,
    device: &Device,
) -> Vec<Tensor<3>> {
    let (gates, state) = (cell.gates() * width, cell.state_width(width));
    let mut all = vec![
        values("x", [1, sequences.rows(), gates], device),
        values("start", [1, sequences.count(), state], device),
        values("weight", [1, width, gates], device),
    ];
    if cell == RecurrentCell::Gru {
        all.push(values("bias", [1, 1, width], device));
    }
    all
}

fn recurrence_of(
    cell: RecurrentCell,
    all: &[Tensor<3>],
    sequences: &Sequences,
    direction: Direction,
) -> Tensor<2> {
    let [_, _, gates] = all[2].dims();
    let size = 1.0 / (gates as f64).sqrt();
    let weights = RecurrentWeights {
        weight: matrix(&all[2]) * (3.0 * size),
        candidate_bias: all.get(3).map(vector),
    };
    recurrence(
        cell,
        matrix(&all[0]),
        matrix(&all[1]),
        weights,
        sequences,
        direction,
    )
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
fn gradients_are_differences() {
    let sequences = Sequences::padded(vec![2, 0, 3], 3);
    for cell in CELLS {
        let (gates, state) = (cell.gates() * 2, cell.state_width(2));
        let mut shapes = vec![[1, 9, gates], [1, 3, state], [1, 2, gates]];
        if cell == RecurrentCell::Gru {
            shapes.push([1, 1, 2]);
        }
        for direction in DIRECTIONS {
            check_differences(&shapes, |all| {
                recurrence_of(cell, all, &sequences, direction)
            });
        }
    }
}
