//! Operations with their own backward pass for burn's CPU backend, on f32.
//!
//! Each operation here computes the same function as the composition of burn operations beside its caller; the caller
//! asks for it with operands, and falls back on the composition where they do not live on this backend. Setting the
//! environment variable `REGARD_KERNELS=composed` turns all of them off, for comparison.

mod activation;
mod attention;
mod choice;
mod dropout;
mod embedding;
#[cfg(test)]
mod laws;
mod linear;
mod loss;
mod matrix;
mod norm;
#[cfg(test)]
mod not_finite;
mod r_drop;
mod recurrence;
mod rows;
mod simd;
mod softmax;
mod step;
mod vector;

use std::fmt::Debug;
use std::sync::LazyLock;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::{Autodiff, DType, Flex};
use burn::tensor::{Bytes, Shape, Tensor};

use crate::profile::profiled;

pub(crate) use activation::{
    ActivationOp, Function, GatedOp, Gelu, GeluTanh, MaxoutOp, Relu, Sigmoid, Silu,
};
pub(crate) use attention::{AttentionOp, Heads};
pub(crate) use choice::{k_most_probable, log_probabilities_at, most_probable};
pub(crate) use dropout::{DropoutOp, RowDropoutOp};
pub(crate) use embedding::EmbeddingOp;
pub(crate) use linear::LinearOp;
pub(crate) use loss::CrossEntropyOp;
pub(crate) use norm::NormOp;
pub(crate) use r_drop::RDropOp;
pub(crate) use recurrence::{AttentiveOp, RecurrenceOp};
pub(crate) use rows::{PackOp, UnpackOp};
pub(crate) use simd::each_piece;
pub(crate) use softmax::SoftmaxOp;
pub(crate) use step::write_positions;

type Tracked = burn::backend::tensor::FloatTensor<Autodiff<Flex, NoCheckpointing>>;

/// A function of `N` tensors with a backward pass of its own.
pub(crate) trait FusedOp<const N: usize>: Clone + Send + Debug + 'static {
    /// Forward and backward pass in a profile.
    const NAMES: [&'static str; 2];

    /// What the backward pass needs besides the gradient.
    type Saved: Clone + Send + Debug + 'static;

    /// The result; and, if it is to be differentiated, what the backward pass needs.
    fn forward(&self, inputs: [FlexTensor; N], tracked: bool) -> (FlexTensor, Option<Self::Saved>);

    /// The result on a device with autodiff where nothing is to be differentiated: the bits of where something is, so that
    /// what is computed again inside a graph is what was computed outside.
    fn untracked(&self, inputs: [FlexTensor; N]) -> FlexTensor {
        self.forward(inputs, false).0
    }

    /// The gradients of the inputs that are `wanted`.
    fn backward(
        &self,
        saved: Self::Saved,
        gradient: FlexTensor,
        wanted: [bool; N],
    ) -> [Option<FlexTensor>; N];
}

/// A tensor that fused operations can work on.
pub(crate) enum Operand {
    Plain(FlexTensor),
    Tracked(Tracked),
}

impl Operand {
    /// `None` if the tensor lives elsewhere, is not f32, or recomputes activations by burn's checkpointing.
    pub(crate) fn new<const D: usize>(tensor: &Tensor<D>) -> Option<Self> {
        static COMPOSED: LazyLock<bool> = LazyLock::new(|| {
            std::env::var("REGARD_KERNELS").is_ok_and(|value| value == "composed")
        });
        if *COMPOSED || tensor.dtype() != DType::F32 {
            return None;
        }
        #[cfg(test)]
        if tests::COMPOSED.get() {
            return None;
        }
        let tensor = tensor.clone();
        if tensor.is_autodiff() {
            let tracked = tensor.try_into_primitive::<Autodiff<Flex, NoCheckpointing>>();
            tracked.ok().map(Self::Tracked)
        } else {
            tensor.try_into_primitive::<Flex>().ok().map(Self::Plain)
        }
    }

    fn into_plain(self) -> FlexTensor {
        match self {
            Self::Plain(tensor) => tensor,
            Self::Tracked(tensor) => tensor.into_primitive(),
        }
    }

    fn into_tracked(self) -> Tracked {
        match self {
            Self::Plain(tensor) => Tracked::new(tensor),
            Self::Tracked(tensor) => tensor,
        }
    }
}

/// Applies an operation, on the tape if any operand is.
pub(crate) fn apply<const N: usize, const D: usize, Op: FusedOp<N>>(
    op: Op,
    operands: [Operand; N],
) -> Tensor<D> {
    if operands
        .iter()
        .all(|operand| matches!(operand, Operand::Plain(_)))
    {
        let inputs = operands.map(Operand::into_plain);
        let (output, _) = profiled(Op::NAMES[0], || op.forward(inputs, false));
        return Tensor::from_primitive::<Flex>(output);
    }
    let operands = operands.map(Operand::into_tracked);
    let guards = operands.each_ref().map(Tracked::node);
    let inputs = operands.map(Tracked::into_primitive);
    let output = match Step(op.clone())
        .prepare::<NoCheckpointing>(guards)
        .compute_bound()
        .stateful()
    {
        OpsKind::Tracked(prepared) => {
            let (output, saved) = profiled(Op::NAMES[0], || op.forward(inputs, true));
            let saved = saved.expect("a tracked forward pass saves what its backward pass needs");
            prepared.finish(saved, output)
        }
        OpsKind::UnTracked(prepared) => {
            prepared.finish(profiled(Op::NAMES[0], || op.untracked(inputs)))
        }
    };
    Tensor::from_primitive::<Autodiff<Flex, NoCheckpointing>>(output)
}

#[derive(Debug)]
struct Step<Op>(Op);

impl<const N: usize, Op: FusedOp<N>> Backward<Flex, N> for Step<Op> {
    type State = Op::Saved;

    fn backward(self, ops: Ops<Op::Saved, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<Flex>(&ops.node);
        let wanted = ops.parents.each_ref().map(Option::is_some);
        let computed = profiled(Op::NAMES[1], || {
            self.0.backward(ops.state, gradient, wanted)
        });
        for (parent, gradient) in ops.parents.into_iter().zip(computed) {
            if let (Some(parent), Some(gradient)) = (parent, gradient) {
                gradients.register::<Flex>(parent.id, gradient);
            }
        }
    }
}

/// A tensor around values that are written already: no zeroing, no copy.
fn tensor(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::new(
        Bytes::from_elems(values),
        Layout::contiguous(shape.into()),
        DType::F32,
    )
}

/// The elements of a contiguous tensor.
fn elements(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice().expect("made contiguous before")
}

/// Rows and columns of a tensor seen as a matrix, the last axis being the columns.
fn matrix_shape(tensor: &FlexTensor) -> [usize; 2] {
    match tensor.layout().shape().as_slice() {
        [] => [1, 1],
        [rows @ .., columns] => [rows.iter().product(), *columns],
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;

    use burn::tensor::{Device, Int, Tensor, TensorData};

    use crate::*;

    thread_local! {
        /// Whether this thread's operations take the composed path.
        pub(crate) static COMPOSED: Cell<bool> = const { Cell::new(false) };
    }

    /// Values between -1 and 1, without a pattern that an error could hide in.
    pub(crate) fn values<const D: usize>(
        name: &str,
        shape: [usize; D],
        device: &Device,
    ) -> Tensor<D> {
        let key = Key::new(5).at(name);
        let n = shape.iter().product::<usize>() as u64;
        let values: Vec<f32> = (0..n)
            .map(|i| (2.0 * key.uniform(i) - 1.0) as f32)
            .collect();
        Tensor::from_data(TensorData::new(values, shape), device).require_grad()
    }

    /// The result of `f` and the gradients of its inputs, under a gradient without symmetry.
    pub(crate) fn run<const D: usize>(
        f: &dyn Fn(&Device) -> (Tensor<D>, Vec<Tensor<3>>),
        composed: bool,
    ) -> Vec<Vec<f32>> {
        COMPOSED.set(composed);
        let device = Device::flex().autodiff();
        let (y, inputs) = f(&device);
        let weights = values("gradient", y.dims(), &device).detach();
        let gradients = (y.clone() * weights).sum().backward();
        COMPOSED.set(false);
        let mut all = vec![y.inner().into_data().iter::<f32>().collect()];
        for input in inputs {
            let gradient = input.grad(&gradients).expect("every input has a gradient");
            all.push(gradient.into_data().iter::<f32>().collect());
        }
        all
    }

    /// Fused and composed agree, in output and every gradient, to 1e-5 of each tensor's largest value.
    pub(crate) fn agree<const D: usize>(f: impl Fn(&Device) -> (Tensor<D>, Vec<Tensor<3>>)) {
        let (fused, composed) = (run(&f, false), run(&f, true));
        for (i, (fused, composed)) in fused.iter().zip(&composed).enumerate() {
            assert_eq!(fused.len(), composed.len());
            let largest = composed
                .iter()
                .fold(0.0_f32, |largest, x| largest.max(x.abs()));
            for (a, b) in fused.iter().zip(composed) {
                assert!(
                    (a - b).abs() <= 1e-5 * largest,
                    "value {i}: {a} and {b}, largest {largest}"
                );
            }
        }
        assert_eq!(fused, run(&f, false), "the same again, bit for bit");
    }

    /// Results on one, two, four and eight threads, bit for bit the same.
    pub(crate) fn same_on_threads<R: PartialEq + std::fmt::Debug + Send>(f: impl Fn() -> R + Sync) {
        let on = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
            pool.build().expect("a pool").install(&f)
        };
        let one = on(1);
        for threads in [2, 4, 8] {
            assert_eq!(on(threads), one, "{threads} threads");
        }
    }

    /// As [`agree`], and bit for bit the same on any number of threads.
    pub(crate) fn agree_on_threads<const D: usize>(
        f: impl Fn(&Device) -> (Tensor<D>, Vec<Tensor<3>>) + Sync,
    ) {
        same_on_threads(|| {
            let all = run(&f, false).concat();
            all.into_iter().map(f32::to_bits).collect::<Vec<_>>()
        });
        agree(f);
    }

    /// Gradients are differences of the result, for inputs of the given shapes.
    pub(crate) fn check_differences<const D: usize>(
        shapes: &[[usize; 3]],
        f: impl Fn(&[Tensor<3>]) -> Tensor<D>,
    ) {
        const STEP: f32 = 5e-3;
        let device = Device::flex().autodiff();
        let inputs: Vec<Tensor<3>> = (0..)
            .zip(shapes)
            .map(|(i, &shape): (usize, _)| values(&format!("input {i}"), shape, &device))
            .collect();
        let objective = |inputs: &[Tensor<3>]| {
            let y = f(inputs);
            let weights = values("gradient", y.dims(), &device).detach();
            (y * weights).sum()
        };
        let gradients = objective(&inputs).backward();
        for (i, input) in inputs.iter().enumerate() {
            let gradient = input.grad(&gradients).expect("every input has a gradient");
            let gradient: Vec<f32> = gradient.into_data().iter::<f32>().collect();
            let largest = gradient
                .iter()
                .fold(0.0_f32, |largest, g| largest.max(g.abs()));
            for (at, gradient) in gradient.into_iter().enumerate() {
                let moved = |step: f32| {
                    let mut inputs = inputs.clone();
                    let mut data = input.clone().inner().into_data();
                    data.as_mut_slice::<f32>().expect("f32")[at] += step;
                    inputs[i] = Tensor::from_data(data, &device);
                    objective(&inputs).into_scalar::<f32>()
                };
                let difference = (moved(STEP) - moved(-STEP)) / (2.0 * STEP);
                assert!(
                    (gradient - difference).abs() < 2e-3 * largest.max(0.1),
                    "input {i}, element {at}: {gradient}, by differences {difference}"
                );
            }
        }
    }

    pub(crate) fn matrix(x: &Tensor<3>) -> Tensor<2> {
        x.clone().flatten(0, 1)
    }

    pub(crate) fn vector(x: &Tensor<3>) -> Tensor<1> {
        x.clone().flatten(0, 2)
    }

    #[test]
    fn linear_is_its_composition() {
        for (rows, d_in, d_out) in [(7, 5, 3), (67, 61, 131), (1, 17, 1), (300, 2, 97)] {
            for relu in [false, true] {
                agree(|device| {
                    let x = values("x", [1, rows, d_in], device);
                    let w = values("w", [1, d_in, d_out], device);
                    let b = values("b", [1, 1, d_out], device);
                    let f = if relu { linear_relu } else { linear };
                    (f(matrix(&x), matrix(&w), Some(vector(&b))), vec![x, w, b])
                });
            }
            agree(|device| {
                let x = values("x", [1, d_in, rows], device);
                let w = values("w", [1, d_out, d_in], device);
                let y = linear(matrix(&x).transpose(), matrix(&w).transpose(), None);
                (y, vec![x, w])
            });
        }
    }

    #[test]
    fn linear_add_is_its_composition() {
        for (lengths, d_in, d_out) in [
            (vec![3, 0, 4], 5, 3),
            (vec![300, 1, 299], 7, 131),
            (vec![0], 3, 2),
        ] {
            let rows = lengths.iter().sum();
            for p in [None, Some(0.3)] {
                let dropout = p.map(|p| RowDropout {
                    p,
                    draws: Draws {
                        key: Key::new(2),
                        first_row: 3,
                    },
                    lengths: lengths.clone().into(),
                });
                agree(|device| {
                    let r = values("r", [1, rows, d_out], device);
                    let x = values("x", [1, rows, d_in], device);
                    let w = values("w", [1, d_in, d_out], device);
                    let b = values("b", [1, 1, d_out], device);
                    let bias = Some(vector(&b));
                    let y = linear_add(matrix(&r), matrix(&x), matrix(&w), bias, dropout.clone());
                    (y, vec![r, x, w, b])
                });
                agree(|device| {
                    let x = values("x", [1, rows, d_in], device);
                    let w = values("w", [1, d_in, d_in], device);
                    let (r, x_) = (matrix(&x), matrix(&x)); // as around an attention: x is both summand and factor
                    (
                        linear_add(r, x_, matrix(&w), None, dropout.clone()),
                        vec![x, w],
                    )
                });
            }
        }
    }

    #[test]
    fn cross_entropy_is_its_composition() {
        for (rows, d_model, vocabulary) in [(3, 5, 7), (1100, 6, 11), (1, 8, 300)] {
            let ids: Vec<i32> = (0..rows).map(|i| i * 31 % vocabulary).collect();
            let size = |n: i32| usize::try_from(n).unwrap();
            for (smoothing, tied) in [(0.0, false), (0.1, true), (0.1, false)] {
                agree(|device| {
                    let ids = Tensor::<1, Int>::from_ints(ids.as_slice(), device);
                    let h = values("h", [1, size(rows), d_model], device);
                    let (w, weight) = if tied {
                        let w = values("w", [1, size(vocabulary), d_model], device);
                        (w.clone(), matrix(&w).transpose())
                    } else {
                        let w = values("w", [1, d_model, size(vocabulary)], device);
                        (w.clone(), matrix(&w))
                    };
                    let b = values("b", [1, 1, size(vocabulary)], device);
                    let bias = Some(vector(&b));
                    let loss = linear_cross_entropy(matrix(&h), weight, bias, ids, smoothing);
                    (loss.objective, vec![h, w, b])
                });
            }
        }
    }

    /// Lengths of examples that are padded to `length`; more than one core has work with the last of them.
    fn lengths_and_widths() -> Vec<(Vec<usize>, usize, usize)> {
        vec![
            (vec![3, 0, 1], 3, 5),
            (vec![2, 2], 2, 1),
            (vec![0, 0], 4, 3),
            (vec![40, 0, 37, 1], 41, 513),
        ]
    }

    #[test]
    fn rows_are_packed_and_padded_as_in_their_composition() {
        for (lengths, length, width) in lengths_and_widths() {
            let rows = lengths.iter().sum();
            agree(|device| {
                let x = values("x", [lengths.len(), length, width], device);
                (pack_rows(x.clone(), lengths.clone()), vec![x])
            });
            agree(|device| {
                let x = values("x", [1, rows, width], device);
                (unpack_rows(matrix(&x), lengths.clone(), length), vec![x])
            });
        }
    }

    #[test]
    fn dropout_of_packed_rows_is_its_composition_and_that_of_padded_rows() {
        let draws = Draws {
            key: Key::new(2),
            first_row: 3,
        };
        for (lengths, length, width) in lengths_and_widths() {
            let rows = RowDropout {
                p: 0.3,
                draws,
                lengths: lengths.clone().into(),
            };
            agree(|device| {
                let x = values("x", [1, lengths.iter().sum(), width], device);
                (dropout_rows(matrix(&x), &rows), vec![x])
            });
            let device = Device::flex();
            let padded = Tensor::<3>::ones([lengths.len(), length, width], &device);
            let packed = pack_rows(padded.clone(), lengths.clone());
            let expected = pack_rows(dropout(padded, 0.3, draws), lengths.clone());
            let got = dropout_rows(packed, &rows);
            assert_eq!(got.into_data(), expected.into_data());
        }
    }

    #[test]
    fn nothing_is_computed_from_nothing() {
        let device = Device::flex().autodiff();
        let w = values("w", [1, 4, 3], &device);
        let y = linear(Tensor::zeros([0, 4], &device), matrix(&w), None);
        assert_eq!(y.dims(), [0, 3]);
    }

    #[test]
    fn rows_of_no_width_are_still_rows() {
        for rows in [1, 5, 300] {
            let device = Device::flex().autodiff();
            let [x, w] = [[1, rows, 4], [1, 4, 0]].map(|shape| values("x", shape, &device));
            let b = Tensor::<1>::zeros([0], &device).require_grad();
            let y = linear_relu(matrix(&x), matrix(&w), Some(b.clone()));
            assert_eq!(y.dims(), [rows, 0]);
            let gradients = y.sum().backward();
            assert_eq!(
                x.grad(&gradients).expect("a gradient").into_data(),
                TensorData::zeros::<f32, _>([1, rows, 4])
            );
            assert_eq!(w.grad(&gradients).expect("a gradient").dims(), [1, 4, 0]);
            assert_eq!(b.grad(&gradients).expect("a gradient").dims(), [0]);

            let [x, w] = [[1, rows, 0], [1, 0, 3]].map(|shape| values("x", shape, &device));
            let y = linear(matrix(&x), matrix(&w), None);
            assert_eq!(
                y.clone().into_data(),
                TensorData::zeros::<f32, _>([rows, 3])
            );
            let gradients = y.sum().backward();
            assert_eq!(x.grad(&gradients).expect("a gradient").dims(), [1, rows, 0]);
            assert_eq!(w.grad(&gradients).expect("a gradient").dims(), [1, 0, 3]);
        }
    }
}
