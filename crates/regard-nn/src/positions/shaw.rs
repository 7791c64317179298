//! Learned vectors of clipped distances, added to keys and to values.

use burn::config::Config;
use burn::module::{Module, Param};
use burn::tensor::{IndexingUpdateOp, Int, Tensor, TensorData};

use super::distances;
use crate::Init;
use crate::batch::device_id;

/// What the scores gain where each key has a vector of its distance added, for
/// [`AttentionOptions::bias`](crate::AttentionOptions).
///
/// For query t at position `i = t + S - T`, key j and the table's row `r(d) = clip(d, -k, k) + k`:
///
/// ```text
/// bias[b, h, t, j] = scale q[b, h, t] . table[r(j - i)]              [B, H, T, S]
/// ```
///
/// # Shapes
///
/// | value | shape | meaning |
/// |-------|-------|---------|
/// | `query` | `[B, T, H * K]` | H is the width of `query` over that of `table` |
/// | `table` | `[2 k + 1, K]` | from distance -k (earlier keys) to k (later ones); shared by the heads |
///
/// `n_keys` is S; `scale` is the factor that attention puts on its products, `None` being `1 / sqrt(K)`.
///
/// # Behaviour
///
/// - The last query stands at the last key: one step behind a cache, `T = 1`, gets the last row of the square form.
/// - Queries meet each of the `2 k + 1` vectors once, and the products are then dealt out by distance, so the vectors of
///   all pairs, `[T, S, K]`, never exist. Cost: `O(B H T (k K + S))` time, `O(B H T (k + S))` memory.
///
/// # Panics
///
/// If `table` has an even number of rows, or the width of `query` is not a multiple of its width.
///
/// # References
///
/// Shaw, Uszkoreit, Vaswani. Self-Attention with Relative Position Representations. 2018.
/// <https://arxiv.org/abs/1803.02155>, equations 2 and 4, and section 3.3.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::relative_scores;
///
/// let device = Device::flex();
/// let query = Tensor::<3>::from_floats([[[2.0]]], &device);
/// let table = Tensor::<2>::from_floats([[5.0], [7.0], [9.0]], &device); // distances -1, 0, 1
/// let bias = relative_scores(query, table, 4, None).into_data();
/// assert_eq!(bias.as_slice::<f32>().unwrap(), [10.0, 10.0, 10.0, 14.0]);
/// ```
pub fn relative_scores(
    query: Tensor<3>,
    table: Tensor<2>,
    n_keys: usize,
    scale: Option<f64>,
) -> Tensor<4> {
    let ([batch, t, query_width], [rows, width]) = (query.dims(), table.dims());
    check_rows("relative_scores", rows);
    assert!(
        query_width.is_multiple_of(width),
        "relative_scores: expected queries of a multiple of {width} columns, got {query_width}"
    );
    let n_heads = query_width / width;
    let scale = scale.unwrap_or(1.0 / (width as f64).sqrt());
    let query = query
        .reshape([batch, t, n_heads, width])
        .swap_dims(1, 2) // [B, H, T, K]
        .reshape([batch * n_heads * t, width]);
    let products = (query * scale).matmul(table.transpose()); // [B H T, 2 k + 1]
    let index = table_rows([batch * n_heads, t, n_keys], rows, &products);
    products
        .gather(1, index) // [B H T, S]
        .reshape([batch, n_heads, t, n_keys])
}

/// What the contexts gain where each value has a vector of its distance added.
///
/// For query t at position `i = t + S - T` and the table's row `r(d) = clip(d, -k, k) + k`:
///
/// ```text
/// context[b, t, h] = sum_j weights[b, h, t, j] table[r(j - i)]       [B, T, H * K_v]
/// ```
///
/// # Shapes
///
/// | value | shape | meaning |
/// |-------|-------|---------|
/// | `weights` | `[B, H, T, S]` | those that average the values |
/// | `table` | `[2 k + 1, K_v]` | from distance -k (earlier keys) to k (later ones); shared by the heads |
///
/// # Behaviour
///
/// Weights are summed over the keys of each clipped distance first, so the vectors of all pairs never exist. Cost:
/// `O(B H T (S + k K_v))` time, `O(B H T (k + S))` memory.
///
/// # Panics
///
/// If `table` has an even number of rows.
///
/// # References
///
/// Shaw, Uszkoreit, Vaswani. 2018. <https://arxiv.org/abs/1803.02155>, equation 3.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::relative_values;
///
/// let device = Device::flex();
/// let weights = Tensor::<4>::from_floats([[[[0.25, 0.25, 0.5]]]], &device);
/// let table = Tensor::<2>::from_floats([[4.0], [8.0], [100.0]], &device); // distances -1, 0, 1
/// let context = relative_values(weights, table).into_data();
/// assert_eq!(context.as_slice::<f32>().unwrap(), [6.0]);
/// ```
pub fn relative_values(weights: Tensor<4>, table: Tensor<2>) -> Tensor<3> {
    let ([batch, n_heads, t, s], [rows, width]) = (weights.dims(), table.dims());
    check_rows("relative_values", rows);
    let weights = weights.reshape([batch * n_heads * t, s]);
    let index = table_rows([batch * n_heads, t, s], rows, &weights);
    let sums = Tensor::zeros([batch * n_heads * t, rows], &weights.device());
    let sums = sums.scatter(1, index, weights, IndexingUpdateOp::Add); // [B H T, 2 k + 1]
    sums.matmul(table) // [B H T, K_v]
        .reshape([batch, n_heads, t, width])
        .swap_dims(1, 2) // [B, T, H, K_v]
        .reshape([batch, t, n_heads * width])
}

/// The row of a table that belongs to each pair of query and key: `[groups * T, S]`, on the device of `like`.
fn table_rows([groups, t, s]: [usize; 3], rows: usize, like: &Tensor<2>) -> Tensor<2, Int> {
    let reach = device_id(rows / 2);
    let index: Vec<i32> = distances([t, s])
        .map(|distance| distance.clamp(-reach, reach) + reach)
        .collect();
    let index = Tensor::<3, Int>::from_data(TensorData::new(index, [1, t, s]), &like.device());
    index.expand([groups, t, s]).reshape([groups * t, s])
}

fn check_rows(function: &str, rows: usize) {
    assert!(
        rows % 2 == 1,
        "{function}: expected a table of 2 k + 1 rows, got {rows}"
    );
}

/// Learned vectors of clipped distances, added to keys and, if wanted, to values.
///
/// With `i` the position of a query, `a = clip(j - i, -k, k)`:
///
/// ```text
/// e_ij  = q_i . (k_j + key[a]) / sqrt(K)
/// z_i   = sum_j softmax_j(e_ij) (v_j + value[a])
/// ```
///
/// [`scores`](Self::scores) is the bias that the second half of e needs, [`values`](Self::values) what the second half of
/// z adds to the context.
///
/// # Parameters
///
/// `key: [2 k + 1, K]` and, if wanted, `value: [2 k + 1, K]`, shared by the heads; Xavier uniform.
///
/// # Behaviour
///
/// - Distances beyond k share the vector of k, so no sequence is too long.
/// - `values` takes the weights it is given: those before dropout are handed back by attention.
///
/// # Differences
///
/// - Paper: as here; its equation 3 without `value` is about as good for translation (table 3).
/// - tensor2tensor sums over all pairs' vectors, `[T, S, K]`; results are the same. It applies dropout to the weights
///   before both sums.
/// - PyTorch and burn: no counterpart.
///
/// # References
///
/// Shaw, Uszkoreit, Vaswani. Self-Attention with Relative Position Representations. 2018.
/// <https://arxiv.org/abs/1803.02155>.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{AttentionOptions, Init, RelativeVectorsConfig, attention};
///
/// let device = Device::flex();
/// let vectors = RelativeVectorsConfig::new(4, 2).init(&Init::new(1, &device));
/// let x = Tensor::<3>::ones([1, 1, 8], &device); // two heads; a token alone sees itself, at distance 0
/// let options = AttentionOptions {
///     bias: Some(vectors.scores(x.clone(), 1, None)),
///     weights: true,
///     ..AttentionOptions::new(2)
/// };
/// let output = attention(x.clone(), x.clone(), x, options);
/// let context = output.context + vectors.values(output.weights.unwrap());
/// let first_head = context.slice([0..1, 0..1, 0..4]).reshape([1, 4]);
/// let distance_0 = vectors.value.unwrap().val().slice(2..3);
/// assert_eq!(first_head.into_data(), (distance_0 + 1.0).into_data());
/// ```
#[derive(Module, Debug)]
pub struct RelativeVectors {
    /// Added to keys, `[2 k + 1, K]`.
    pub key: Param<Tensor<2>>,
    /// Added to values, `[2 k + 1, K]`.
    pub value: Option<Param<Tensor<2>>>,
}

/// Sizes of [`RelativeVectors`].
#[derive(Config, Debug)]
pub struct RelativeVectorsConfig {
    /// Width K of a head.
    pub head_width: usize,
    /// Distance k, in tokens, from which on all share a vector. The paper takes 16.
    pub max_distance: usize,
    /// Whether values have vectors, too. Default `true`, as in the paper.
    #[config(default = true)]
    pub values: bool,
}

impl RelativeVectorsConfig {
    /// Tables drawn from `init`.
    pub fn init(&self, init: &Init) -> RelativeVectors {
        let shape = [2 * self.max_distance + 1, self.head_width];
        let table = |name| init.at(name).xavier(shape, self.head_width);
        RelativeVectors {
            key: table("key"),
            value: self.values.then(|| table("value")),
        }
    }
}

impl RelativeVectors {
    /// [`relative_scores`] with the vectors of keys.
    ///
    /// # Panics
    ///
    /// As [`relative_scores`].
    pub fn scores(&self, query: Tensor<3>, n_keys: usize, scale: Option<f64>) -> Tensor<4> {
        relative_scores(query, self.key.val(), n_keys, scale)
    }

    /// [`relative_values`] with the vectors of values.
    ///
    /// # Panics
    ///
    /// If there are none.
    pub fn values(&self, weights: Tensor<4>) -> Tensor<3> {
        let table = self.value.as_ref();
        let table = table.expect("RelativeVectors: made without vectors for values");
        relative_values(weights, table.val())
    }
}
