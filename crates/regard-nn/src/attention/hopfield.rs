//! Attention as associative memory: a state moves towards the stored pattern that it resembles.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;
use regard_kernels::{BLOCKED, attention, product, split_heads};

use super::multi_head::split_columns;
use super::options;
use super::projected::Groups;
use crate::{AttentionMask, AttentionOptions, AttentionOutput, Init, Linear, Normalizer, Pass};

/// How long a state moves.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Settling {
    /// Number of updates at most; at least 1.
    pub iterations: usize,
    /// A state that an update would move by no more than this, in its largest component, stays where it is. Each state
    /// decides for itself, so that a batch changes nothing. What is 0 costs nothing; what is larger costs a look from the
    /// host at every iteration, which ends the loop when all have settled.
    pub tolerance: f64,
}

impl Settling {
    /// One update: attention.
    pub fn once() -> Self {
        Self {
            iterations: 1,
            tolerance: 0.0,
        }
    }
}

/// Retrieves from an associative memory: states move towards the patterns they resemble, then read what is stored there.
///
/// For each state `xi` and patterns `x_s` with values `v_s`, head by head:
///
/// ```text
/// xi      <- sum_s p_s x_s                              all iterations but the last
/// context  = sum_s dropout(p_s) v_s                     the last
/// p        = softmax_s(beta x_s . xi where not blocked)
/// ```
///
/// With `value = patterns` (auto-association) the context is the retrieved pattern; with other values, what belongs to it.
/// One iteration is [`attention`], with `beta` for `1 / sqrt(K)`. The larger beta, the closer to the one nearest pattern;
/// the smaller, the closer to the mean of all.
///
/// # Shapes
///
/// | value | shape | meaning |
/// |-------|-------|---------|
/// | `state` | `[B, T, H * K]` | queries |
/// | `patterns` | `[B, S, H * K]` | keys |
/// | `value` | `[B, S, H * K_v]` | |
/// | `weights` | `[B, H, T, S]` | those of the last iteration, before dropout |
///
/// `options.scale` is beta, `1 / sqrt(K)` if `None`.
///
/// # Behaviour
///
/// - Blocked patterns get weight exactly 0 at every iteration. A state that sees no pattern gets a zero context.
/// - Gradients flow through every iteration that moved a state. Dropout acts in the last one only.
/// - No iteration lets [`hopfield_energy`] rise.
/// - Cost: `iterations` times [`attention`].
///
/// # Panics
///
/// If `iterations` is 0, beta is not positive, the normaliser is another than softmax, or as [`attention`].
///
/// # Differences
///
/// - Paper: its update has no masks and no dropout.
/// - PyTorch, burn: no counterpart.
///
/// # References
///
/// Ramsauer et al. Hopfield Networks is All You Need. 2020. <https://arxiv.org/abs/2008.02217>, eq. 3.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{AttentionOptions, Settling, hopfield_retrieve};
///
/// let device = Device::flex();
/// let patterns = Tensor::<3>::from_floats([[[1.0, 1.0, -1.0], [-1.0, 1.0, 1.0]]], &device);
/// let corrupted = Tensor::<3>::from_floats([[[0.3, 1.0, -1.0]]], &device);
/// let options = AttentionOptions { scale: Some(8.0), ..AttentionOptions::new(1) };
/// let settling = Settling { iterations: 3, tolerance: 1e-6 };
/// let retrieved = hopfield_retrieve(corrupted, patterns.clone(), patterns, settling, options).context;
/// let first: f32 = retrieved.slice([0..1, 0..1, 0..1]).into_scalar();
/// assert!((first - 1.0).abs() < 1e-6);
/// ```
pub fn hopfield_retrieve(
    state: Tensor<3>,
    patterns: Tensor<3>,
    value: Tensor<3>,
    settling: Settling,
    options: AttentionOptions,
) -> AttentionOutput {
    assert!(
        settling.iterations > 0,
        "hopfield_retrieve: expected at least one iteration, got 0"
    );
    check_options("hopfield_retrieve", &options);
    let state = settle(state, &patterns, settling, &options);
    attention(state, patterns, value, options)
}

/// The state before the last iteration.
fn settle(
    mut state: Tensor<3>,
    patterns: &Tensor<3>,
    settling: Settling,
    options: &AttentionOptions,
) -> Tensor<3> {
    let update = AttentionOptions {
        dropout: None,
        weights: false,
        ..options.clone()
    };
    for _ in 1..settling.iterations {
        let (keys, values) = (patterns.clone(), patterns.clone());
        let next = attention(state.clone(), keys, values, update.clone()).context;
        if settling.tolerance == 0.0 {
            state = next;
            continue;
        }
        let [batch, t, width] = next.dims();
        let heads = [batch, t, options.n_heads, width / options.n_heads];
        let (next, last) = (next.reshape(heads), state.reshape(heads)); // [B, T, H, K]
        let change = (next.clone() - last.clone()).abs().max_dim(3); // [B, T, H, 1]
        let moves = change.greater_elem(settling.tolerance);
        let all_settled = !moves.clone().any().into_scalar::<bool>();
        state = last
            .mask_where(moves.expand(heads), next)
            .reshape([batch, t, width]);
        if all_settled {
            break;
        }
    }
    state
}

/// The energy of each state, which no iteration of [`hopfield_retrieve`] lets rise.
///
/// For a state `xi` and the N patterns `x_s` that it sees, the longest of which has length M:
///
/// ```text
/// E = -lse(beta, X^T xi) + 1/2 xi . xi + log(N) / beta + 1/2 M^2
/// lse(beta, z) = log(sum_s exp(beta z_s)) / beta
/// ```
///
/// # Shapes
///
/// `state: [B, T, H * K]`, `patterns: [B, S, H * K]`, energies `[B, H, T]`. Of the options, `n_heads`, `mask`, `scale`
/// (beta, `1 / sqrt(K)` if `None`) and `bias` are read; a bias b stands in the exponent, `exp(beta z_s + b_s)`, as it does in the update.
///
/// # Behaviour
///
/// - Without bias `0 <= E`, as large as `(|xi| + M)^2 / 2 + log(N) / beta` at most.
/// - Blocked patterns count neither in the sum nor in N and M. The energy of a state that sees no pattern is
///   `1/2 xi . xi`: the update takes it to 0.
/// - Units: those of a squared length of `xi`.
/// - Cost: as the scores of [`attention`].
///
/// # Panics
///
/// If the shapes do not fit, beta is not positive, the normaliser is another than softmax, or the mask is made for another
/// number of rows.
///
/// # Differences
///
/// - Paper: one state, every pattern visible, no bias.
/// - PyTorch, burn: no counterpart.
///
/// # References
///
/// Ramsauer et al. 2020. <https://arxiv.org/abs/2008.02217>, eq. 2; that it never rises: theorem 1.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{AttentionOptions, hopfield_energy};
///
/// let x = Tensor::<3>::from_floats([[[0.6, 0.8]]], &Device::flex());
/// // The only pattern is at rest: -1 + 1/2 + 0 + 1/2.
/// let energy: f32 = hopfield_energy(x.clone(), x, &AttentionOptions::new(1)).into_scalar();
/// assert!(energy.abs() < 1e-6);
/// ```
pub fn hopfield_energy(
    state: Tensor<3>,
    patterns: Tensor<3>,
    options: &AttentionOptions,
) -> Tensor<3> {
    let ([batch, t, width], [rows, s, pattern_width]) = (state.dims(), patterns.dims());
    let n_heads = options.n_heads;
    assert!(
        [batch, width] == [rows, pattern_width] && width.is_multiple_of(n_heads),
        "hopfield_energy: expected state [B, T, H K] and patterns [B, S, H K] with H = {n_heads}, got {:?} and {:?}",
        state.dims(),
        patterns.dims()
    );
    check_options("hopfield_energy", options);
    options.mask.check(batch, [t, s]);
    let k_width = width / n_heads;
    let beta = options.scale.unwrap_or(1.0 / (k_width as f64).sqrt());

    let state = split_heads(state, n_heads); // [B, H, T, K]
    let patterns = split_heads(patterns, n_heads); // [B, H, S, K]
    let own = state.clone().square().sum_dim(3) * 0.5; // [B, H, T, 1]
    if s == 0 {
        return own.reshape([batch, n_heads, t]);
    }
    let squares = patterns.clone().square().sum_dim(3).swap_dims(2, 3); // [B, H, 1, S]
    let mut scores = product(state, patterns.swap_dims(2, 3)) * beta; // [B, H, T, S]
    if let Some(bias) = options.bias.clone() {
        scores = scores + bias;
    }
    let mut visible = scores.ones_like();
    if let Some(blocked) = options.mask.to_tensor(batch, [t, s], &scores.device()) {
        scores = scores.mask_fill(blocked.clone(), BLOCKED);
        visible = visible.mask_fill(blocked, 0.0);
    }
    let count = visible.clone().sum_dim(3); // [B, H, T, 1]
    let nothing = count.clone().equal_elem(0.0);
    let longest = (squares * visible).max_dim(3) * 0.5;
    let largest = scores.clone().max_dim(3).detach();
    let lse = (scores - largest.clone()).exp().sum_dim(3).log() + largest;
    // Not `/ beta`: burn differentiates a division by a number in f32, whatever the type of the tensor.
    let energy = own.clone() + longest + (count.clamp_min(1.0).log() - lse) * (1.0 / beta);
    energy.mask_where(nothing, own).reshape([batch, n_heads, t])
}

fn check_options(function: &str, options: &AttentionOptions) {
    check_beta(function, options.scale);
    assert_eq!(
        options.normalizer,
        Normalizer::Softmax,
        "{function}: the normaliser"
    );
}

fn check_beta(function: &str, beta: Option<f64>) {
    assert!(
        beta.is_none_or(|beta| beta > 0.0),
        "{function}: expected a positive beta, got {beta:?}"
    );
}

/// A sequence asks an associative memory, which another sequence fills.
///
/// ```text
/// xi   = query W_query + b_query                                 states      [B, T, H K]
/// x, v = memory W_key_value + b_key_value                        patterns and values
/// y    = hopfield_retrieve(xi, x, v) W_output + b_output         [B, T, D]
/// ```
///
/// # Shapes
///
/// `query: [B, T, D]`, `memory: [B, S, D]`, context `[B, T, D]`; weights, if the pass wants them, `[B, H, T, S]`, those of
/// the last iteration.
///
/// # Parameters
///
/// Those of [`MultiHeadCrossAttention`](crate::MultiHeadCrossAttention), name by name: one iteration with the default beta
/// is that layer. `query: [D, D]`, `key_value: [D, 2 D]` packed, `output: [D, D]`, with biases; `4 D (D + 1)` numbers.
///
/// # Behaviour
///
/// As [`hopfield_retrieve`]. A learned memory, the same for every row, is a parameter of the caller's, given as `memory`.
///
/// # Panics
///
/// If a width is not D, the mask is made for another number of rows, or the rows of the queries are not a multiple of those
/// of the memory.
///
/// # Differences
///
/// - Paper: values are maps of the mapped patterns, `Y W_K W_V`; here of the memory itself, which is as general.
/// - The authors' PyTorch layers normalise states and patterns before mapping them, which is left to the model; they stop
///   head by head over the whole batch, here each state stops by itself.
/// - PyTorch, burn: no counterpart. Checked against `scripts/parity/memory.py`.
///
/// # References
///
/// Ramsauer et al. 2020. <https://arxiv.org/abs/2008.02217>, section 3.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{AttentionMask, HopfieldAttentionConfig, Init, Pass};
///
/// let device = Device::flex();
/// let config = HopfieldAttentionConfig::new(8, 2).with_iterations(3).with_beta(Some(1.0));
/// let memory = config.init(&Init::new(1, &device));
/// let x = Tensor::<3>::ones([1, 5, 8], &device);
/// let pass = Pass::evaluation().with_attention();
/// let output = memory.forward(x.clone(), x, &AttentionMask::none(), &pass);
/// // Patterns that cannot be told apart are retrieved together.
/// let weight: f32 = output.weights.unwrap().slice([0..1, 0..1, 0..1, 0..1]).into_scalar();
/// assert!((weight - 0.2).abs() < 1e-6);
/// ```
#[derive(Module, Debug)]
pub struct HopfieldAttention {
    /// States, `[D, D]`.
    pub query: Linear,
    /// Patterns and values, `[D, 2 D]`.
    pub key_value: Linear,
    /// From the joined heads back, `[D, D]`.
    pub output: Linear,
    n_heads: usize,
    beta: f64,
    iterations: usize,
    tolerance: f64,
    dropout: f64,
}

/// Sizes of an associative memory.
#[derive(Config, Debug)]
pub struct HopfieldAttentionConfig {
    /// Width D of queries, memory and result; a multiple of `n_heads`.
    pub d_model: usize,
    /// Number of heads H, each of width `K = D / H`.
    pub n_heads: usize,
    /// Inverse temperature, positive: how sharply a state tells patterns apart. Default `1 / sqrt(K)`, that of attention.
    pub beta: Option<f64>,
    /// Updates at most, at least 1. Default 1: mapped patterns are mostly so far apart that one is enough.
    #[config(default = 1)]
    pub iterations: usize,
    /// See [`Settling::tolerance`]. Default 0: all iterations, without a look from the host.
    #[config(default = 0.0)]
    pub tolerance: f64,
    /// Probability of dropping a weight of the last iteration, in `[0, 1)`. Default 0, as in
    /// [`MultiHeadAttentionConfig`](crate::MultiHeadAttentionConfig).
    #[config(default = 0.0)]
    pub dropout: f64,
}

impl HopfieldAttentionConfig {
    /// An associative memory with parameters from `init`.
    ///
    /// # Panics
    ///
    /// If `d_model` is not a multiple of `n_heads`, beta is not positive, or `iterations` is 0.
    pub fn init(&self, init: &Init) -> HopfieldAttention {
        let (d_model, n_heads) = (self.d_model, self.n_heads);
        assert!(
            n_heads > 0 && d_model.is_multiple_of(n_heads) && self.iterations > 0,
            "HopfieldAttention: expected d_model to be a multiple of n_heads = {n_heads} and at least one iteration, \
             got {d_model} and {} iterations",
            self.iterations
        );
        check_beta("HopfieldAttention", self.beta);
        HopfieldAttention {
            query: Linear::new(d_model, d_model, &init.at("query")),
            key_value: Linear::packed(d_model, &[d_model; 2], &init.at("key_value")),
            output: Linear::new(d_model, d_model, &init.at("output")),
            n_heads,
            beta: self
                .beta
                .unwrap_or(1.0 / ((d_model / n_heads) as f64).sqrt()),
            iterations: self.iterations,
            tolerance: self.tolerance,
            dropout: self.dropout,
        }
    }
}

impl HopfieldAttention {
    /// `query: [B, T, D]` asks `memory: [B, S, D]`; weights (if the pass wants them) are `[B, H, T, S]`.
    pub fn forward(
        &self,
        query: Tensor<3>,
        memory: Tensor<3>,
        mask: &AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        self.attend(query, &self.project(memory), mask, pass)
    }

    /// Patterns and values of a memory, side by side, `[B, S, 2 H K]`: computed once, used at every step.
    pub fn project(&self, memory: Tensor<3>) -> Tensor<3> {
        self.key_value.forward_sequence(memory)
    }

    /// [`forward`](Self::forward) on projected patterns and values. `query: [R, T, D]`, R a multiple of the B rows of the
    /// memory: then several rows look at the same row of the memory, in groups, and the mask may hold key lengths only,
    /// those of the B rows.
    pub fn attend(
        &self,
        query: Tensor<3>,
        key_value: &Tensor<3>,
        mask: &AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        let [batch, length, _] = query.dims();
        let [memory_rows, s, _] = key_value.dims();
        let groups = Groups::new("HopfieldAttention", [batch, length], [memory_rows, s], mask);
        let state = groups.join(self.query.forward_sequence(query));
        let [patterns, value] = split_columns(key_value, [key_value.dims()[2] / 2; 2]);
        let settling = Settling {
            iterations: self.iterations,
            tolerance: self.tolerance,
        };
        let options = AttentionOptions {
            scale: Some(self.beta),
            ..options(self.n_heads, mask.clone(), self.dropout, pass)
        };
        let retrieved = hopfield_retrieve(state, patterns, value, settling, options);
        let context = self.output.forward_sequence(retrieved.context);
        AttentionOutput {
            context: groups.part(context),
            weights: retrieved
                .weights
                .map(|weights| groups.part_weights(weights)),
        }
    }
}
