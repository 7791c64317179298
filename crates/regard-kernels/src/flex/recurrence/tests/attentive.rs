//! The recurrence that looks at a memory.

use burn::tensor::DType;

use super::reference::Look;
use super::*;

/// Widths H, A and D, what the sequences are, and what memory they look at.
struct Case {
    widths: [usize; 3],
    sequences: Sequences,
    memory: Sequences,
}

impl Case {
    fn shapes(&self, cell: RecurrentCell) -> Vec<[usize; 3]> {
        let ([width, a, d], rows) = (self.widths, self.memory.rows());
        let mut shapes = vec![
            [1, width, a],
            [1, 1, a],
            [1, d, cell.gates() * width],
            [1, rows, a],
            [1, rows, d],
        ];
        shapes.extend(super::shapes(cell, &self.sequences, width));
        shapes
    }

    fn operands(&self, cell: RecurrentCell, device: &Device) -> Vec<Tensor<3>> {
        let names = [
            "query", "score", "context", "keys", "values", "x", "start", "weight", "bias",
        ];
        let shapes = self.shapes(cell).into_iter().zip(names);
        shapes
            .map(|(shape, name)| values(name, shape, device))
            .collect()
    }

    /// Weights whose scores are of the size of 1: far from each other, they leave no more than rounding of their gradients.
    fn attention(all: &[Tensor<3>]) -> AdditiveWeights {
        let [_, _, a] = all[1].dims();
        AdditiveWeights {
            query: scaled(&all[0]),
            score: vector(&all[1]) * (2.0 / (a as f64).sqrt()),
            context: scaled(&all[2]),
        }
    }

    fn run(&self, cell: RecurrentCell, all: &[Tensor<3>]) -> AttentiveStates {
        let memory = AttendedMemory {
            keys: matrix(&all[3]),
            values: matrix(&all[4]),
            sequences: self.memory.clone(),
        };
        attentive_recurrence(
            cell,
            matrix(&all[5]),
            matrix(&all[6]),
            weights_of(&all[5..]),
            Self::attention(all),
            &memory,
            &self.sequences,
        )
    }

    /// States and contexts side by side.
    fn both(&self, cell: RecurrentCell, all: &[Tensor<3>]) -> Tensor<2> {
        let AttentiveStates { states, contexts } = self.run(cell, all);
        Tensor::cat(vec![states, contexts], 1)
    }
}

fn cases() -> Vec<Case> {
    let case = |widths, sequences, memory| Case {
        widths,
        sequences,
        memory,
    };
    vec![
        case(
            [1, 1, 1],
            Sequences::packed(vec![2, 3]),
            Sequences::packed(vec![3, 2]),
        ),
        case(
            [5, 17, 3],
            Sequences::packed(vec![3, 0, 1, 3]),
            Sequences::packed(vec![2, 4, 7, 1]),
        ),
        case(
            [40, 33, 130],
            Sequences::padded(vec![4, 2], 5),
            Sequences::padded(vec![19, 3], 21),
        ),
        // Several sequences look at each memory; one looks at nothing.
        case(
            [7, 16, 9],
            Sequences::packed(vec![2, 1, 4, 0, 3, 3]),
            Sequences::padded(vec![3, 0], 4),
        ),
        case(
            [130, 40, 17],
            Sequences::packed(vec![2; 6]),
            Sequences::packed(vec![6, 1, 5]),
        ),
    ]
}

#[test]
fn it_is_its_composition() {
    for cell in CELLS {
        for case in cases() {
            agree_on_threads(|device| {
                let all = case.operands(cell, device);
                (case.both(cell, &all), all)
            });
        }
    }
}

#[test]
fn gradients_are_differences() {
    let case = Case {
        widths: [2, 3, 2],
        sequences: Sequences::padded(vec![2, 0, 3, 1], 3),
        memory: Sequences::padded(vec![2, 3], 4),
    };
    for cell in CELLS {
        check_differences(&case.shapes(cell), |all| case.both(cell, all));
    }
}

#[test]
fn it_is_a_plain_loop_in_single_and_double_precision() {
    let device = Device::flex().autodiff();
    for cell in CELLS {
        for case in cases() {
            let all = plain(case.operands(cell, &device));
            let weights = Case::attention(&all);
            let reference = Reference {
                cell,
                width: case.widths[0],
                start: doubles(all[6].clone()),
                weight: doubles(scaled(&all[7])),
                bias: all.get(8).map_or(vec![], |bias| doubles(bias.clone())),
                look: Some(Look {
                    memory: case.memory.clone(),
                    query: doubles(weights.query),
                    score: doubles(weights.score),
                    context: doubles(weights.context),
                    keys: doubles(all[3].clone()),
                    values: doubles(all[4].clone()),
                    width: case.widths[2],
                }),
            };
            let x = doubles(all[5].clone());
            let expected = reference.run(&x, &case.sequences, Direction::Forward);
            assert_near(&doubles(case.both(cell, &all)), &expected, 5e-6);
            assert_near(
                &composed(|| doubles(case.both(cell, &all))),
                &expected,
                5e-6,
            );
        }
    }
}

#[test]
fn scores_far_apart_and_gates_at_their_ends() {
    let case = Case {
        widths: [3, 4, 2],
        sequences: Sequences::packed(vec![3, 2]),
        memory: Sequences::packed(vec![5, 4]),
    };
    let device = Device::flex().autodiff();
    for cell in CELLS {
        // Scores thousands apart, and gates of which most are exactly 0 or 1.
        let run = || {
            let mut all = case.operands(cell, &device);
            let leaves = all.clone();
            all[1] = all[1].clone() * 1e4;
            all[5] = all[5].clone() * 300.0;
            let y = case.both(cell, &all);
            let gradients = y.clone().sum().backward();
            let of = |x: &Tensor<3>| doubles(x.grad(&gradients).expect("a gradient"));
            (
                doubles(y),
                doubles(leaves[4].grad(&gradients).expect("a gradient")),
                leaves.iter().flat_map(of).collect::<Vec<_>>(),
            )
        };
        let ((y, d_values, all), (expected, expected_values, _)) = (run(), composed(run));
        assert_near(&y, &expected, 2e-6);
        // One value has it all.
        assert_near(&d_values, &expected_values, 1e-5);
        assert!(all.iter().all(|x| x.is_finite()));
    }
}

#[test]
fn other_types_take_the_composition() {
    let device = Device::flex().autodiff();
    for cell in CELLS {
        for case in cases() {
            let all = plain(case.operands(cell, &device));
            let expected = doubles(case.both(cell, &all));
            let all: Vec<Tensor<3>> = all.into_iter().map(|x| x.cast(DType::F64)).collect();
            let got = case.both(cell, &all);
            assert_eq!(got.dtype(), DType::F64);
            assert_near(&doubles(got), &expected, 5e-6);
        }
    }
}

#[test]
fn a_sequence_alone_has_the_bits_that_it_has_among_others() {
    let count = 21;
    let case = Case {
        widths: [19, 37, 21],
        sequences: Sequences::packed((0..count).map(|i| i * 7 % 12).collect::<Vec<_>>()),
        memory: Sequences::packed((0..count).map(|i| i * 5 % 13).collect::<Vec<_>>()),
    };
    let device = Device::flex().autodiff();
    for cell in CELLS {
        let all = case.operands(cell, &device);
        let columns = cell.state_width(19) + 21;
        let gradient = values("gradient", [1, case.sequences.rows(), columns], &device);
        // The result, and the gradients of what belongs to a sequence.
        let run = |case: &Case, all: &[Tensor<3>], gradient: &Tensor<3>| {
            let y = case.both(cell, all);
            let gradients = (y.clone() * matrix(gradient)).sum().backward();
            let of = |i: usize| matrix(&Tensor::from_inner(all[i].grad(&gradients).expect("one")));
            [y, of(3), of(4), of(5), of(6)]
        };
        let together = run(&case, &all, &gradient);
        for sequence in (0..count).filter(|&i| case.sequences.lengths()[i] > 0) {
            let (rows, seen) = (case.sequences.range(sequence), case.memory.range(sequence));
            if seen.is_empty() {
                continue;
            }
            let own = [
                rows.clone(),
                seen.clone(),
                seen,
                rows.clone(),
                sequence..sequence + 1,
            ];
            let cut = |x: &Tensor<3>, rows: &std::ops::Range<usize>| {
                let x = x.clone().slice([0..1, rows.clone()]);
                Tensor::from_data(x.into_data(), &device).require_grad()
            };
            let mut operands = all.clone();
            for (i, own) in (3..).zip(&own[1..]) {
                operands[i] = cut(&all[i], own);
            }
            let alone = Case {
                widths: case.widths,
                sequences: Sequences::packed(vec![rows.len()]),
                memory: Sequences::packed(vec![own[1].len()]),
            };
            let alone = run(&alone, &operands, &cut(&gradient, &rows));
            for ((together, alone), rows) in together.iter().zip(alone).zip(own) {
                assert_eq!(bits(together.clone().slice(rows)), bits(alone));
            }
        }
    }
}

#[test]
fn rows_of_no_sequence_are_not_read() {
    let case = Case {
        widths: [3, 4, 5],
        sequences: Sequences::padded(vec![2, 3], 4),
        memory: Sequences::padded(vec![1, 3], 5),
    };
    let own = |sequences: &Sequences, row: usize| (0..2).any(|i| sequences.range(i).contains(&row));
    let device = Device::flex().autodiff();
    for cell in CELLS {
        let poison = |x: &Tensor<3>, sequences: &Sequences| {
            let [_, rows, width] = x.dims();
            let mut data = numbers(x.clone());
            for (row, data) in data.chunks_mut(width).enumerate() {
                if !own(sequences, row) {
                    data.fill(f32::NAN);
                }
            }
            let data = TensorData::new(data, [1, rows, width]);
            Tensor::<3>::from_data(data, &device).require_grad()
        };
        let all = case.operands(cell, &device);
        let g = values("gradient", [1, 8, cell.state_width(3) + 5], &device);
        let mut poisoned = all.clone();
        for (operand, sequences) in [(3, &case.memory), (4, &case.memory), (5, &case.sequences)] {
            poisoned[operand] = poison(&all[operand], sequences);
        }
        let run = |all: &[Tensor<3>], g: &Tensor<3>| {
            let y = case.both(cell, all);
            let gradients = (y.clone() * matrix(g)).sum().backward();
            let of = |x: &Tensor<3>| numbers(x.grad(&gradients).expect("a gradient"));
            let mut results: Vec<Vec<f32>> = all.iter().map(of).collect();
            results.push(numbers(y));
            results
        };
        let clean = run(&all, &g);
        assert!(clean.iter().flatten().all(|x| x.is_finite()));
        assert_eq!(clean, run(&poisoned, &poison(&g, &case.sequences)));
    }
}

#[test]
fn nothing_is_wanted_of_nothing() {
    let device = Device::flex().autodiff();
    for (sequences, memory) in [
        (Sequences::packed(vec![]), Sequences::packed(vec![])),
        (Sequences::packed(vec![0, 0]), Sequences::packed(vec![2, 1])),
        (
            Sequences::padded(vec![0, 0], 3),
            Sequences::padded(vec![0], 2),
        ),
    ] {
        let case = Case {
            widths: [3, 2, 4],
            sequences,
            memory,
        };
        for cell in CELLS {
            let all = case.operands(cell, &device);
            let y = case.both(cell, &all);
            assert_eq!(y.dims(), [case.sequences.rows(), cell.state_width(3) + 4]);
            if case.sequences.rows() == 0 {
                continue; // burn's empty slices are not on the tape
            }
            let gradients = y.sum().backward();
            for x in &all {
                let gradient = x.grad(&gradients).expect("a gradient");
                assert_eq!(gradient.dims(), x.dims());
                assert!(numbers(gradient).iter().all(|&x| x == 0.0));
            }
        }
    }
}

#[test]
fn what_is_not_asked_for_is_not_needed_for_the_rest() {
    let device = Device::flex().autodiff();
    for cell in CELLS {
        for case in cases() {
            let all = case.operands(cell, &device);
            let gradient = |all: &[Tensor<3>], i: usize| {
                let y = case.both(cell, all);
                let g = values("gradient", y.dims(), &device).detach();
                all[i].grad(&(y * g).sum().backward()).map(numbers)
            };
            for wanted in 0..all.len() {
                let alone: Vec<Tensor<3>> = all
                    .iter()
                    .enumerate()
                    .map(|(i, x)| {
                        let fixed = Tensor::from_inner(x.clone().inner());
                        if i == wanted {
                            fixed.require_grad()
                        } else {
                            fixed
                        }
                    })
                    .collect();
                assert_eq!(gradient(&alone, wanted), gradient(&all, wanted));
                assert_eq!(gradient(&alone, (wanted + 1) % all.len()), None);
            }
        }
    }
}
