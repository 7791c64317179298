//! Multi-head attention with parameters.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;
use regard_kernels::{attention, cross_attention, self_attention};

use super::options;
use crate::{AttentionMask, AttentionOutput, Init, KeyValueCache, Layout, Linear, Pass};

/// Sizes of multi-head attention.
#[derive(Config, Debug)]
pub struct MultiHeadAttentionConfig {
    /// Width D of queries, keys, values and result; a multiple of `n_heads`.
    pub d_model: usize,
    /// Number of heads H, each of width `K = D / H`.
    pub n_heads: usize,
    /// Probability of dropping a weight, in `[0, 1)`. Default 0: dropout on the residual sums does most of the work.
    #[config(default = 0.0)]
    pub dropout: f64,
}

/// A sequence attends to itself.
///
/// ```text
/// q, k, v = x W_qkv + b_qkv                                  each [B, T, H K]
/// y       = attention(q, k, v) W_output + b_output           [B, T, D]
/// ```
///
/// with [`regard_kernels::attention`] computing every head by itself.
///
/// # Parameters
///
/// `qkv: [D, 3 D]`, the three projections packed into one product, and `output: [D, D]`, with biases; `4 D (D + 1)`
/// numbers in all. Xavier uniform as if the packed maps were apart, biases zero.
///
/// # Panics
///
/// If the width of `x` is not D, or the mask is made for another number of rows.
///
/// # Differences
///
/// - Paper: no biases there; blocked keys get weight exactly 0.
/// - PyTorch's `MultiheadAttention` holds the transpose, `[3 D, D]`, in the same order q, k, v, and averages the
///   weights over heads.
/// - burn's holds three maps, and its cache recomputes every past position.
///
/// # References
///
/// Vaswani et al. 2017. <https://arxiv.org/abs/1706.03762>, section 3.2.2.
#[derive(Module, Debug)]
pub struct MultiHeadSelfAttention {
    /// Queries, keys and values, `[D, 3 D]`.
    pub qkv: Linear,
    /// From the joined heads back, `[D, D]`.
    pub output: Linear,
    n_heads: usize,
    dropout: f64,
}

/// A sequence attends to another.
///
/// As [`MultiHeadSelfAttention`], with queries from one sequence, keys and values from the other.
///
/// # Parameters
///
/// `query: [D, D]`, `key_value: [D, 2 D]` packed, `output: [D, D]`, with biases.
///
/// # References
///
/// Vaswani et al. 2017. <https://arxiv.org/abs/1706.03762>, section 3.2.3.
#[derive(Module, Debug)]
pub struct MultiHeadCrossAttention {
    /// Queries, `[D, D]`.
    pub query: Linear,
    /// Keys and values, `[D, 2 D]`.
    pub key_value: Linear,
    /// From the joined heads back, `[D, D]`.
    pub output: Linear,
    n_heads: usize,
    dropout: f64,
}

impl MultiHeadAttentionConfig {
    /// Self-attention with parameters from `init`.
    ///
    /// # Panics
    ///
    /// If `d_model` is not a multiple of `n_heads`.
    pub fn init_self(&self, init: &Init) -> MultiHeadSelfAttention {
        self.check();
        MultiHeadSelfAttention {
            qkv: Linear::packed(self.d_model, self.d_model, 3, &init.at("qkv")),
            output: Linear::new(self.d_model, self.d_model, &init.at("output")),
            n_heads: self.n_heads,
            dropout: self.dropout,
        }
    }

    /// Cross-attention with parameters from `init`.
    ///
    /// # Panics
    ///
    /// If `d_model` is not a multiple of `n_heads`.
    pub fn init_cross(&self, init: &Init) -> MultiHeadCrossAttention {
        self.check();
        MultiHeadCrossAttention {
            query: Linear::new(self.d_model, self.d_model, &init.at("query")),
            key_value: Linear::packed(self.d_model, self.d_model, 2, &init.at("key_value")),
            output: Linear::new(self.d_model, self.d_model, &init.at("output")),
            n_heads: self.n_heads,
            dropout: self.dropout,
        }
    }

    fn check(&self) {
        assert!(
            self.n_heads > 0 && self.d_model.is_multiple_of(self.n_heads),
            "MultiHeadAttention: expected d_model to be a multiple of n_heads = {}, got {}",
            self.n_heads,
            self.d_model
        );
    }
}

impl MultiHeadSelfAttention {
    /// `x: [B, T, D]`; the context has the same shape, weights (if the pass wants them) are `[B, H, T, T]`.
    pub fn forward(&self, x: Tensor<3>, mask: &AttentionMask, pass: &Pass) -> AttentionOutput {
        let [batch, length, _] = x.dims();
        let layout = Layout { batch, length };
        let (context, weights) = self.attend(Layout::flatten(x), layout, mask.clone(), None, pass);
        AttentionOutput {
            context: layout.unflatten(context),
            weights,
        }
    }

    /// The form that blocks call: `x: [N, D]` to `[N, D]`. With a cache, `x` holds the positions that follow those in it.
    pub fn attend(
        &self,
        x: Tensor<2>,
        layout: Layout,
        mask: AttentionMask,
        cache: Option<&mut KeyValueCache>,
        pass: &Pass,
    ) -> (Tensor<2>, Option<Tensor<4>>) {
        let qkv = layout.unflatten(self.qkv.forward(x));
        let options = options(self.n_heads, mask, self.dropout, pass);
        let attended = match cache {
            None => self_attention(qkv, options),
            Some(cache) => {
                let [query, key, value] = split_columns(&qkv);
                let (key, value) = cache.append(key, value);
                attention(query, key, value, options)
            }
        };
        let context = self.output.forward(Layout::flatten(attended.context));
        (context, attended.weights)
    }
}

impl MultiHeadCrossAttention {
    /// `x: [B, T, D]` looks at `memory: [B, S, D]`; weights (if the pass wants them) are `[B, H, T, S]`.
    pub fn forward(
        &self,
        x: Tensor<3>,
        memory: Tensor<3>,
        mask: &AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        let [batch, length, _] = memory.dims();
        let memory_layout = Layout { batch, length };
        let memory = self.project(Layout::flatten(memory), memory_layout);
        let [batch, length, _] = x.dims();
        let layout = Layout { batch, length };
        let (context, weights) =
            self.attend(Layout::flatten(x), layout, &memory, mask.clone(), pass);
        AttentionOutput {
            context: layout.unflatten(context),
            weights,
        }
    }

    /// Keys and values of a memory `[N, D]`, side by side, `[B, S, 2 H K]`: computed once, used at every step.
    pub fn project(&self, memory: Tensor<2>, layout: Layout) -> Tensor<3> {
        layout.unflatten(self.key_value.forward(memory))
    }

    /// The form that blocks call: `x: [N, D]` to `[N, D]`, on projected keys and values.
    ///
    /// `layout` may have a multiple of the memory's rows: they then look at the same memory row in groups. Weights are
    /// `[R, H, T, S]` for the R rows of `layout`.
    pub fn attend(
        &self,
        x: Tensor<2>,
        layout: Layout,
        key_value: &Tensor<3>,
        mask: AttentionMask,
        pass: &Pass,
    ) -> (Tensor<2>, Option<Tensor<4>>) {
        // Without order between queries, the hypotheses of a sentence are as good as positions of one row.
        let [memory_rows, _, _] = key_value.dims();
        let grouped = Layout {
            batch: memory_rows,
            length: layout.batch / memory_rows * layout.length,
        };
        let query = grouped.unflatten(self.query.forward(x));
        let options = options(self.n_heads, mask, self.dropout, pass);
        let attended = cross_attention(query, key_value.clone(), options);
        let context = self.output.forward(Layout::flatten(attended.context));
        let weights = attended.weights.map(|weights| ungroup(weights, layout));
        (context, weights)
    }
}

/// `[B, H, R / B * T, S]` to `[R, H, T, S]`.
fn ungroup(weights: Tensor<4>, layout: Layout) -> Tensor<4> {
    let [memory_rows, n_heads, _, keys] = weights.dims();
    let Layout {
        batch: rows,
        length,
    } = layout;
    weights
        .reshape([memory_rows, n_heads, rows / memory_rows, length, keys])
        .swap_dims(1, 2)
        .reshape([rows, n_heads, length, keys])
}

/// Cuts `[B, T, P * D]` into P tensors `[B, T, D]`.
fn split_columns<const P: usize>(x: &Tensor<3>) -> [Tensor<3>; P] {
    let [batch, length, width] = x.dims();
    let width = width / P;
    std::array::from_fn(|i| {
        x.clone()
            .slice([0..batch, 0..length, i * width..(i + 1) * width])
    })
}
