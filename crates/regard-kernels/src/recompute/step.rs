//! The step on burn's tape that computes again, on any backend.
//!
//! A backward step may run a backward pass of its own as long as no tensor in it belongs to the graph outside, whose lock the
//! thread holds: burn's locks cannot be taken twice. So the second forward pass begins at new leaves, those of the parameters
//! included, and their gradients are handed out by the ids of the old ones.

use std::fmt::{self, Debug, Formatter};
use std::vec::IntoIter;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{
    Autodiff, AutodiffBackend, Backend, DispatchKindConversion, DispatchTensor, TensorMetadata,
};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Shape, Tensor};

use super::{Inputs, TensorMap};

/// A tensor on the tape.
type Tracked<B> = burn::backend::tensor::FloatTensor<Autodiff<B, NoCheckpointing>>;

/// Tensors that a step can have: a parameter that stands for all, because burn has to know their number when it is compiled,
/// and the inputs.
const PARENTS: usize = 4;

/// A backend whose tensors can be put on the tape.
pub(super) trait Taped: Backend {
    /// `None` if the tensor lives elsewhere.
    fn tracked<const D: usize>(tensor: Tensor<D>) -> Option<Tracked<Self>>;

    fn tensor<const D: usize>(tracked: Tracked<Self>) -> Tensor<D>;
}

impl<B: Backend> Taped for B
where
    DispatchTensor: DispatchKindConversion<Autodiff<B, NoCheckpointing>>,
{
    fn tracked<const D: usize>(tensor: Tensor<D>) -> Option<Tracked<Self>> {
        tensor.try_into_primitive::<Autodiff<B>>().ok()
    }

    fn tensor<const D: usize>(tracked: Tracked<Self>) -> Tensor<D> {
        Tensor::from_primitive::<Autodiff<B>>(tracked)
    }
}

/// What has to be differentiated.
pub(super) struct Found<B: Taped> {
    /// Of each parameter, then of each input, if it is tracked.
    nodes: Vec<Option<NodeId>>,
    /// A tracked parameter, if there is one, and the tracked inputs.
    parents: Vec<Tracked<B>>,
    is_elsewhere: bool,
}

impl<B: Taped> Found<B> {
    /// `None` if nothing is tracked, or something by another backend.
    pub(super) fn new(module: &impl Module, inputs: &impl Inputs) -> Option<Self> {
        let mut found = Self {
            nodes: Vec::new(),
            parents: Vec::new(),
            is_elsewhere: false,
        };
        let _ = module.clone().map(&mut OfParameters(&mut found));
        found.parents.truncate(1);
        let _ = inputs.clone().each(&mut found);
        (!found.parents.is_empty() && !found.is_elsewhere).then_some(found)
    }

    /// `f` outside the graph, and the step that repeats it inside.
    pub(super) fn record<M: Module + 'static, I: Inputs, const D: usize>(
        self,
        module: &M,
        inputs: I,
        f: impl Fn(&M, I) -> Tensor<D> + Send + 'static,
    ) -> Tensor<D> {
        let module = module.clone().map(&mut OfParameters(&mut Detach));
        let inputs = inputs.each(&mut Detach);
        let y = f(&module, inputs.clone());
        assert!(
            !y.is_tracked(),
            "recompute: expected every tensor that needs a gradient among the parameters of the module and the inputs, \
             got a function that captures another; hand it over as an input"
        );
        let y = B::tracked(y.autodiff())
            .expect("recompute: the result lives where parameters and inputs do");
        // burn walks from the last parent: down the first input, which is the way of the residual connections inside a layer, so
        // that tensors below get their gradients in the order in which they would without this step.
        let last = self.parents.len() - 1;
        let parent = |i: usize| self.parents[last.saturating_sub(i)].node();
        let again = Again {
            nodes: self.nodes,
            module,
            inputs,
            f,
        };
        let prepared =
            Backward::<B, PARENTS>::prepare::<NoCheckpointing>(again, std::array::from_fn(parent));
        let OpsKind::Tracked(prepared) = prepared.compute_bound().stateful() else {
            unreachable!("a parent is tracked");
        };
        B::tensor(prepared.finish((), y.into_primitive()))
    }
}

impl<B: Taped> TensorMap for Found<B> {
    fn map<const D: usize>(&mut self, tensor: Tensor<D>) -> Tensor<D> {
        let tracked = tensor.is_tracked().then(|| B::tracked(tensor.clone()));
        self.is_elsewhere |= matches!(tracked, Some(None));
        let tracked = tracked.flatten();
        self.nodes.push(tracked.as_ref().map(Tracked::<B>::id));
        self.parents.extend(tracked);
        tensor
    }
}

/// Outside the graph, but computed with as inside.
struct Detach;

impl TensorMap for Detach {
    fn map<const D: usize>(&mut self, tensor: Tensor<D>) -> Tensor<D> {
        if tensor.is_autodiff() {
            tensor.inner().autodiff()
        } else {
            tensor
        }
    }
}

/// New leaves in the place of what was tracked.
struct Leaves<B: Taped> {
    nodes: IntoIter<Option<NodeId>>,
    leaves: Vec<(NodeId, Tracked<B>)>,
}

impl<B: Taped> TensorMap for Leaves<B> {
    fn map<const D: usize>(&mut self, tensor: Tensor<D>) -> Tensor<D> {
        let Some(node) = self.nodes.next().flatten() else {
            return tensor;
        };
        let tensor = tensor.require_grad();
        let leaf = B::tracked(tensor.clone()).expect("detached from a tensor of this backend");
        self.leaves.push((node, leaf));
        tensor
    }
}

/// A map of tensors as one of parameters.
struct OfParameters<'a, T>(&'a mut T);

impl<T: TensorMap> ModuleMapper for OfParameters<'_, T> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|tensor| self.0.map(tensor))
    }
}

/// The step.
struct Again<M, I, F> {
    nodes: Vec<Option<NodeId>>,
    module: M,
    inputs: I,
    f: F,
}

impl<M, I, F> Debug for Again<M, I, F> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Again").finish_non_exhaustive()
    }
}

impl<B, M, I, F, const D: usize> Backward<B, PARENTS> for Again<M, I, F>
where
    B: Taped,
    M: Module + 'static,
    I: Inputs,
    F: Fn(&M, I) -> Tensor<D> + Send + 'static,
{
    type State = ();

    fn backward(self, ops: Ops<(), PARENTS>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let mut leaves = Leaves::<B> {
            nodes: self.nodes.into_iter(),
            leaves: Vec::new(),
        };
        let module = self.module.map(&mut OfParameters(&mut leaves));
        let inputs = self.inputs.each(&mut leaves);
        let y = B::tracked((self.f)(&module, inputs)).filter(Tracked::<B>::is_tracked);
        let Some(y) = y else {
            return; // a constant
        };
        let mut inside = <Autodiff<B> as AutodiffBackend>::backward(begun::<B>(y, gradient));
        for (node, leaf) in leaves.leaves {
            if let Some(gradient) = inside.remove::<B>(&leaf) {
                gradients.register::<B>(node, gradient);
            }
        }
    }
}

/// A tensor to begin a backward pass at that meets `y` with the given gradient.
fn begun<B: Taped>(y: Tracked<B>, gradient: B::FloatTensorPrimitive) -> Tracked<B> {
    let value = B::float_zeros(Shape::new([1]), &y.device(), y.dtype().into());
    let OpsKind::Tracked(prepared) = Begin
        .prepare::<NoCheckpointing>([y.node()])
        .compute_bound()
        .stateful()
    else {
        unreachable!("its result is tracked");
    };
    prepared.finish(gradient, value)
}

#[derive(Debug)]
struct Begin;

impl<B: Backend> Backward<B, 1> for Begin {
    type State = B::FloatTensorPrimitive;

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [parent] = ops.parents;
        if let Some(parent) = parent {
            gradients.register::<B>(parent.id, ops.state);
        }
    }
}
