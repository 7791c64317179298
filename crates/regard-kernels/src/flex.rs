//! Operations with their own backward pass for burn's CPU backend, on f32.
//!
//! Each operation here computes the same function as the composition of burn operations beside its caller; the caller
//! asks for it with operands, and falls back on the composition where they do not live on this backend. Setting the
//! environment variable `REGARD_KERNELS=composed` turns all of them off, for comparison.

mod attention;
mod dropout;
mod linear;
mod loss;
mod matrix;
mod norm;
mod simd;

use std::fmt::Debug;
use std::sync::LazyLock;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::{FlexTensor, Layout};
use burn::backend::{Autodiff, DType, Flex};
use burn::tensor::{Bytes, Shape, Tensor};

pub(crate) use attention::{AttentionOp, Heads};
pub(crate) use dropout::DropoutOp;
pub(crate) use linear::LinearOp;
pub(crate) use loss::CrossEntropyOp;
pub(crate) use norm::LayerNormOp;

type Tracked = burn::backend::tensor::FloatTensor<Autodiff<Flex, NoCheckpointing>>;

/// A function of `N` tensors with a backward pass of its own.
pub(crate) trait FusedOp<const N: usize>: Clone + Send + Debug + 'static {
    /// What the backward pass needs besides the gradient.
    type Saved: Clone + Send + Debug + 'static;

    /// The result; and, if it is to be differentiated, what the backward pass needs.
    fn forward(&self, inputs: [FlexTensor; N], tracked: bool) -> (FlexTensor, Option<Self::Saved>);

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
        static COMPOSED: LazyLock<bool> =
            LazyLock::new(|| std::env::var("REGARD_KERNELS").is_ok_and(|value| value == "composed"));
        if *COMPOSED || tensor.dtype() != DType::F32 {
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
    if operands.iter().all(|operand| matches!(operand, Operand::Plain(_))) {
        let (output, _) = op.forward(operands.map(Operand::into_plain), false);
        return Tensor::from_primitive::<Flex>(output);
    }
    let operands = operands.map(Operand::into_tracked);
    let guards = operands.each_ref().map(Tracked::node);
    let inputs = operands.map(Tracked::into_primitive);
    let output = match Step(op.clone()).prepare::<NoCheckpointing>(guards).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let (output, saved) = op.forward(inputs, true);
            let saved = saved.expect("a tracked forward pass saves what its backward pass needs");
            prepared.finish(saved, output)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(op.forward(inputs, false).0),
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
        let computed = self.0.backward(ops.state, gradient, wanted);
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
    let shape = tensor.layout().shape();
    let columns = shape.as_slice().last().copied().unwrap_or(1);
    [shape.num_elements() / columns.max(1), columns]
}
