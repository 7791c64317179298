//! Rows of a matrix by number; backward, the rows of the gradient are gathered by the numbers that they belong to.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use burn::tensor::Shape;

use super::simd::new_rows;
use super::{FusedOp, elements, matrix_shape, tensor};

/// Operand: `weight [V, D]`.
#[derive(Clone, Debug)]
pub(crate) struct EmbeddingOp {
    /// Rows to take, each below V.
    pub(crate) ids: Arc<[usize]>,
    pub(crate) scale: f64,
}

impl FusedOp<1> for EmbeddingOp {
    const NAMES: [&'static str; 2] = ["embedding", "embedding, backward"];

    type Saved = Shape;

    fn forward(&self, [weight]: [FlexTensor; 1], _: bool) -> (FlexTensor, Option<Shape>) {
        let weight = weight.to_contiguous();
        let [_, width] = matrix_shape(&weight);
        let (w, scale) = (elements(&weight), self.scale as f32);
        let from = |row: usize| &w[self.ids[row] * width..][..width];
        let y = new_rows(
            self.ids.len(),
            width,
            &from,
            #[inline(always)]
            |_, row| {
                for value in row {
                    *value *= scale;
                }
            },
        );
        let shape = weight.layout().shape().clone();
        (tensor(y, [self.ids.len(), width]), Some(shape))
    }

    fn backward(
        &self,
        shape: Shape,
        gradient: FlexTensor,
        _: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        let gradient = gradient.to_contiguous();
        let [_, width] = matrix_shape(&gradient);
        let uses = Uses::of(&self.ids, shape.as_slice()[0]);
        let (g, scale, zeros) = (elements(&gradient), self.scale as f32, vec![0.0; width]);
        let row = |position: usize| &g[position * width..][..width];
        let from = |id: usize| match uses.of_id(id) {
            [] => zeros.as_slice(),
            [first, ..] => row(*first),
        };
        let dw = new_rows(
            shape.as_slice()[0],
            width,
            &from,
            #[inline(always)]
            |id, sum| {
                let Some((_, further)) = uses.of_id(id).split_first() else {
                    return;
                };
                for &position in further {
                    for (sum, value) in sum.iter_mut().zip(row(position)) {
                        *sum += value;
                    }
                }
                for sum in sum {
                    *sum *= scale;
                }
            },
        );
        [Some(tensor(dw, shape))]
    }
}

/// The positions at which each id is used, in order: a counting sort.
struct Uses {
    /// Where those of each id begin, and, one place further, end.
    starts: Vec<usize>,
    positions: Vec<usize>,
}

impl Uses {
    fn of(ids: &[usize], n_ids: usize) -> Self {
        let mut starts = vec![0; n_ids + 1];
        for &id in ids {
            starts[id + 1] += 1;
        }
        for id in 0..n_ids {
            starts[id + 1] += starts[id];
        }
        let mut next = starts.clone();
        let mut positions = vec![0; ids.len()];
        for (position, &id) in ids.iter().enumerate() {
            positions[next[id]] = position;
            next[id] += 1;
        }
        Self { starts, positions }
    }

    fn of_id(&self, id: usize) -> &[usize] {
        &self.positions[self.starts[id]..self.starts[id + 1]]
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Int, Tensor, TensorData};

    use crate::embedding;
    use crate::flex::tests::{agree_on_threads, check_differences, matrix, values};

    #[test]
    fn embedding_is_its_composition() {
        for (n, vocabulary, d_model, scale) in [
            (1, 1, 1, 1.0),
            (7, 5, 3, 2.0),
            (500, 3, 61, 0.5),
            (300, 1000, 97, 9.8),
        ] {
            let ids: Vec<i32> = (0..n).map(|i| i * i * 31 % vocabulary).collect();
            let rows = usize::try_from(vocabulary).expect("not negative");
            let ids = |device: &_| Tensor::<1, Int>::from_ints(ids.as_slice(), device);
            agree_on_threads(|device| {
                let w = values("w", [1, rows, d_model], device);
                (embedding(matrix(&w), ids(device), scale), vec![w])
            });
            agree_on_threads(|device| {
                let w = values("w", [1, d_model, rows], device);
                (
                    embedding(matrix(&w).transpose(), ids(device), scale),
                    vec![w],
                )
            });
        }
    }

    #[test]
    fn no_ids_take_no_rows() {
        let device = Device::flex().autodiff();
        let w = Tensor::<2>::ones([2, 3], &device).require_grad();
        let ids = Tensor::<1, Int>::from_data(TensorData::new(Vec::<i32>::new(), [0]), &device);
        let y = embedding(w.clone(), ids, 2.0);
        assert_eq!(y.dims(), [0, 3]);
        let gradient = w.grad(&y.sum().backward()).expect("a gradient");
        assert_eq!(gradient.into_data(), TensorData::zeros::<f32, _>([2, 3]));
    }

    #[test]
    fn gradients_are_differences() {
        check_differences(&[[1, 4, 3]], |inputs| {
            let ids = Tensor::<1, Int>::from_ints([2, 0, 2, 2], &inputs[0].device());
            embedding(matrix(&inputs[0]), ids, 1.5)
        });
    }
}
