//! Normalisation over the last axis.

use burn::tensor::Tensor;

/// `y = (x - mean(x)) / sqrt(var(x) + epsilon) * weight + bias`, each row by itself.
///
/// # Shapes
///
/// `x: [N, D]`, `weight: [D]`, `bias: [D]`, result `[N, D]`. The variance is the mean squared deviation (divided by D).
///
/// # Panics
///
/// If `weight` or `bias` is not as long as the rows are wide.
///
/// # References
///
/// Ba, Kiros, Hinton. Layer Normalization. 2016. <https://arxiv.org/abs/1607.06450>
pub fn layer_norm(x: Tensor<2>, weight: Tensor<1>, bias: Tensor<1>, epsilon: f64) -> Tensor<2> {
    let [_, width] = x.dims();
    assert_eq!(
        [weight.dims(), bias.dims()],
        [[width]; 2],
        "layer_norm: expected weight and bias of {width}"
    );
    #[cfg(feature = "flex")]
    {
        use crate::flex::{LayerNormOp, Operand, apply};
        let operands = (Operand::new(&x), Operand::new(&weight), Operand::new(&bias));
        if let (Some(x), Some(weight), Some(bias)) = operands {
            return apply(LayerNormOp { epsilon }, [x, weight, bias]);
        }
    }
    burn::tensor::module::layer_norm(x, weight, Some(bias), epsilon)
}
