//! Which tensors of a checkpoint a model reads, and how.

use std::collections::{BTreeMap, BTreeSet};

use super::table::{Form, ROWS, Row, number, numbered, own};

/// Shapes of a model's parameters, by name.
pub(super) type Shapes = BTreeMap<String, Vec<usize>>;

/// One tensor of a checkpoint, or both biases of a recurrent layer, and what it is here.
#[derive(Debug)]
pub(super) struct Reading<'m> {
    pub(super) theirs: Vec<String>,
    /// Names and shapes of parameters.
    pub(super) ours: Vec<(&'m str, &'m [usize])>,
    form: Form,
}

/// Every way to read a model of these shapes. A parameter may be in several: its names in different layouts.
pub(super) fn readings(shapes: &Shapes) -> Vec<Reading<'_>> {
    let own = shapes.iter().map(|(name, shape)| {
        let (theirs, form) = own(name, shape.len());
        Reading {
            theirs: vec![theirs],
            ours: vec![(name, shape)],
            form,
        }
    });
    let rows = ROWS
        .iter()
        .filter(|row| row.without.is_none_or(|name| !shapes.contains_key(name)))
        .flat_map(|row| of_row(row, shapes));
    own.chain(rows).filter(Reading::is_sound).collect()
}

fn of_row<'m>(row: &Row, shapes: &'m Shapes) -> Vec<Reading<'m>> {
    let mut readings = Vec::new();
    for (end, form) in row.parts() {
        let patterns: Vec<String> = row.ours().map(|ours| format!("{ours}{end}")).collect();
        let numbers_of = |pattern: &String| -> Vec<usize> {
            let names = shapes.keys();
            names.filter_map(|name| number(pattern, name)).collect()
        };
        let mut numbers: BTreeSet<usize> = patterns.iter().flat_map(numbers_of).collect();
        if form == Form::Computed {
            numbers.insert(0);
        }
        for number in numbers {
            let ours: Vec<(&str, &[usize])> = patterns
                .iter()
                .filter_map(|pattern| shapes.get_key_value(&numbered(pattern, number)))
                .map(|(name, shape)| (name.as_str(), shape.as_slice()))
                .collect();
            if row.is_of_a_cell()
                && !ours
                    .first()
                    .is_some_and(|first| has_their_cell(first.0, shapes))
            {
                continue;
            }
            let theirs = numbered(&format!("{}{end}", row.theirs), number);
            let theirs = match form {
                Form::Biases => ["ih", "hh"].map(|of| theirs.replace('*', of)).to_vec(),
                _ => vec![theirs],
            };
            readings.push(Reading { theirs, ours, form });
        }
    }
    readings
}

/// Whether the recurrent layer of a parameter computes what PyTorch's do: an LSTM, with four gates, or a GRU that resets
/// after its product, with a bias of the candidate.
pub(super) fn has_their_cell(name: &str, shapes: &Shapes) -> bool {
    let ends = [".input.weight", ".input.bias", ".candidate_bias", ".weight"];
    let Some(layer) = ends.iter().find_map(|end| name.strip_suffix(end)) else {
        return false;
    };
    let weight = shapes.get(&format!("{layer}.weight")).map(Vec::as_slice);
    let is_lstm = matches!(weight, Some(&[width, gates]) if gates == 4 * width);
    is_lstm || shapes.contains_key(&format!("{layer}.candidate_bias"))
}

impl Reading<'_> {
    /// Whether the shapes of our parameters can be parts of one tensor in this form.
    fn is_sound(&self) -> bool {
        let all = |is: fn(&[usize], &[usize]) -> bool| {
            let first = self.ours.first().map(|first| first.1);
            first.is_some_and(|first| self.ours.iter().all(|(_, shape)| is(first, shape)))
        };
        match self.form {
            Form::Outputs => all(|a, b| a.len() == 2 && b.len() == 2 && a[0] == b[0]),
            Form::Inputs => all(|a, b| a.len() == 2 && b.len() == 2 && a[1] == b[1]),
            Form::Column => all(|_, shape| matches!(shape, [_, 1])),
            Form::Biases => match self.ours.as_slice() {
                [(_, [gates])] => gates % 4 == 0,
                [(_, [gates]), (_, [width])] => *gates == 3 * width,
                _ => false,
            },
            Form::Computed => true,
            Form::Same | Form::Map | Form::Norm => {
                self.ours.len() == 1 || all(|_, shape| shape.len() == 1)
            }
        }
    }

    /// The shape that each of theirs must have; `None` if any will do.
    pub(super) fn expected(&self) -> Option<Vec<usize>> {
        let total = |axis: usize| self.ours.iter().map(|(_, shape)| shape[axis]).sum();
        let first = self.ours.first()?.1;
        Some(match self.form {
            Form::Outputs => vec![total(1), first[0]],
            Form::Inputs => vec![first[1], total(0)],
            Form::Column => vec![first[0]],
            Form::Biases => first.to_vec(),
            Form::Computed => return None,
            Form::Same | Form::Map | Form::Norm if self.ours.len() == 1 => first.to_vec(),
            Form::Same | Form::Map | Form::Norm => vec![total(0)],
        })
    }

    /// The values of each of ours, from the values of each of theirs.
    pub(super) fn apart(&self, theirs: &[Vec<f32>]) -> Vec<Vec<f32>> {
        match (self.form, theirs) {
            (Form::Outputs, [theirs]) => {
                let (ours, d_in) = (&self.ours, self.ours[0].1[0]);
                let parts = cut(theirs, ours.iter().map(|(_, shape)| shape[1] * d_in));
                parts
                    .into_iter()
                    .map(|part| transposed(&part, d_in))
                    .collect()
            }
            (Form::Inputs, [theirs]) => {
                let d_in = self.ours.iter().map(|(_, shape)| shape[0]).sum();
                cut(&transposed(theirs, d_in), self.sizes())
            }
            (Form::Biases, [input, hidden]) => {
                let mut sum = input.clone();
                // A GRU's candidate keeps the second one apart: it stands inside the reset gate.
                let apart = self.ours.get(1).map_or(0, |(_, shape)| shape[0]);
                let (added, kept) = hidden.split_at(hidden.len() - apart);
                sum.iter_mut().zip(added).for_each(|(a, b)| *a += b);
                let mut parts = vec![sum];
                if apart > 0 {
                    parts.push(kept.to_vec());
                }
                parts
            }
            (_, [theirs]) => cut(theirs, self.sizes()),
            _ => Vec::new(),
        }
    }

    fn sizes(&self) -> impl Iterator<Item = usize> {
        self.ours.iter().map(|(_, shape)| shape.iter().product())
    }
}

/// Pieces of these sizes.
fn cut(mut values: &[f32], sizes: impl Iterator<Item = usize>) -> Vec<Vec<f32>> {
    let piece = |size| {
        let (piece, rest) = values.split_at(size);
        values = rest;
        piece.to_vec()
    };
    sizes.map(piece).collect()
}

/// The transpose of rows of `width` values.
fn transposed(values: &[f32], width: usize) -> Vec<f32> {
    let column = |column| values.iter().skip(column).step_by(width.max(1)).copied();
    (0..width).flat_map(column).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(all: &[(&str, &[usize])]) -> Shapes {
        let owned = |&(name, shape): &(&str, &[usize])| (name.to_owned(), shape.to_vec());
        all.iter().map(owned).collect()
    }

    fn find<'a, 'm>(readings: &'a [Reading<'m>], theirs: &str) -> Option<&'a Reading<'m>> {
        let is_it = |reading: &&Reading<'_>| reading.theirs.iter().any(|name| name == theirs);
        readings.iter().find(is_it)
    }

    #[test]
    fn a_packed_matrix_is_cut_by_outputs() {
        let name = |part| format!("decoder.layers.12.cross_attention.{part}.weight");
        let (query, key_value) = (name("query"), name("key_value"));
        let shapes = shapes(&[(&query, &[2, 1]), (&key_value, &[2, 2])]);
        let readings = readings(&shapes);
        let theirs = "decoder.layers.12.multihead_attn.in_proj_weight";
        let reading = find(&readings, theirs).unwrap();
        assert_eq!(reading.expected().unwrap(), [3, 2]);
        // Rows are outputs: [1 2] of the query, [3 4] and [5 6] of key and value.
        let parts = reading.apart(&[vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]);
        assert_eq!(parts, [vec![1.0, 2.0], vec![3.0, 5.0, 4.0, 6.0]]);
    }

    #[test]
    fn the_matrix_of_the_first_cell_is_cut_by_inputs() {
        let shapes = shapes(&[
            ("decoder.layers.0.input.weight", &[1, 3]),
            ("decoder.layers.0.weight", &[1, 3]),
            ("decoder.layers.0.candidate_bias", &[1]),
            ("decoder.context.weight", &[2, 3]),
        ]);
        let readings = readings(&shapes);
        let reading = find(&readings, "decoder.layers.0.weight_ih").unwrap();
        assert_eq!(reading.expected().unwrap(), [3, 3]);
        // Columns are inputs: the first of the embedding, the others of the context.
        let parts = reading.apart(&[vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]]);
        assert_eq!(
            parts,
            [vec![1.0, 4.0, 7.0], vec![2.0, 5.0, 8.0, 3.0, 6.0, 9.0]]
        );
    }

    #[test]
    fn two_biases_become_one_but_in_the_candidate_of_a_gru() {
        let gru = shapes(&[
            ("decoder.layers.1.input.bias", &[3]),
            ("decoder.layers.1.weight", &[1, 3]),
            ("decoder.layers.1.candidate_bias", &[1]),
        ]);
        let gru = readings(&gru);
        let both = [vec![1.0, 2.0, 3.0], vec![10.0, 20.0, 30.0]];
        let reading = find(&gru, "decoder.layers.1.bias_hh").unwrap();
        assert_eq!(
            reading.theirs,
            ["decoder.layers.1.bias_ih", "decoder.layers.1.bias_hh"]
        );
        assert_eq!(reading.apart(&both), [vec![11.0, 22.0, 3.0], vec![30.0]]);

        let lstm = shapes(&[
            ("decoder.layers.1.input.bias", &[4]),
            ("decoder.layers.1.weight", &[1, 4]),
        ]);
        let lstm = readings(&lstm);
        let both = [vec![1.0, 2.0, 3.0, 4.0], vec![10.0, 20.0, 30.0, 40.0]];
        let reading = find(&lstm, "decoder.layers.1.bias_ih").unwrap();
        assert_eq!(reading.apart(&both), [vec![11.0, 22.0, 33.0, 44.0]]);
    }

    #[test]
    fn a_cell_that_pytorch_has_not_is_not_read_from_its_layers() {
        let resets_before = shapes(&[
            ("encoder.layers.0.forward.input.weight", &[2, 3]),
            ("encoder.layers.0.forward.input.bias", &[3]),
            ("encoder.layers.0.forward.weight", &[1, 3]),
        ]);
        let readings = readings(&resets_before);
        for name in ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"] {
            assert!(
                find(&readings, &format!("encoder.{name}")).is_none(),
                "{name}"
            );
        }
        let own = find(&readings, "encoder.layers.0.forward.weight").unwrap();
        assert_eq!(own.expected().unwrap(), [3, 1]);
    }

    #[test]
    fn tables_and_vectors_are_not_transposed() {
        let shapes = shapes(&[
            ("source_positions.learned.weight", &[5, 3]),
            ("target_embedding.weight", &[7, 3]),
            ("output.bias", &[7]),
            ("bridge.0.weight", &[3, 2]),
            ("decoder.readout.embedding.weight", &[5, 10]),
            ("decoder.attention.score", &[3, 1]),
        ]);
        let readings = readings(&shapes);
        let expected = |name| find(&readings, name).unwrap().expected().unwrap();
        assert_eq!(expected("source_positions.learned.weight"), [5, 3]);
        assert_eq!(expected("target_embedding.weight"), [7, 3]);
        assert_eq!(expected("output.bias"), [7]);
        assert_eq!(expected("bridge.0.weight"), [2, 3]);
        assert_eq!(expected("decoder.readout.embedding.weight"), [10, 5]);
        assert_eq!(expected("decoder.attention.score.weight"), [1, 3]);
        assert_eq!(expected("score"), [3]);
    }

    #[test]
    fn a_row_from_one_says_nothing_of_zero() {
        assert_eq!(number("layers.#.weight", "layers.0.weight"), Some(0));
        assert_eq!(number("layers.+.weight", "layers.0.weight"), None);
        assert_eq!(number("layers.+.weight", "layers.10.weight"), Some(10));
        for odd in [
            "layers.01.weight",
            "layers.+1.weight",
            "layers..weight",
            "layers.1.bias",
        ] {
            assert_eq!(number("layers.#.weight", odd), None, "{odd}");
        }
    }
}
