//! Linear maps and embedding lookup.

use burn::tensor::{Int, Tensor, activation};

use crate::devices::is_gpu;
use crate::precision::of_type;
use crate::rows::rows_at;
use crate::{RowDropout, dropout_rows, product};

/// `y = x W + b`, over the rows of a matrix.
///
/// # Shapes
///
/// `x: [N, D_in]`, `weight: [D_in, D_out]`, `bias: [D_out]`, result `[N, D_out]`. `weight` may be a transposed view. The product
/// is computed in the float type of `x`; weight and bias may be of another.
///
/// # Panics
///
/// If the inner widths differ, or the bias is not as long as the result is wide.
///
/// # Differences
///
/// - PyTorch stores `[D_out, D_in]`.
/// - burn's `Linear` takes any rank; its path for rank 3 becomes a batched product whose weight gradient is a
///   `[B, D_in, D_out]` temporary. Taking matrices only rules that out.
pub fn linear(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    activated(x, weight, bias, false)
}

/// `y = max(0, x W + b)`: [`linear`], then the rectifier, in one pass over the result.
///
/// # Shapes
///
/// As [`linear`].
///
/// # Behaviour
///
/// What is no number stays so, as in PyTorch.
///
/// # Panics
///
/// As [`linear`].
pub fn linear_relu(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<2> {
    activated(x, weight, bias, true)
}

fn activated(x: Tensor<2>, weight: Tensor<2>, bias: Option<Tensor<1>>, relu: bool) -> Tensor<2> {
    check_widths(&x, &weight, bias.as_ref());
    #[cfg(feature = "flex")]
    {
        let op = crate::flex::LinearOp {
            relu,
            dropout: None,
        };
        if let Some(y) = fused(op, &x, &weight, bias.as_ref(), None) {
            return y;
        }
    }
    let dtype = x.dtype();
    let y = product(x, of_type(weight, dtype));
    let y = match bias {
        Some(bias) => y + of_type(bias, dtype).unsqueeze(),
        None => y,
    };
    if relu { activation::relu(y) } else { y }
}

/// `y = r + dropout(x W + b)`: [`linear`], then the sum of a residual connection, in one pass over the result.
///
/// # Shapes
///
/// As [`linear`]; `residual: [N, D_out]`; without a dropout nothing is dropped.
///
/// # Panics
///
/// If widths or numbers of rows differ, or the dropout's probability is none.
///
/// # Differences
///
/// PyTorch, burn: no counterpart; the composition is the same function, its draws come from a global generator there.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::linear_add;
///
/// let device = Device::flex();
/// let [r, x, weight] = [[[5.0]], [[2.0]], [[3.0]]].map(|value| Tensor::from_floats(value, &device));
/// assert_eq!(linear_add(r, x, weight, None, None).into_scalar::<f32>(), 11.0);
/// ```
pub fn linear_add(
    residual: Tensor<2>,
    x: Tensor<2>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    dropout: Option<RowDropout>,
) -> Tensor<2> {
    check_widths(&x, &weight, bias.as_ref());
    let expected = [x.dims()[0], weight.dims()[1]];
    assert_eq!(
        residual.dims(),
        expected,
        "linear_add: expected a residual of shape {expected:?}, got {:?}",
        residual.dims()
    );
    if let Some(dropout) = &dropout {
        dropout.check("linear_add", expected[0]);
    }
    #[cfg(feature = "flex")]
    {
        let op = crate::flex::LinearOp {
            relu: false,
            dropout: dropout.clone(),
        };
        if let Some(y) = fused(op, &x, &weight, bias.as_ref(), Some(&residual)) {
            return y;
        }
    }
    let y = linear(x, weight, bias);
    match dropout {
        Some(dropout) => residual + dropout_rows(y, &dropout),
        None => residual + y,
    }
}

#[cfg(feature = "flex")]
fn fused(
    op: crate::flex::LinearOp,
    x: &Tensor<2>,
    weight: &Tensor<2>,
    bias: Option<&Tensor<1>>,
    residual: Option<&Tensor<2>>,
) -> Option<Tensor<2>> {
    use crate::flex::{Operand, apply};
    let residual = match residual {
        Some(residual) => Operand::new(residual),
        None => Operand::new(&Tensor::<2>::zeros([0, 0], &x.device().without_autodiff())),
    };
    let operands = [
        Operand::new(x)?,
        Operand::new(weight)?,
        bias_operand(bias, weight)?,
        residual?,
    ];
    Some(apply(op, operands))
}

fn check_widths(x: &Tensor<2>, weight: &Tensor<2>, bias: Option<&Tensor<1>>) {
    let ([_, d_in], [expected, d_out]) = (x.dims(), weight.dims());
    assert_eq!(
        d_in, expected,
        "linear: expected rows of width {expected}, got {d_in}"
    );
    check_bias("linear", bias, d_out);
}

pub(crate) fn check_bias(operation: &str, bias: Option<&Tensor<1>>, expected: usize) {
    if let Some(bias) = bias {
        let [got] = bias.dims();
        assert_eq!(
            got, expected,
            "{operation}: expected a bias of {expected}, got {got}"
        );
    }
}

/// A bias as an operand; an empty one, on the device of `x`, where there is none.
#[cfg(feature = "flex")]
pub(crate) fn bias_operand(
    bias: Option<&Tensor<1>>,
    x: &Tensor<2>,
) -> Option<crate::flex::Operand> {
    match bias {
        Some(bias) => crate::flex::Operand::new(bias),
        None => crate::flex::Operand::new(&Tensor::<1>::zeros([0], &x.device().without_autodiff())),
    }
}

/// `y[n] = scale * weight[ids[n]]`: rows of a matrix by number.
///
/// # Shapes
///
/// `weight: [V, D]`, `ids: [N]`, result `[N, D]`.
///
/// # Panics
///
/// If an id is negative or not below V; on other backends than the CPU's, the caller owns that check.
///
/// # Behaviour
///
/// The gradient of a row is the sum over its uses, in the order of n, on a GPU in any order; 0 for rows without a use.
///
/// # Differences
///
/// PyTorch's and burn's embeddings do not scale.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// let device = Device::flex();
/// let weight = Tensor::<2>::from_floats([[1.0, 2.0], [3.0, 4.0]], &device);
/// let y = regard_kernels::embedding(weight, Tensor::from_ints([1, 0, 1], &device), 2.0);
/// assert_eq!(y.into_data().as_slice::<f32>().unwrap(), [6.0, 8.0, 2.0, 4.0, 6.0, 8.0]);
/// ```
pub fn embedding(weight: Tensor<2>, ids: Tensor<1, Int>, scale: f64) -> Tensor<2> {
    #[cfg(feature = "flex")]
    if let Some(weight) = crate::flex::Operand::new(&weight) {
        let on_host = |id| usize::try_from(id).expect("ids are not negative");
        let ids = ids.into_data().iter::<i64>().map(on_host).collect();
        return crate::flex::apply(crate::flex::EmbeddingOp { ids, scale }, [weight]);
    }
    let [_, d_model] = weight.dims();
    let [n] = ids.dims();
    if n == 0 {
        return weight.slice(0..0); // to burn's reshape a size of 0 means the one before
    }
    if is_gpu(&weight.device()) {
        return rows_at(weight, ids) * scale;
    }
    burn::tensor::module::embedding(weight, ids.reshape([1, n])).reshape([n, d_model]) * scale
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linear_of_hand_computed_values() {
        let device = crate::test_device();
        let x = Tensor::<2>::from_floats([[1.0, 2.0], [3.0, 4.0]], &device);
        let weight = Tensor::<2>::from_floats([[1.0, 0.0, 2.0], [0.0, 1.0, 3.0]], &device);
        let bias = Tensor::<1>::from_floats([10.0, 20.0, 30.0], &device);
        let y = linear(x, weight, Some(bias)).into_data();
        assert_eq!(
            y.as_slice::<f32>().unwrap(),
            [11.0, 22.0, 38.0, 13.0, 24.0, 48.0]
        );
    }

    #[test]
    #[should_panic(expected = "linear: expected rows of width 3, got 2")]
    fn linear_names_the_widths_that_differ() {
        let device = crate::test_device();
        linear(
            Tensor::zeros([1, 2], &device),
            Tensor::zeros([3, 1], &device),
            None,
        );
    }

    #[test]
    fn the_gradient_of_an_embedding_row_is_the_sum_over_its_uses() {
        let device = crate::test_device().autodiff();
        let weight = Tensor::<2>::ones([3, 2], &device).require_grad();
        let ids = Tensor::<1, Int>::from_ints([2, 0, 2], &device);
        let y = embedding(weight.clone(), ids, 1.0);
        let gradient = weight.grad(&y.sum().backward()).unwrap().into_data();
        assert_eq!(
            gradient.as_slice::<f32>().unwrap(),
            [1.0, 1.0, 0.0, 0.0, 2.0, 2.0]
        );
    }
}
