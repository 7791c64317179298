//! Scores that fall with the distance.

use burn::tensor::{Device, Tensor, TensorData};

use super::distances;

/// The slope of each head: how much of its score a key loses with each position that it is away.
///
/// ```text
/// slope[h] = 2^(-8 (h + 1) / H)                              H a power of two
/// ```
///
/// For other H, with P the largest power of two below: the P slopes of P heads, then of the slopes of 2P heads the first,
/// third, fifth .., until there are H.
///
/// # Panics
///
/// If there are no heads.
///
/// # References
///
/// Press, Smith, Lewis. Train Short, Test Long: Attention with Linear Biases Enables Input Length Extrapolation. 2021.
/// <https://arxiv.org/abs/2108.12409>, section 3; the rule for other H is that of its code.
///
/// # Example
///
/// ```
/// assert_eq!(regard_nn::alibi_slopes(2), [1.0 / 16.0, 1.0 / 256.0]);
/// assert_eq!(regard_nn::alibi_slopes(3), [1.0 / 16.0, 1.0 / 256.0, 1.0 / 4.0]);
/// ```
pub fn alibi_slopes(n_heads: usize) -> Vec<f64> {
    assert!(
        n_heads > 0,
        "alibi_slopes: expected at least one head, got 0"
    );
    let power = 1 << n_heads.ilog2();
    let geometric =
        |heads: usize| (1..=heads).map(move |head| (-8.0 * head as f64 / heads as f64).exp2());
    let between = geometric(2 * power).step_by(2);
    geometric(power).chain(between).take(n_heads).collect()
}

/// A bias that falls with the distance between query and key, for [`AttentionOptions::bias`](crate::AttentionOptions).
///
/// For query t at position `i = t + S - T` and key j:
///
/// ```text
/// bias[h, t, j] = -slope[h] |i - j|                          [1, H, T, S]
/// ```
///
/// with the slopes of [`alibi_slopes`]. Under a causal mask this is the paper's bias; without one it is the symmetric
/// form for encoders.
///
/// # Behaviour
///
/// - The last query stands at the last key: one step behind a cache, `T = 1`, gets the last row of the square form.
/// - Nothing is learned, and no position is too far. Cost: `O(H T S)` time and memory.
///
/// # Panics
///
/// If there are no heads.
///
/// # Differences
///
/// - Paper: its code adds `slope[h] j`, which under a causal mask differs by a constant in each row, and so not at all in
///   the weights. Only the form here is also right without a causal mask.
/// - It replaces vectors of positions; the paper adds none to the tokens.
///
/// # References
///
/// Press, Smith, Lewis. 2021. <https://arxiv.org/abs/2108.12409>, section 3.
///
/// # Example
///
/// ```
/// use burn::tensor::Device;
/// let bias = regard_nn::alibi_bias(2, [1, 3], &Device::flex());
/// assert_eq!(bias.dims(), [1, 2, 1, 3]);
/// let expected = [-2.0 / 16.0, -1.0 / 16.0, 0.0, -2.0 / 256.0, -1.0 / 256.0, 0.0];
/// assert_eq!(bias.into_data().as_slice::<f32>().unwrap(), expected);
/// ```
pub fn alibi_bias(n_heads: usize, [t, s]: [usize; 2], device: &Device) -> Tensor<4> {
    let falls: Vec<f64> = alibi_slopes(n_heads).iter().map(|slope| -slope).collect();
    let falls = TensorData::new(falls, [1, n_heads, 1, 1]);
    let distances: Vec<f64> = distances([t, s]).map(|by| f64::from(by).abs()).collect();
    let distances = TensorData::new(distances, [1, 1, t, s]);
    Tensor::from_floats(falls, device) * Tensor::from_floats(distances, device)
}
