//! How heads lie in a row: side by side, `[B, L, H * K]`.

use burn::tensor::Tensor;

/// `[B, L, H * K]` to `[B, H, L, K]`.
///
/// # Panics
///
/// If the width is not a multiple of `n_heads`.
pub fn split_heads(x: Tensor<3>, n_heads: usize) -> Tensor<4> {
    let [batch, length, width] = x.dims();
    x.reshape([batch, length, n_heads, width / n_heads])
        .swap_dims(1, 2)
}

/// `[B, H, L, K]` to `[B, L, H * K]`.
pub fn join_heads(x: Tensor<4>) -> Tensor<3> {
    let [batch, n_heads, length, width] = x.dims();
    x.swap_dims(1, 2).reshape([batch, length, n_heads * width])
}

/// Queries of heads that share keys, one behind the other: `[B, T, H * K]` to `[B, H_kv, H / H_kv * T, K]`.
pub(crate) fn group_queries(query: Tensor<3>, n_heads: usize, key_heads: usize) -> Tensor<4> {
    let [batch, t, width] = query.dims();
    split_heads(query, n_heads).reshape([
        batch,
        key_heads,
        n_heads / key_heads * t,
        width / n_heads,
    ])
}

/// Number of heads of keys and values, from the shapes of queries with `n_heads` heads, keys and values.
///
/// # Panics
///
/// If the shapes do not fit each other; the message names `function`.
///
/// ```
/// let dims = [[1, 5, 12], [1, 7, 6], [1, 7, 4]]; // heads of queries and keys have a width of 3
/// assert_eq!(regard_kernels::key_heads("attention", dims, 4), 2);
/// ```
pub fn key_heads(function: &str, dims: [[usize; 3]; 3], n_heads: usize) -> usize {
    let [query, key, value] = dims;
    let width = query[2] / n_heads;
    let key_heads = key[2].checked_div(width).unwrap_or(0);
    let fits = query[0] == key[0]
        && query[0] == value[0]
        && key[1] == value[1]
        && query[2].is_multiple_of(n_heads)
        && key_heads * width == key[2]
        && key_heads > 0
        && n_heads.is_multiple_of(key_heads)
        && value[2].is_multiple_of(key_heads);
    assert!(
        fits,
        "{function}: expected query [B, T, H K], key [B, S, H_kv K], value [B, S, H_kv K_v] with H = {n_heads} and \
         H_kv a divisor of it, got {query:?}, {key:?}, {value:?}"
    );
    key_heads
}
