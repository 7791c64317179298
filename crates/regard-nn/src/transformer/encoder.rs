//! The encoder stack.

use burn::module::Module;
use burn::tensor::Tensor;
use regard_kernels::recompute;

use super::TransformerConfig;
use super::self_attention::SelfAttention;
use crate::{
    AttentionKind, AttentionMap, AttentionMask, FeedForward, FeedForwardConfig, Init, Layout, Norm,
    Pass, Residual, ResidualConfig, ResidualForm,
};

/// Self-attention, then feed-forward, each inside a residual connection.
#[derive(Module, Debug)]
pub(super) struct EncoderLayer {
    self_attention: SelfAttention,
    self_attention_residual: Residual,
    feed_forward: FeedForward,
    feed_forward_residual: Residual,
}

/// A stack of [`EncoderLayer`]s, with a final norm if they are pre-norm.
#[derive(Module, Debug)]
pub(super) struct Encoder {
    layers: Vec<EncoderLayer>,
    norm: Option<Norm>,
}

/// The parts that encoder and decoder layers share.
pub(super) struct Parts {
    pub(super) feed_forward: FeedForwardConfig,
    pub(super) residual: ResidualConfig,
}

impl Parts {
    pub(super) fn new(config: &TransformerConfig) -> Self {
        Self {
            feed_forward: FeedForwardConfig::new(config.d_model, config.d_ff)
                .with_activation(config.activation)
                .with_bias(config.bias),
            residual: ResidualConfig::new(config.d_model)
                .with_dropout(config.dropout)
                .with_pre_norm(config.residual == ResidualForm::Pre)
                .with_norm(config.norm)
                .with_epsilon(config.norm_epsilon),
        }
    }

    /// Behind the last layer, where nothing has normalised the sums.
    pub(super) fn final_norm(&self, init: &Init) -> Option<Norm> {
        let ResidualConfig {
            d_model,
            pre_norm,
            norm,
            epsilon,
            ..
        } = self.residual;
        pre_norm.then(|| norm.init(d_model, epsilon, &init.at("norm")))
    }
}

impl EncoderLayer {
    fn new(config: &TransformerConfig, init: &Init) -> Self {
        let parts = Parts::new(config);
        Self {
            self_attention: SelfAttention::new(config, &init.at("self_attention")),
            self_attention_residual: parts.residual.init(&init.at("self_attention_residual")),
            feed_forward: parts.feed_forward.init(&init.at("feed_forward")),
            feed_forward_residual: parts.residual.init(&init.at("feed_forward_residual")),
        }
    }

    fn forward(
        &self,
        x: Tensor<2>,
        layout: &Layout,
        (mask, bias): (&AttentionMask, Option<&Tensor<4>>),
        pass: &Pass,
    ) -> (Tensor<2>, Option<Tensor<4>>) {
        let mut weights = None;
        let attending = pass.at("self_attention");
        let x = self
            .self_attention_residual
            .forward(x, layout, &attending, |x| {
                let (mask, bias) = (mask.clone(), bias.cloned());
                let attended = self
                    .self_attention
                    .attend(x, layout, mask, bias, None, &attending);
                weights = attended.1;
                attended.0
            });
        let x = self
            .feed_forward_residual
            .forward(x, layout, &pass.at("feed_forward"), |x| {
                self.feed_forward.of(x)
            });
        (x, weights)
    }

    /// The same without weights, computed again in the backward pass.
    fn recomputed(
        &self,
        x: Tensor<2>,
        layout: &Layout,
        (mask, bias): (&AttentionMask, Option<&Tensor<4>>),
        pass: Pass,
    ) -> Tensor<2> {
        let (layout, mask) = (layout.clone(), mask.clone());
        recompute(self, (x, bias.cloned()), move |layer, (x, bias)| {
            layer.forward(x, &layout, (&mask, bias.as_ref()), &pass).0
        })
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

    /// `x: [N, D]` to `[N, D]`, and the maps that the pass wants. The bias broadcasts to the scores of every layer.
    pub(super) fn forward(
        &self,
        mut x: Tensor<2>,
        layout: &Layout,
        (mask, bias): (&AttentionMask, Option<&Tensor<4>>),
        pass: &Pass,
    ) -> (Tensor<2>, Vec<AttentionMap>) {
        let mut maps = Vec::new();
        for (layer, block) in self.layers.iter().enumerate() {
            let pass = pass.nth(layer);
            let (y, weights) = if pass.recomputes() {
                (block.recomputed(x, layout, (mask, bias), pass), None)
            } else {
                block.forward(x, layout, (mask, bias), &pass)
            };
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
