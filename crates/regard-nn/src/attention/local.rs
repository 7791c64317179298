//! Local attention: each query looks at a window of the memory around a position of its own.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData, activation};
use regard_kernels::{AttentionOptions, BLOCKED, attention_from_weights, attention_weights};
use serde::{Deserialize, Serialize};

use super::multiplicative::{LuongAttention, LuongAttentionConfig};
use super::projected::ProjectedMemory;
use crate::{AttentionMask, AttentionOutput, Init, Linear, Pass};

/// Where queries look: the keys s with `|s - p| <= half_width` around a centre p; keys count from 0.
#[derive(Clone, Debug)]
pub struct LocalWindow {
    /// p, `[B, H, T]`; an axis is 1 where it makes no difference.
    centre: Tensor<3>,
    half_width: usize,
    /// Whether weights fall off from the centre.
    gaussian: bool,
}

impl LocalWindow {
    /// The query at position `positions[t]` looks around that very position of the memory, `p_t = t`, at all keys of the
    /// window alike: the paper's local-m. With `half_width` 0 it sees one key.
    pub fn monotonic(positions: &[usize], half_width: usize, device: &Device) -> Self {
        let centre: Vec<f32> = positions.iter().map(|&t| t as f32).collect();
        Self {
            centre: Tensor::from_data(TensorData::new(centre, [1, 1, positions.len()]), device),
            half_width,
            gaussian: false,
        }
    }

    /// Queries look around the real-valued positions `centre: [B, H, T]` (an axis may be 1), and weights fall off from
    /// there by a Gaussian of deviation `half_width / 2`: the paper's local-p. Gradients reach `centre` through the
    /// Gaussian; the cut of the window gives none.
    ///
    /// # Panics
    ///
    /// If `half_width` is 0: the Gaussian would have no width.
    pub fn predicted(centre: Tensor<3>, half_width: usize) -> Self {
        assert!(
            half_width > 0,
            "LocalWindow: around predicted positions, expected a half width of at least 1, got 0"
        );
        Self {
            centre,
            half_width,
            gaussian: true,
        }
    }
}

/// Each query takes a weighted sum of the values within its window.
///
/// ```text
/// align_s   = softmax(scores over the visible keys s with |s - p| <= D)     [B, H, T, S]
/// weights_s = align_s                                        around given positions
/// weights_s = align_s exp(-(s - p)^2 / (2 (D / 2)^2))        around predicted positions
/// context   = dropout(weights) v                             [B, T, H * K_v]
/// ```
///
/// # Shapes
///
/// | value | shape |
/// |-------|-------|
/// | `scores` | `[B, H, T, S]` |
/// | `value` | `[B, S, H * K_v]` |
/// | centres p of `window` | `[B, H, T]`, or axes of 1 |
///
/// `options.scale` is not read: scores are as they are.
///
/// # Behaviour
///
/// - Around predicted positions **weights do not sum to 1**: the Gaussian takes from each as much as its key lies off the
///   centre, and nothing makes up for it. Around given positions they do.
/// - Keys outside the window get weight exactly 0, as blocked ones do: a key is visible where mask and window allow it,
///   and the softmax runs over the visible ones. So a window that reaches over the end of a row, into its padding or in
///   front of its first key, is shared by the keys that are there; one that holds no visible key gives a zero context and
///   zero gradients.
/// - Rules of the mask keep their own positions: there, query t stands at key `t + S - T`.
/// - Dropout acts on the weights; the weights handed back are those before it.
/// - Cost: `O(B H T S)` time and memory, as without a window: every score is computed, then most are set aside.
///
/// # Panics
///
/// If the shapes are not as above, or the mask is made for another number of rows.
///
/// # Differences
///
/// - Paper: one head; it does not discuss padding.
/// - PyTorch, burn: no counterpart. Checked against `scripts/parity/scores.py`.
///
/// # References
///
/// Luong, Pham, Manning 2015. <https://arxiv.org/abs/1508.04025>, section 3.2.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{AttentionOptions, LocalWindow, local_attention};
///
/// let device = Device::flex();
/// let scores = Tensor::<4>::zeros([1, 1, 1, 5], &device);
/// let value = Tensor::<3>::ones([1, 5, 1], &device);
/// let window = LocalWindow::predicted(Tensor::from_floats([[[2.5]]], &device), 1);
/// let output = local_attention(scores, value, &window, AttentionOptions::new(1));
/// // Keys 2 and 3 share alike, each half a position, that is one deviation, off the centre.
/// let context = output.context.into_scalar::<f32>();
/// assert!((context - (-0.5_f32).exp()).abs() < 1e-6);
/// ```
pub fn local_attention(
    scores: Tensor<4>,
    value: Tensor<3>,
    window: &LocalWindow,
    mut options: AttentionOptions,
) -> AttentionOutput {
    let [batch, n_heads, t, s] = scores.dims();
    check(&scores, &value, window, options.n_heads);
    let half_width = window.half_width as f64;
    let keys = (0..s).map(|key| key as f32).collect::<Vec<_>>();
    let like = (&scores.device(), scores.dtype());
    let keys = Tensor::<4>::from_data(TensorData::new(keys, [1, 1, 1, s]), like);
    let centre = window.centre.clone().cast(scores.dtype());
    let distance = keys - centre.unsqueeze_dim(3); // [B, H, T, S], or axes of 1
    let outside = distance.clone().abs().greater_elem(half_width);

    let scores = match options.bias.take() {
        Some(bias) => scores + bias,
        None => scores,
    };
    let scores = scores.mask_fill(outside.clone(), BLOCKED);
    let aligned = attention_weights(scores, &options.mask, options.normalizer);
    let weights = if window.gaussian {
        aligned * (distance.square() * (-2.0 / half_width.powi(2))).exp()
    } else {
        aligned
    };
    // Where a window holds no visible key, all of its row's scores were alike.
    let weights = weights.mask_fill(outside, 0.0);
    let weights = match options.mask.to_tensor(batch, [t, s], &weights.device()) {
        Some(blocked) => weights.mask_fill(blocked, 0.0),
        None => weights,
    };
    attention_from_weights(weights, value, n_heads, options)
}

fn check(scores: &Tensor<4>, value: &Tensor<3>, window: &LocalWindow, expected_heads: usize) {
    let [batch, n_heads, t, s] = scores.dims();
    let ([rows, keys, width], [centre_rows, centre_heads, queries]) =
        (value.dims(), window.centre.dims());
    assert!(
        [n_heads, rows, keys, queries] == [expected_heads, batch, s, t]
            && width.is_multiple_of(n_heads)
            && [1, batch].contains(&centre_rows)
            && [1, n_heads].contains(&centre_heads),
        "local_attention: expected scores [B, H, T, S], values [B, S, H K_v], centres [B or 1, H or 1, T] with \
         H = {expected_heads}, got {:?}, {:?}, {:?}",
        scores.dims(),
        value.dims(),
        window.centre.dims()
    );
}

/// Where a query's window lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LocalAlignment {
    /// `p_t = t`: source and target run side by side. The paper's local-m.
    Monotonic,
    /// `p_t = length * sigmoid(v_p . tanh(W_p q_t))`, and a Gaussian around it. The paper's local-p.
    Predictive,
}

/// Score, place and size of the window of [`LocalAttention`].
#[derive(Config, Debug)]
pub struct LocalAttentionConfig {
    /// How pairs are scored; number of heads and dropout stand there too.
    pub score: LuongAttentionConfig,
    /// Where the window lies.
    pub alignment: LocalAlignment,
    /// D, in positions: the window holds the keys up to D before and behind its centre. At least 1 for predicted
    /// positions. Default 10, as in the paper.
    #[config(default = 10)]
    pub half_width: usize,
}

/// A sequence attends to a window of a memory: Luong's local attention, over any of the scores of [`LuongAttention`].
///
/// ```text
/// monotonic   p_t = t                                                        no parameters
/// predictive  p_t = length * sigmoid(v_p . tanh(W_p q_t))                    [B, H, T]
/// context     = local attention of width D around p_t, of the memory itself  [B, T, D_m]
/// ```
///
/// with [`local_attention`]. `length` is the number of real positions of the row. Each head predicts positions of its own.
///
/// # Shapes
///
/// | value | shape | meaning |
/// |-------|-------|---------|
/// | `query` | `[B, T, D_q]` | decoder states |
/// | `memory` | `[B, S, D_m]` | encoder states |
/// | `context` | `[B, T, D_m]` | |
/// | `weights` | `[B, H, T, S]` | before dropout, if the pass wants them |
///
/// # Parameters
///
/// Those of the score under `score`; predictive besides `position: [D_q, D_q]` (`W_p`) and `position_score: [D_q, H]`
/// (`v_p`), without biases, Xavier uniform: `D_q (D_q + H)` numbers.
///
/// # Behaviour
///
/// - Predictive: **weights do not sum to 1**, and gradients reach `W_p` and `v_p` through the Gaussian.
/// - Monotonic: a query needs to know its position, so [`attend`](Self::attend) is told where the first one stands. A
///   query whose window lies wholly behind the end of the row gets a zero context.
/// - Padding is outside every window; the lengths also say where predicted positions may lie: from 0 to the length.
/// - Cost: that of the score.
///
/// # Panics
///
/// If a width is not that of the configuration, the rows of the queries are not a multiple of those of the memory, or the
/// mask is made for another number of rows. Predictive: if the mask has blocks or graphs, whose rows have no one length.
///
/// # Differences
///
/// - Paper: one head. Its predicted positions lie in `[0, S]`, which fits keys counted from 0 and from 1; here from 0.
/// - PyTorch, burn: no counterpart. Checked against `scripts/parity/scores.py`.
///
/// # References
///
/// Luong, Pham, Manning 2015. <https://arxiv.org/abs/1508.04025>, section 3.2, equations 9 and 10.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{AttentionMask, Init, LocalAlignment, LocalAttentionConfig};
/// use regard_nn::{LuongAttentionConfig, LuongScore, Pass};
///
/// let device = Device::flex();
/// let score = LuongAttentionConfig::new(2, 2, LuongScore::Dot);
/// let config = LocalAttentionConfig::new(score, LocalAlignment::Monotonic).with_half_width(1);
/// let attention = config.init(&Init::new(1, &device));
/// let memory = attention.project(Tensor::ones([1, 6, 2], &device));
/// let query = Tensor::ones([1, 1, 2], &device);
/// let pass = Pass::evaluation().with_attention();
/// let output = attention.attend(query, &memory, 4, &AttentionMask::key_lengths(vec![5]), &pass);
/// // The fifth query looks around the fifth position; behind it is padding.
/// let weights = output.weights.unwrap().into_data();
/// assert_eq!(weights.as_slice::<f32>().unwrap(), [0.0, 0.0, 0.0, 0.5, 0.5, 0.0]);
/// ```
#[derive(Module, Debug)]
pub struct LocalAttention {
    /// How pairs are scored.
    pub score: LuongAttention,
    /// `W_p`, `[D_q, D_q]`.
    pub position: Option<Linear>,
    /// `v_p` of each head, `[D_q, H]`.
    pub position_score: Option<Linear>,
    half_width: usize,
}

impl LocalAttentionConfig {
    /// Local attention with parameters from `init`.
    ///
    /// # Panics
    ///
    /// As [`LuongAttentionConfig::init`].
    pub fn init(&self, init: &Init) -> LocalAttention {
        let LuongAttentionConfig {
            d_query, n_heads, ..
        } = self.score;
        let predictive = self.alignment == LocalAlignment::Predictive;
        LocalAttention {
            score: self.score.init(&init.at("score")),
            position: predictive
                .then(|| Linear::new(d_query, d_query, &init.at("position")).without_bias()),
            position_score: predictive.then(|| Linear {
                // Each head's vector as if alone.
                weight: init.at("position_score").xavier([d_query, n_heads], 1),
                bias: None,
            }),
            half_width: self.half_width,
        }
    }
}

impl LocalAttention {
    /// `query: [B, T, D_q]`, whose first stands at position 0, looks at `memory: [B, S, D_m]`.
    pub fn forward(
        &self,
        query: Tensor<3>,
        memory: Tensor<3>,
        mask: &AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        self.attend(query, &self.project(memory), 0, mask, pass)
    }

    /// Keys, and values, the memory `[B, S, D_m]` itself.
    pub fn project(&self, memory: Tensor<3>) -> ProjectedMemory {
        self.score.project(memory)
    }

    /// `query: [R, T, D_q]`, of which the first of every row stands at position `start`. R is a multiple of the B rows of
    /// `memory`: then several rows look at the same row of the memory, in groups, and the mask may hold key lengths only,
    /// those of the B rows.
    pub fn attend(
        &self,
        query: Tensor<3>,
        memory: &ProjectedMemory,
        start: usize,
        mask: &AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        let [_, length, _] = query.dims();
        let options = self.score.options(mask, pass);
        memory.grouped("LocalAttention", query, mask, |query| {
            let window = self.window(&query, memory, start, length, mask);
            let scores = self.score.scores(query, memory);
            local_attention(scores, memory.value.clone(), &window, options)
        })
    }

    /// The windows of queries `[B, T, D_q]`: in groups of `length`, each beginning at position `start`.
    fn window(
        &self,
        query: &Tensor<3>,
        memory: &ProjectedMemory,
        start: usize,
        length: usize,
        mask: &AttentionMask,
    ) -> LocalWindow {
        let [rows, t, _] = query.dims();
        let (Some(position), Some(score)) = (&self.position, &self.position_score) else {
            let positions: Vec<usize> = (0..t).map(|i| start + i % length).collect();
            return LocalWindow::monotonic(&positions, self.half_width, &query.device());
        };
        let lengths = real_lengths(mask, rows, memory.key.dims()[1]);
        let lengths =
            Tensor::<3>::from_data(TensorData::new(lengths, [rows, 1, 1]), &query.device());
        let hidden = position.forward_sequence(query.clone()).tanh(); // [B, T, D_q]
        let share = activation::sigmoid(score.forward_sequence(hidden)); // [B, T, H]
        LocalWindow::predicted(lengths * share.swap_dims(1, 2), self.half_width)
    }
}

/// Number of positions of each row of the memory that are no padding.
fn real_lengths(mask: &AttentionMask, rows: usize, s: usize) -> Vec<f32> {
    let (mask, _) = mask.clone().split_window();
    let lengths = mask.lengths_only(rows, s).unwrap_or_else(|| {
        panic!("LocalAttention: predicted positions need rows of one length each, got {mask:?}")
    });
    assert_eq!(
        lengths.len(),
        rows,
        "LocalAttention: mask for {} rows, batch of {rows}",
        lengths.len()
    );
    lengths.into_iter().map(|length| length as f32).collect()
}
