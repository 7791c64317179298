//! Scaled dot-product attention on `[B, T, H K]` as it is, without transposed copies.

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::matrix::{Cores, Matrix, product_into};
use super::simd::{softmax, sum_pairs, vectorized};
use super::{FusedOp, elements, tensor};
use crate::AttentionMask;

/// Where queries, keys and values stand in the operands: packed side by side in one, two or three of them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heads {
    /// Number of heads.
    pub(crate) count: usize,
    /// Width of all heads of queries and keys.
    pub(crate) width: usize,
    /// Width of all heads of values.
    pub(crate) value_width: usize,
}

/// Operands: `[q | k | v]`, or `q` and `[k | v]`, or `q`, `k` and `v`; each `[B, length, widths]`.
#[derive(Clone, Debug)]
pub(crate) struct AttentionOp {
    pub(crate) heads: Heads,
    pub(crate) mask: AttentionMask,
    /// `None` is `1 / sqrt(K)`.
    pub(crate) scale: Option<f64>,
}

#[derive(Clone, Debug)]
pub(crate) struct Saved<const N: usize> {
    inputs: [FlexTensor; N],
    /// Weights, `[B, H, T, S]`.
    weights: FlexTensor,
}

/// One of q, k and v: which operand it is in, and where its columns begin there.
#[derive(Clone, Copy)]
struct Place {
    operand: usize,
    column: usize,
}

/// The places of q, k and v among `n` operands.
fn places(n: usize, heads: Heads) -> [Place; 3] {
    let place = |operand, column| Place { operand, column };
    match n {
        1 => [
            place(0, 0),
            place(0, heads.width),
            place(0, 2 * heads.width),
        ],
        2 => [place(0, 0), place(1, 0), place(1, heads.width)],
        _ => [place(0, 0), place(1, 0), place(2, 0)],
    }
}

/// What the loops of both passes run over.
struct Sizes {
    batch: usize,
    t: usize,
    s: usize,
    n_heads: usize,
    k_width: usize,
    v_width: usize,
    scale: f32,
}

impl AttentionOp {
    /// From the operands that hold queries and keys.
    fn sizes(&self, query: &FlexTensor, key: &FlexTensor) -> Sizes {
        let Heads {
            count: n_heads,
            width,
            value_width,
        } = self.heads;
        let k_width = width / n_heads;
        Sizes {
            batch: query.layout().shape()[0],
            t: query.layout().shape()[1],
            s: key.layout().shape()[1],
            n_heads,
            k_width,
            v_width: value_width / n_heads,
            scale: self.scale.unwrap_or(1.0 / (k_width as f64).sqrt()) as f32,
        }
    }
}

/// Whether the elements of a row `[.., .., width]` lie side by side, in order.
fn rows_are_whole(tensor: &FlexTensor) -> bool {
    let strides = tensor.layout().strides();
    strides[2] == 1 && strides.iter().all(|&stride| stride > 0)
}

/// The memory of a tensor whose rows are whole, from its first element on, and the strides of batch and rows.
fn view(tensor: &FlexTensor) -> (&[f32], [usize; 2]) {
    let layout = tensor.layout();
    let stride = |axis: usize| {
        usize::try_from(layout.strides()[axis]).expect("strides of whole rows are positive")
    };
    (
        &tensor.storage::<f32>()[layout.start_offset()..],
        [stride(0), stride(1)],
    )
}

impl<const N: usize> FusedOp<N> for AttentionOp {
    const NAMES: [&'static str; 2] = ["attention", "attention, backward"];

    type Saved = Saved<N>;

    fn forward(&self, inputs: [FlexTensor; N], tracked: bool) -> (FlexTensor, Option<Saved<N>>) {
        // A cache of keys has room behind those in use; reading around it saves copying it at every step.
        let inputs = inputs.map(|input| {
            if tracked || !rows_are_whole(&input) {
                input.to_contiguous()
            } else {
                input
            }
        });
        let [q, k, v] = places(N, self.heads);
        let Sizes {
            batch,
            t,
            s,
            n_heads,
            k_width,
            v_width,
            scale,
        } = self.sizes(&inputs[q.operand], &inputs[k.operand]);
        let value_width = self.heads.value_width;

        let mut context = vec![0.0; batch * t * value_width];
        let mut weights = vec![0.0; batch * n_heads * t * s];
        if context.is_empty() || weights.is_empty() {
            let saved = tracked.then(|| Saved {
                inputs,
                weights: tensor(weights, [batch, n_heads, t, s]),
            });
            return (tensor(context, [batch, t, value_width]), saved);
        }
        let views = inputs.each_ref().map(view);
        let row = |(b, (context, weights)): (usize, (&mut [f32], &mut [f32]))| {
            for (head, weights) in weights.chunks_exact_mut(t * s).enumerate() {
                let at = |place: Place, length: usize, width: usize| {
                    let (data, [batch_stride, row_stride]) = views[place.operand];
                    let start = b * batch_stride + place.column + head * width;
                    Matrix::strided(&data[start..], [length, width], row_stride)
                };
                let queries = at(q, t, k_width);
                let keys = at(k, s, k_width);
                let values = at(v, s, v_width);
                product_into(
                    weights,
                    s,
                    queries,
                    keys.transposed(),
                    [0.0, scale],
                    Cores::One,
                );
                vectorized(|| {
                    for (query, scores) in weights.chunks_exact_mut(s).enumerate() {
                        let visible = self.mask.visible_range(b, query, [t, s]);
                        scores[..visible.start].fill(0.0);
                        scores[visible.end..].fill(0.0);
                        if !visible.is_empty() {
                            softmax(&mut scores[visible]);
                        }
                    }
                });
                let weights = Matrix::new(weights, [t, s]);
                let context = &mut context[head * v_width..];
                product_into(
                    context,
                    value_width,
                    weights,
                    values,
                    [0.0, 1.0],
                    Cores::One,
                );
            }
        };
        each_row(
            &mut context,
            t * value_width,
            &mut weights,
            n_heads * t * s,
            row,
        );
        let context = tensor(context, [batch, t, value_width]);
        let saved = tracked.then(|| Saved {
            inputs,
            weights: tensor(weights, [batch, n_heads, t, s]),
        });
        (context, saved)
    }

    fn backward(
        &self,
        saved: Saved<N>,
        gradient: FlexTensor,
        _: [bool; N],
    ) -> [Option<FlexTensor>; N] {
        let gradient = gradient.to_contiguous();
        let inputs = &saved.inputs;
        let [q, k, v] = places(N, self.heads);
        let Sizes {
            batch,
            t,
            s,
            n_heads,
            k_width,
            v_width,
            scale,
        } = self.sizes(&inputs[q.operand], &inputs[k.operand]);
        let value_width = self.heads.value_width;
        let [q_stride, k_stride, v_stride] =
            [q, k, v].map(|place| inputs[place.operand].layout().shape()[2]);
        let slices = inputs.each_ref().map(elements);
        let (g, p) = (elements(&gradient), elements(&saved.weights));

        // Every column of every operand belongs to one of q, k and v, so each element is written below.
        let mut gradients = slices.map(|slice| vec![0.0_f32; slice.len()]);
        let sizes = slices.map(|slice| slice.len() / batch.max(1));
        let mut rows: Vec<[&mut [f32]; N]> = Vec::new();
        let mut rests = gradients.each_mut().map(Vec::as_mut_slice);
        for _ in 0..batch {
            let mut cut = 0;
            let split = rests.map(|rest| {
                cut += 1;
                rest.split_at_mut(sizes[cut - 1])
            });
            let (mut heads, mut tails) = (Vec::new(), Vec::new());
            for (head, tail) in split {
                heads.push(head);
                tails.push(tail);
            }
            rows.push(heads.try_into().expect("as many parts as operands"));
            rests = tails.try_into().expect("as many parts as operands");
        }
        let row = |(b, row): (usize, &mut [&mut [f32]; N])| {
            let mut d_scores = vec![0.0; t * s];
            for head in 0..n_heads {
                let at = |place: Place, length: usize, stride: usize, width: usize| {
                    let start = b * length * stride + place.column + head * width;
                    Matrix::strided(&slices[place.operand][start..], [length, width], stride)
                };
                let queries = at(q, t, q_stride, k_width);
                let keys = at(k, s, k_stride, k_width);
                let values = at(v, s, v_stride, v_width);
                let d_context = Matrix::strided(
                    &g[b * t * value_width + head * v_width..],
                    [t, v_width],
                    value_width,
                );
                let weights = &p[(b * n_heads + head) * t * s..][..t * s];

                product_into(
                    &mut d_scores,
                    s,
                    d_context,
                    values.transposed(),
                    [0.0, 1.0],
                    Cores::One,
                );
                vectorized(|| {
                    for (d, p) in d_scores.chunks_exact_mut(s).zip(weights.chunks_exact(s)) {
                        let mean = sum_pairs(d, p, |d, p| d * p);
                        for (d, p) in d.iter_mut().zip(p) {
                            *d = (*d - mean) * p;
                        }
                    }
                });
                let weights = Matrix::new(weights, [t, s]);
                let d_scores = Matrix::new(&d_scores, [t, s]);
                let mut write = |place: Place, stride, width, lhs, rhs, factor| {
                    let output = &mut row[place.operand][place.column + head * width..];
                    product_into(output, stride, lhs, rhs, [0.0, factor], Cores::One);
                };
                write(v, v_stride, v_width, weights.transposed(), d_context, 1.0);
                write(q, q_stride, k_width, d_scores, keys, scale);
                write(k, k_stride, k_width, d_scores.transposed(), queries, scale);
            }
        };
        if t * s * batch > 0 {
            if batch == 1 {
                rows.iter_mut().enumerate().for_each(row);
            } else {
                rows.par_iter_mut().enumerate().for_each(row);
            }
        }
        let mut gradients = gradients.into_iter();
        std::array::from_fn(|i| {
            let gradient = gradients.next().expect("a gradient for every operand");
            Some(tensor(gradient, inputs[i].layout().shape().clone()))
        })
    }
}

/// Calls `f` with the part of each buffer that belongs to a row of the batch, and the row's number.
fn each_row(
    a: &mut [f32],
    a_size: usize,
    b: &mut [f32],
    b_size: usize,
    f: impl Fn((usize, (&mut [f32], &mut [f32]))) + Sync + Send,
) {
    if a.len() == a_size {
        return f((0, (a, b)));
    }
    a.par_chunks_mut(a_size)
        .zip(b.par_chunks_mut(b_size))
        .enumerate()
        .for_each(f);
}
