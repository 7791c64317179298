//! The decoder stack.

use burn::module::Module;
use burn::tensor::Tensor;
use regard_kernels::recompute;

use super::encoder::Parts;
use super::self_attention::{Past, SelfAttention, multi_head};
use super::{TransformerConfig, TransformerMemory};
use crate::{
    AttentionKind, AttentionMap, AttentionMask, FeedForward, Init, Layout, MultiHeadCrossAttention,
    Norm, Pass, Residual,
};

/// Causal self-attention, cross-attention, feed-forward, each inside a residual connection.
#[derive(Module, Debug)]
pub(super) struct DecoderLayer {
    self_attention: SelfAttention,
    self_attention_residual: Residual,
    cross_attention: MultiHeadCrossAttention,
    cross_attention_residual: Residual,
    feed_forward: FeedForward,
    feed_forward_residual: Residual,
}

/// A stack of [`DecoderLayer`]s, with a final norm if they are pre-norm.
#[derive(Module, Debug)]
pub(super) struct Decoder {
    layers: Vec<DecoderLayer>,
    norm: Option<Norm>,
}

/// What one layer looked at: the target's past, and the source.
#[derive(Default)]
struct LayerWeights {
    past: Option<Tensor<4>>,
    source: Option<Tensor<4>>,
}

impl DecoderLayer {
    fn new(config: &TransformerConfig, init: &Init) -> Self {
        let parts = Parts::new(config);
        Self {
            self_attention: SelfAttention::new(config, &init.at("self_attention")),
            self_attention_residual: parts.residual.init(&init.at("self_attention_residual")),
            cross_attention: multi_head(config).init_cross(&init.at("cross_attention")),
            cross_attention_residual: parts.residual.init(&init.at("cross_attention_residual")),
            feed_forward: parts.feed_forward.init(&init.at("feed_forward")),
            feed_forward_residual: parts.residual.init(&init.at("feed_forward_residual")),
        }
    }

    fn forward(
        &self,
        x: Tensor<2>,
        layout: &Layout,
        memory: (&Tensor<3>, &AttentionMask),
        (bias, history): (Option<&Tensor<4>>, Option<&mut Past>),
        pass: &Pass,
    ) -> (Tensor<2>, LayerWeights) {
        let (mut past, mut source) = (None, None);
        let attending = pass.at("self_attention");
        let x = self
            .self_attention_residual
            .forward(x, layout, &attending, |x| {
                let (mask, bias) = (AttentionMask::causal(), bias.cloned());
                let attended = self
                    .self_attention
                    .attend(x, layout, mask, bias, history, &attending);
                past = attended.1;
                attended.0
            });
        let attending = pass.at("cross_attention");
        let x = self
            .cross_attention_residual
            .forward(x, layout, &attending, |x| {
                let (key_value, mask) = memory;
                let attended =
                    self.cross_attention
                        .attend(x, layout, key_value, mask.clone(), &attending);
                source = attended.1;
                attended.0
            });
        let x = self
            .feed_forward_residual
            .forward(x, layout, &pass.at("feed_forward"), |x| {
                self.feed_forward.of(x)
            });
        (x, LayerWeights { past, source })
    }

    /// The same without history and weights, computed again in the backward pass.
    fn recomputed(
        &self,
        x: Tensor<2>,
        layout: &Layout,
        (key_value, mask): (&Tensor<3>, &AttentionMask),
        bias: Option<&Tensor<4>>,
        pass: Pass,
    ) -> Tensor<2> {
        let (layout, mask) = (layout.clone(), mask.clone());
        let inputs = (x, key_value.clone(), bias.cloned());
        recompute(self, inputs, move |layer, (x, key_value, bias)| {
            let memory = (&key_value, &mask);
            let context = (bias.as_ref(), None);
            layer.forward(x, &layout, memory, context, &pass).0
        })
    }
}

impl Decoder {
    pub(super) fn new(config: &TransformerConfig, init: &Init) -> Self {
        Self {
            layers: (0..config.decoder_layers)
                .map(|i| DecoderLayer::new(config, &init.at("layers").nth(i)))
                .collect(),
            norm: Parts::new(config).final_norm(init),
        }
    }

    /// Keys and values of the encoder's result `[N, D]`, for each layer.
    pub(super) fn project(&self, encoded: &Tensor<2>, layout: &Layout) -> Vec<Tensor<3>> {
        self.layers
            .iter()
            .map(|layer| layer.cross_attention.project(encoded.clone(), layout))
            .collect()
    }

    /// What each layer keeps, before the first position.
    pub(super) fn start(&self) -> Vec<Past> {
        let layers = self.layers.iter();
        layers.map(|layer| layer.self_attention.start()).collect()
    }

    /// `x: [N, D]` to `[N, D]`, and the maps that the pass wants. The bias broadcasts to the scores of every self-attention.
    /// With a history, one entry per layer, `x` holds the positions that follow it.
    pub(super) fn forward(
        &self,
        mut x: Tensor<2>,
        layout: &Layout,
        memory: &TransformerMemory,
        (bias, mut history): (Option<&Tensor<4>>, Option<&mut Vec<Past>>),
        pass: &Pass,
    ) -> (Tensor<2>, Vec<AttentionMap>) {
        let mut maps = Vec::new();
        for (layer, block) in self.layers.iter().enumerate() {
            let past = history.as_mut().map(|history| &mut history[layer]);
            let memory = (&memory.key_values[layer], &memory.mask);
            let pass = pass.nth(layer);
            let (y, weights) = if pass.recomputes() && past.is_none() {
                let y = block.recomputed(x, layout, memory, bias, pass);
                (y, LayerWeights::default())
            } else {
                block.forward(x, layout, memory, (bias, past), &pass)
            };
            x = y;
            let kinds = [
                (AttentionKind::Decoder, weights.past),
                (AttentionKind::Cross, weights.source),
            ];
            maps.extend(kinds.into_iter().filter_map(|(kind, weights)| {
                weights.map(|weights| AttentionMap {
                    kind,
                    layer,
                    weights,
                })
            }));
        }
        if let Some(norm) = &self.norm {
            x = norm.forward(x);
        }
        (x, maps)
    }
}
