//! The encoder stack.

use burn::module::Module;
use burn::tensor::Tensor;

use super::TransformerConfig;
use crate::{
    AttentionKind, AttentionMap, AttentionMask, FeedForward, FeedForwardConfig, Init, LayerNorm,
    Layout, MultiHeadAttentionConfig, MultiHeadSelfAttention, Pass, Residual, ResidualForm,
};

/// Self-attention, then feed-forward, each inside a residual connection.
#[derive(Module, Debug)]
pub(super) struct EncoderLayer {
    self_attention: MultiHeadSelfAttention,
    self_attention_residual: Residual,
    feed_forward: FeedForward,
    feed_forward_residual: Residual,
}

/// A stack of [`EncoderLayer`]s, with a final norm if they are pre-norm.
#[derive(Module, Debug)]
pub(super) struct Encoder {
    layers: Vec<EncoderLayer>,
    norm: Option<LayerNorm>,
}

/// The parts that encoder and decoder layers share.
pub(super) struct Parts {
    pub(super) attention: MultiHeadAttentionConfig,
    pub(super) feed_forward: FeedForwardConfig,
    d_model: usize,
    dropout: f64,
    pre_norm: bool,
}

impl Parts {
    pub(super) fn new(config: &TransformerConfig) -> Self {
        Self {
            attention: MultiHeadAttentionConfig::new(config.d_model, config.n_heads)
                .with_dropout(config.attention_dropout),
            feed_forward: FeedForwardConfig::new(config.d_model, config.d_ff),
            d_model: config.d_model,
            dropout: config.dropout,
            pre_norm: config.residual == ResidualForm::Pre,
        }
    }

    pub(super) fn residual(&self, init: &Init) -> Residual {
        Residual::new(self.d_model, self.dropout, self.pre_norm, init)
    }

    pub(super) fn final_norm(&self, init: &Init) -> Option<LayerNorm> {
        self.pre_norm
            .then(|| LayerNorm::new(self.d_model, &init.at("norm")))
    }
}

impl EncoderLayer {
    fn new(config: &TransformerConfig, init: &Init) -> Self {
        let parts = Parts::new(config);
        Self {
            self_attention: parts.attention.init_self(&init.at("self_attention")),
            self_attention_residual: parts.residual(&init.at("self_attention_residual")),
            feed_forward: parts.feed_forward.init(&init.at("feed_forward")),
            feed_forward_residual: parts.residual(&init.at("feed_forward_residual")),
        }
    }

    fn forward(
        &self,
        x: Tensor<2>,
        layout: Layout,
        mask: &AttentionMask,
        pass: &Pass,
    ) -> (Tensor<2>, Option<Tensor<4>>) {
        let mut weights = None;
        let attending = pass.at("self_attention");
        let x = self
            .self_attention_residual
            .forward(x, layout, &attending, |x| {
                let attended =
                    self.self_attention
                        .attend(x, layout, mask.clone(), None, None, &attending);
                weights = attended.1;
                attended.0
            });
        let x = self
            .feed_forward_residual
            .forward(x, layout, &pass.at("feed_forward"), |x| {
                self.feed_forward.forward(x)
            });
        (x, weights)
    }
}

impl Encoder {
    pub(super) fn new(config: &TransformerConfig, init: &Init) -> Self {
        Self {
            layers: (0..config.encoder_layers)
                .map(|i| EncoderLayer::new(config, &init.at("layers").nth(i)))
                .collect(),
            norm: Parts::new(config).final_norm(init),
        }
    }

    /// `x: [N, D]` to `[N, D]`, and the maps that the pass wants.
    pub(super) fn forward(
        &self,
        mut x: Tensor<2>,
        layout: Layout,
        mask: &AttentionMask,
        pass: &Pass,
    ) -> (Tensor<2>, Vec<AttentionMap>) {
        let mut maps = Vec::new();
        for (layer, block) in self.layers.iter().enumerate() {
            let (y, weights) = block.forward(x, layout, mask, &pass.nth(layer));
            x = y;
            maps.extend(weights.map(|weights| AttentionMap {
                kind: AttentionKind::Encoder,
                layer,
                weights,
            }));
        }
        if let Some(norm) = &self.norm {
            x = norm.forward(x);
        }
        (x, maps)
    }
}
