//! A recurrence as the papers write it, number by number.

use crate::{Direction, RecurrentCell, Sequences};

pub(super) struct Reference {
    pub(super) cell: RecurrentCell,
    pub(super) width: usize,
    pub(super) start: Vec<f64>,
    pub(super) weight: Vec<f64>,
    pub(super) bias: Vec<f64>,
    pub(super) look: Option<Look>,
}

pub(super) struct Look {
    pub(super) memory: Sequences,
    pub(super) query: Vec<f64>,
    pub(super) score: Vec<f64>,
    pub(super) context: Vec<f64>,
    pub(super) keys: Vec<f64>,
    pub(super) values: Vec<f64>,
    /// D.
    pub(super) width: usize,
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// Column `column` of `x weight`.
fn map(x: &[f64], weight: &[f64], columns: usize, column: usize) -> f64 {
    let products = x
        .iter()
        .enumerate()
        .map(|(row, x)| x * weight[row * columns + column]);
    products.sum()
}

impl Reference {
    /// States, each with its context behind it.
    pub(super) fn run(&self, x: &[f64], sequences: &Sequences, direction: Direction) -> Vec<f64> {
        let (gates, state_width) = (
            self.cell.gates() * self.width,
            self.cell.state_width(self.width),
        );
        let columns = state_width + self.look.as_ref().map_or(0, |look| look.width);
        let mut output = vec![0.0; sequences.rows() * columns];
        for sequence in 0..sequences.count() {
            let mut state = self.start[sequence * state_width..][..state_width].to_vec();
            let rows: Vec<usize> = match direction {
                Direction::Forward => sequences.range(sequence).collect(),
                Direction::Backward => sequences.range(sequence).rev().collect(),
            };
            for row in rows {
                let mut x = x[row * gates..][..gates].to_vec();
                let context = self.look.as_ref().map_or(Vec::new(), |look| {
                    let looks = sequences.count() / look.memory.count();
                    look.at(&state[..self.width], sequence / looks)
                });
                for (gate, x) in x.iter_mut().enumerate() {
                    if let Some(look) = &self.look {
                        *x += map(&context, &look.context, gates, gate);
                    }
                }
                state = self.step(&x, &state);
                let row = &mut output[row * columns..][..columns];
                row[..state_width].copy_from_slice(&state);
                row[state_width..].copy_from_slice(&context);
            }
        }
        output
    }

    fn step(&self, x: &[f64], state: &[f64]) -> Vec<f64> {
        let (n, gates) = (self.width, self.cell.gates() * self.width);
        let hidden = &state[..n];
        let share =
            |state: &[f64], gate: usize, i: usize| map(state, &self.weight, gates, gate * n + i);
        let open = |gate: usize, i: usize| sigmoid(x[gate * n + i] + share(hidden, gate, i));
        if self.cell == RecurrentCell::Lstm {
            let mut next = vec![0.0; 2 * n];
            for i in 0..n {
                let new = (x[2 * n + i] + share(hidden, 2, i)).tanh();
                next[n + i] = open(1, i) * state[n + i] + open(0, i) * new;
                next[i] = open(3, i) * next[n + i].tanh();
            }
            return next;
        }
        let reset: Vec<f64> = (0..n).map(|i| open(0, i)).collect();
        let kept: Vec<f64> = reset.iter().zip(hidden).map(|(r, h)| r * h).collect();
        let next = |i: usize| {
            let of_state = match self.cell {
                RecurrentCell::Gru => reset[i] * (share(hidden, 2, i) + self.bias[i]),
                _ => share(&kept, 2, i),
            };
            let (z, new) = (open(1, i), (x[2 * n + i] + of_state).tanh());
            (1.0 - z) * new + z * hidden[i]
        };
        (0..n).map(next).collect()
    }
}

impl Look {
    fn at(&self, hidden: &[f64], memory: usize) -> Vec<f64> {
        let a = self.score.len();
        let query: Vec<f64> = (0..a).map(|i| map(hidden, &self.query, a, i)).collect();
        let score = |row: usize| -> f64 {
            let key = &self.keys[row * a..][..a];
            let hidden = query.iter().zip(key).map(|(q, k)| (q + k).tanh());
            hidden.zip(&self.score).map(|(hidden, w)| hidden * w).sum()
        };
        let rows = self.memory.range(memory);
        let raised: Vec<f64> = rows.clone().map(|row| score(row).exp()).collect();
        let total: f64 = raised.iter().sum();
        let mean = |column: usize| {
            let values = rows
                .clone()
                .map(|row| self.values[row * self.width + column]);
            values
                .zip(&raised)
                .map(|(value, raised)| value * raised / total)
                .sum()
        };
        (0..self.width).map(mean).collect()
    }
}
