//! Activations that are computed again instead of kept.

#[cfg(any(feature = "flex", feature = "ndarray", feature = "cubecl"))]
mod step;

use burn::module::Module;
use burn::tensor::Tensor;

/// `f(module, inputs)`, of which the backward pass keeps the inputs alone: it computes `f` once more when it gets there.
///
/// ```text
/// forward    y = f(module, inputs), outside the graph
/// backward   y again, inside a graph of its own from copies of module and inputs;
///            its gradients are added to those of the parameters and of what the inputs were made from
/// ```
///
/// Around each layer of a stack, what is kept grows by the inputs of a layer instead of by everything that it computes, and the
/// largest at any time is one layer's graph more. The price is a second forward pass.
///
/// # Shapes
///
/// Those of `f`. `inputs` are one to three tensors, or none in the place of one: see [`Inputs`].
///
/// # Behaviour
///
/// - Result and gradients are those of `f(module, inputs)`, bit for bit where a tensor gets its gradients in the same order.
///   That holds if `f` is a function: draws come from a [`Key`](crate::Key), never from a generator that moves on.
/// - Gradients reach the parameters of `module`, which may be used elsewhere as well, and every tracked tensor of `inputs`; what
///   `f` captures must need none.
/// - Where nothing is tracked, and on a device that recomputes by itself
///   ([`gradient_checkpointing`](burn::tensor::Device::gradient_checkpointing)), this is `f(module, inputs)`.
/// - Cost: the forward pass twice; memory of the inputs until the backward pass, then that of one graph of `f`.
///
/// # Panics
///
/// If `f` captures a tensor that needs a gradient.
///
/// # Differences
///
/// PyTorch's `torch.utils.checkpoint` finds parameters and captured tensors by itself, and restores the state of a global
/// generator. burn's own checkpointing knows single operations that are cheap to repeat, but no layers.
///
/// # References
///
/// Chen, Xu, Zhang, Guestrin. Training Deep Nets with Sublinear Memory Cost. 2016. <https://arxiv.org/abs/1604.06174>
///
/// # Example
///
/// ```
/// use burn::module::Param;
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::recompute;
///
/// let device = Device::flex().autodiff();
/// let factor = Param::from_tensor(Tensor::<1>::from_floats([3.0], &device));
/// let x = Tensor::<1>::from_floats([2.0], &device).require_grad();
/// let y = recompute(&factor, (x.clone(),), |factor, (x,)| factor.val() * x.clone() * x);
/// let gradients = y.backward();
/// assert_eq!(x.grad(&gradients).unwrap().into_scalar::<f32>(), 12.0);
/// assert_eq!(factor.val().grad(&gradients).unwrap().into_scalar::<f32>(), 4.0);
/// ```
pub fn recompute<M: Module + 'static, I: Inputs, const D: usize>(
    module: &M,
    inputs: I,
    f: impl Fn(&M, I) -> Tensor<D> + Send + 'static,
) -> Tensor<D> {
    #[cfg(feature = "flex")]
    if let Some(found) = step::Found::<burn::backend::Flex>::new(module, &inputs) {
        return found.record(module, inputs, f);
    }
    #[cfg(feature = "ndarray")]
    #[expect(deprecated, reason = "there as long as burn has it")]
    if let Some(found) = step::Found::<burn::backend::NdArray>::new(module, &inputs) {
        return found.record(module, inputs, f);
    }
    #[cfg(feature = "cubecl")]
    if let Some(found) = step::Found::<burn::backend::Cube>::new(module, &inputs) {
        return found.record(module, inputs, f);
    }
    f(module, inputs)
}

/// What [`recompute`] hands to its function: `(x,)`, `(x, y)` or `(x, y, z)`, each a [`Tensor`] or an [`Option`] of one.
pub trait Inputs: Clone + Send + 'static {
    /// The same with another tensor in the place of each, in order.
    #[must_use]
    fn each(self, map: &mut impl TensorMap) -> Self;
}

/// What becomes of a tensor of any rank.
pub trait TensorMap {
    /// The tensor in its place.
    fn map<const D: usize>(&mut self, tensor: Tensor<D>) -> Tensor<D>;
}

/// A tensor, or none.
pub trait Input: Clone + Send + 'static {
    /// The same with another tensor, if there is one.
    #[must_use]
    fn mapped(self, map: &mut impl TensorMap) -> Self;
}

impl<const D: usize> Input for Tensor<D> {
    fn mapped(self, map: &mut impl TensorMap) -> Self {
        map.map(self)
    }
}

impl<const D: usize> Input for Option<Tensor<D>> {
    fn mapped(self, map: &mut impl TensorMap) -> Self {
        self.map(|tensor| map.map(tensor))
    }
}

impl<A: Input> Inputs for (A,) {
    fn each(self, map: &mut impl TensorMap) -> Self {
        (self.0.mapped(map),)
    }
}

impl<A: Input, B: Input> Inputs for (A, B) {
    fn each(self, map: &mut impl TensorMap) -> Self {
        (self.0.mapped(map), self.1.mapped(map))
    }
}

impl<A: Input, B: Input, C: Input> Inputs for (A, B, C) {
    fn each(self, map: &mut impl TensorMap) -> Self {
        let (a, b, c) = self;
        (a.mapped(map), b.mapped(map), c.mapped(map))
    }
}

#[cfg(test)]
mod on_any_backend {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use burn::module::Param;

    use super::*;

    #[test]
    fn the_function_is_computed_again_for_the_same_gradients() {
        let device = crate::test_device().autodiff();
        let factor = Param::from_tensor(Tensor::<1>::from_floats([3.0, -1.0], &device));
        let x = Tensor::<1>::from_floats([2.0, 0.5], &device).require_grad();
        let f =
            |factor: &Param<Tensor<1>>, (x,): (Tensor<1>,)| (factor.val() * x.clone()).tanh() * x;
        let gradients = |y: Tensor<1>| {
            let gradients = y.clone().sum().backward();
            let of = |tensor: &Tensor<1>| tensor.grad(&gradients).unwrap();
            [y.inner(), of(&x), of(&factor.val())]
                .map(|tensor| tensor.into_data().iter::<f32>().collect::<Vec<_>>())
        };
        let expected = gradients(f(&factor, (x.clone(),)));
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        let y = recompute(&factor, (x.clone(),), move |factor, inputs| {
            counted.fetch_add(1, Ordering::Relaxed);
            f(factor, inputs)
        });
        assert_eq!(calls.load(Ordering::Relaxed), 1);
        assert_eq!(gradients(y), expected);
        assert_eq!(
            calls.load(Ordering::Relaxed),
            2,
            "nothing was computed again"
        );
    }
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use burn::module::Param;
    use burn::tensor::{Device, activation};

    use super::*;
    use crate::flex::tests::{COMPOSED, values};
    use crate::{Draws, Key, RowDropout, layer_norm, linear, linear_add, linear_relu};

    /// A sub-layer with everything that a layer has: two maps, a norm, dropout; one parameter that is frozen.
    #[derive(Module, Debug)]
    struct Layer {
        inner: Param<Tensor<2>>,
        outer: Param<Tensor<2>>,
        scale: Param<Tensor<1>>,
        frozen: Param<Tensor<1>>,
    }

    const ROWS: usize = 7;
    const WIDTH: usize = 5;

    fn param<const D: usize>(name: &str, shape: [usize; D], device: &Device) -> Param<Tensor<D>> {
        Param::from_tensor(values(name, shape, device).inner().autodiff())
    }

    impl Layer {
        fn new(name: &str, device: &Device) -> Self {
            let name = |part: &str| format!("{name} {part}");
            Self {
                inner: param(&name("inner"), [WIDTH, 11], device),
                outer: param(&name("outer"), [11, WIDTH], device),
                scale: param(&name("scale"), [WIDTH], device),
                frozen: param(&name("frozen"), [WIDTH], device).set_require_grad(false),
            }
        }

        fn forward(&self, x: Tensor<2>, memory: Tensor<2>, bias: Option<Tensor<2>>) -> Tensor<2> {
            let dropout = RowDropout {
                p: 0.3,
                draws: Draws {
                    key: Key::new(1),
                    first_row: 2,
                },
                lengths: vec![3, ROWS - 3].into(),
            };
            let normed = layer_norm(x.clone(), self.scale.val(), self.frozen.val(), 1e-5);
            let inner = linear_relu(normed + memory, self.inner.val(), None);
            let y = linear_add(x, inner, self.outer.val(), None, Some(dropout));
            match bias {
                Some(bias) => activation::tanh(y * bias), // one of burn's own operations
                None => y,
            }
        }
    }

    /// Result, and gradients of everything that is to have one, of three layers that share a memory and, two of them, a bias.
    fn stack(again: bool, composed: bool) -> Vec<Vec<u32>> {
        COMPOSED.set(composed);
        let device = crate::test_device().autodiff();
        let layers: Vec<Layer> = (0..3)
            .map(|i| Layer::new(&format!("layer {i}"), &device))
            .collect();
        let [x, source] = ["x", "source"].map(|name| values(name, [ROWS, WIDTH], &device));
        let bias = values("bias", [1, WIDTH], &device);
        let (memory, shared) = (source.clone() * 2.0, bias.clone().exp());
        let mut y = x.clone();
        for (i, layer) in layers.iter().enumerate() {
            let inputs = (y, memory.clone(), (i > 0).then(|| shared.clone()));
            y = if again {
                recompute(layer, inputs, |layer, (x, memory, bias)| {
                    layer.forward(x, memory, bias)
                })
            } else {
                layer.forward(inputs.0, inputs.1, inputs.2)
            };
        }
        // Parameters are used once more outside, as a tied embedding is.
        let y = linear(y, layers[1].inner.val(), None);
        let gradients = (y.clone() * values("gradient", [ROWS, 11], &device).detach())
            .sum()
            .backward();
        COMPOSED.set(false);
        let bits = |values: Tensor<1>| {
            let values = values.into_data();
            let values = values.iter::<f32>().map(f32::to_bits);
            values.collect::<Vec<_>>()
        };
        let mut all = vec![bits(y.inner().flatten(0, 1))];
        for tensor in [&x, &source, &bias] {
            let gradient = tensor.grad(&gradients).expect("tracked");
            all.push(bits(gradient.flatten(0, 1)));
        }
        for layer in &layers {
            for matrix in [&layer.inner, &layer.outer] {
                let gradient = matrix.val().grad(&gradients).expect("tracked");
                all.push(bits(gradient.flatten(0, 1)));
            }
            all.push(bits(layer.scale.val().grad(&gradients).expect("tracked")));
            assert!(layer.frozen.val().grad(&gradients).is_none());
        }
        all
    }

    #[test]
    fn a_stack_computed_again_is_the_stack_bit_for_bit() {
        for composed in [false, true] {
            assert_eq!(stack(true, composed), stack(false, composed), "{composed}");
        }
    }

    #[test]
    fn what_is_computed_again_may_compute_again_itself() {
        let device = crate::test_device().autodiff();
        let factor = param::<1>("factor", [4], &device);
        let x = values::<1>("x", [4], &device);
        let run = |depth: usize| {
            fn nested(factor: &Param<Tensor<1>>, x: Tensor<1>, depth: usize) -> Tensor<1> {
                if depth == 0 {
                    return (factor.val() * x).tanh();
                }
                let y = recompute(factor, (x,), move |factor, (x,)| {
                    nested(factor, x, depth - 1)
                });
                y.exp()
            }
            let gradients = nested(&factor, x.clone(), depth).sum().backward();
            [&x, &factor.val()].map(|tensor| tensor.grad(&gradients).expect("tracked").into_data())
        };
        let flat = {
            let y = (factor.val() * x.clone()).tanh().exp().exp().exp();
            let gradients = y.sum().backward();
            [&x, &factor.val()].map(|tensor| tensor.grad(&gradients).expect("tracked").into_data())
        };
        assert_eq!(run(3), flat);
    }

    #[test]
    fn one_of_module_and_inputs_is_enough_to_be_tracked() {
        let device = crate::test_device().autodiff();
        let factor = param::<1>("factor", [3], &device);
        let x = values::<1>("x", [3], &device);
        let product = |factor: &Param<Tensor<1>>, (x,): (Tensor<1>,)| factor.val() * x;

        let constant = Tensor::<1>::ones([3], &crate::test_device());
        for constant in [constant.clone(), constant.autodiff()] {
            let gradients = recompute(&factor, (constant,), product).backward();
            let gradient = factor.val().grad(&gradients).expect("tracked");
            assert_eq!(gradient.into_data().as_slice::<f32>().unwrap(), [1.0; 3]);
        }
        let frozen = factor.clone().set_require_grad(false);
        let gradients = recompute(&frozen, (x.clone(),), product).backward();
        assert_eq!(
            x.grad(&gradients).expect("tracked").into_data(),
            factor.val().inner().into_data()
        );
        let y = recompute(&frozen, (x.detach().set_require_grad(false),), product);
        assert!(!y.is_tracked());
    }

    #[test]
    fn a_function_that_reads_nothing_has_gradients_of_nothing() {
        let device = crate::test_device().autodiff();
        let x = values::<1>("x", [3], &device);
        let ones = move |_: &Param<Tensor<1>>, _| Tensor::<1>::ones([3], &device);
        let factor = param::<1>("factor", [3], &x.device());
        let y = recompute(&factor, (x.clone(),), ones) * x.clone();
        let gradients = y.backward();
        let gradient = x.grad(&gradients).expect("tracked");
        assert_eq!(gradient.into_data().as_slice::<f32>().unwrap(), [1.0; 3]);
        assert!(factor.val().grad(&gradients).is_none());
    }

    #[test]
    fn burn_may_recompute_by_itself() {
        let device = crate::test_device().autodiff().gradient_checkpointing();
        let x = Tensor::<1>::from_floats([2.0], &device).require_grad();
        let factor = Param::from_tensor(Tensor::<1>::from_floats([3.0], &device));
        let y = recompute(&factor, (x.clone(),), |factor, (x,)| factor.val() * x);
        let gradients = y.backward();
        let gradient = x.grad(&gradients).unwrap().into_scalar::<f32>();
        assert_eq!(gradient.to_bits(), 3.0_f32.to_bits());
    }

    #[test]
    #[should_panic(expected = "got a function that captures another; hand it over as an input")]
    fn a_captured_tensor_that_needs_a_gradient_is_refused() {
        // Elsewhere everything is kept, and nothing needs to be handed over.
        let device = Device::flex().autodiff();
        let [x, captured] = ["x", "captured"].map(|name| values::<1>(name, [3], &device));
        let factor = param::<1>("factor", [3], &device);
        let _ = recompute(&factor, (x,), move |_, (x,)| x * captured.clone());
    }
}
