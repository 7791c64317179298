//! Cross-attention with several heads.

use burn::module::Module;
use burn::tensor::Tensor;
use regard_kernels::cross_attention;

use super::by_rows;
use super::multi_head::{Heads, QueryKeyNorm, split_columns};
use super::projected::Groups;
use crate::{
    AttentionMask, AttentionOutput, Init, Layout, Linear, Mapped, MultiHeadAttentionConfig, Pass,
};

/// A sequence attends to another.
///
/// ```text
/// q    = x W_query + b_query                                 [B, T, H K]
/// k, v = memory W_key_value + b_key_value                    [B, S, H_kv K] each
/// y    = attention(q, k, v) W_output + b_output              [B, T, D]
/// ```
///
/// # Shapes
///
/// | value | shape | meaning |
/// |-------|-------|---------|
/// | `x` | `[B, T, D]` | who looks |
/// | `memory` | `[B, S, D]` | what is looked at |
/// | `context` | `[B, T, D]` | |
/// | `weights` | `[B, H, T, S]` | before dropout, if the pass wants them |
///
/// # Parameters
///
/// `query: [D, D]`, `key_value: [D, 2 H_kv K]` packed, `output: [D, D]`, with biases by default; `query_key_norm.scale: [H]`
/// if configured.
///
/// # Behaviour
///
/// As [`attention`](crate::attention()), cost included; the maps are `O(N D^2)`. Keys and values can be computed once, by [`project`](Self::project), for all steps of a decoder.
///
/// # Panics
///
/// If a width is not D, the mask is made for another number of rows, or the rows of the queries are not a multiple of those
/// of the memory.
///
/// # Differences
///
/// - Paper and PyTorch: as [`MultiHeadSelfAttention`](crate::MultiHeadSelfAttention).
/// - burn-nn 0.22.1 has `CrossAttention`, with heads in groups too (it repeats keys and values, here nothing is copied) and
///   a memory of another width; `forward_cache` keeps keys and values. It masks by key alone, with a score of -1e4 by
///   default, so that blocked keys share where nothing is visible, and returns no weights.
///
/// # References
///
/// Vaswani et al. 2017. <https://arxiv.org/abs/1706.03762>, section 3.2.3.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_nn::{AttentionMask, Init, MultiHeadAttentionConfig, Pass};
///
/// let attention = MultiHeadAttentionConfig::new(8, 2).init_cross(&Init::new(1, &Device::flex()));
/// let x = Tensor::<3>::ones([1, 3, 8], &Device::flex());
/// let memory = Tensor::<3>::ones([1, 5, 8], &Device::flex());
/// let mask = AttentionMask::key_lengths(vec![4]);
/// let output = attention.forward(x, memory, &mask, &Pass::evaluation().with_attention());
/// let weights = output.weights.unwrap().into_data();
/// assert_eq!(weights.as_slice::<f32>().unwrap()[..5], [0.25, 0.25, 0.25, 0.25, 0.0]);
/// ```
#[derive(Module, Debug)]
pub struct MultiHeadCrossAttention {
    /// Queries, `[D, D]`.
    pub query: Linear,
    /// Keys and values, `[D, 2 H_kv K]`.
    pub key_value: Linear,
    /// From the joined heads back, `[D, D]`.
    pub output: Linear,
    query_key_norm: Option<QueryKeyNorm>,
    #[module(skip)]
    heads: Heads,
}

impl MultiHeadCrossAttention {
    pub(super) fn new(config: &MultiHeadAttentionConfig, init: &Init) -> Self {
        let heads = config.heads();
        let widths = [heads.key_width(); 2];
        Self {
            query: config.map(&[config.d_model], &init.at("query")),
            key_value: config.map(&widths, &init.at("key_value")),
            output: config.map(&[config.d_model], &init.at("output")),
            query_key_norm: config.query_key_norm(init),
            heads,
        }
    }

    /// `x: [B, T, D]` looks at `memory: [B, S, D]`; weights (if the pass wants them) are `[B, H, T, S]`.
    pub fn forward(
        &self,
        x: Tensor<3>,
        memory: Tensor<3>,
        mask: &AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        let [batch, length, _] = memory.dims();
        let memory_layout = Layout::dense(batch, length);
        let memory = self.project(memory_layout.flatten(memory), &memory_layout);
        by_rows(x, |x, layout| {
            self.attend(x, layout, &memory, mask.clone(), pass)
        })
    }

    /// Keys and values of a memory `[N, D]`, side by side, `[B, S, 2 H_kv K]`: computed once, used at every step.
    pub fn project(&self, memory: Tensor<2>, layout: &Layout) -> Tensor<3> {
        let key_value = layout.unflatten(self.key_value.forward(memory));
        if self.query_key_norm.is_none() {
            return key_value;
        }
        let [key, value] = split_columns(&key_value, [self.heads.key_width(); 2]);
        let key = QueryKeyNorm::key(key, self.heads.width);
        Tensor::cat(vec![key, value], 2)
    }

    /// The form that blocks call: `x: [N, D]` to `[N, D]`, on projected keys and values.
    ///
    /// `layout` may have a multiple of the memory's rows: they then look at the same memory row in groups, and the mask may
    /// hold key lengths only, those of the memory's rows. Weights are `[R, H, T, S]` for the R rows of `layout`.
    pub fn attend(
        &self,
        x: Tensor<2>,
        layout: &Layout,
        key_value: &Tensor<3>,
        mask: AttentionMask,
        pass: &Pass,
    ) -> (Mapped<'_>, Option<Tensor<4>>) {
        // Without order between queries, the hypotheses of a sentence are as good as positions of one row.
        let [memory_rows, s, _] = key_value.dims();
        let rows = [layout.batch(), layout.length()];
        let groups = Groups::new("MultiHeadCrossAttention", rows, [memory_rows, s], &mask);
        let mut query = groups.join(layout.unflatten(self.query.forward(x)));
        let mut options = self.heads.options(mask, pass);
        if let Some(norm) = &self.query_key_norm {
            query = norm.query(query, self.heads.width);
            options.scale = Some(1.0);
        }
        let attended = cross_attention(query, key_value.clone(), options);
        let context = self
            .output
            .of(layout.flatten(groups.part(attended.context)));
        let weights = attended.weights.map(|weights| groups.part_weights(weights));
        (context, weights)
    }
}
