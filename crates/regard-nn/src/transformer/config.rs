//! Configuration of the transformer.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use super::{PositionKind, ResidualForm, SelfAttentionKind, Tying};
use crate::{
    Activation, FeatureMap, NormKind, Normalizer, RotaryPairing, SinusoidLayout, Wavelengths,
};

/// Learned keys and values of each layer, unless the configuration says another number.
pub(super) const DEFAULT_SLOTS: usize = 16;

/// Sizes and choices of a [`Transformer`](crate::Transformer); the `[model]` section with `kind = "transformer"`.
///
/// The keys that are an `Option` belong to one choice of another key: `None` is their default there, and
/// [`problems`](Self::problems) refuses them anywhere else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a key of a file that says yes or no"
)]
pub struct TransformerConfig {
    /// Width D of every activation, a multiple of `n_heads`. Default 256: enough for small corpora on a CPU.
    pub d_model: usize,
    /// Number of heads H, from 1. Default 4, so that a head is 64 wide, as in the paper.
    pub n_heads: usize,
    /// Inner width F of the feed-forward networks. Default 1,024, four times the width, as in the paper.
    pub d_ff: usize,
    /// Number of encoder layers, from 1. Default 3.
    pub encoder_layers: usize,
    /// Number of decoder layers, from 1. Default 3.
    pub decoder_layers: usize,

    /// Probability of dropping an element of a sub-layer's result, in `[0, 1)`. Default 0.1, as in the paper.
    pub dropout: f64,
    /// Probability of dropping an attention weight, in `[0, 1)`. Default 0: `dropout` does most of the work.
    pub attention_dropout: f64,
    /// Probability of dropping an element of an embedding, in `[0, 1)`. Default 0.1, as in the paper.
    pub embedding_dropout: f64,

    /// How a sequence attends to itself. Default `full`, as in the paper.
    pub attention: SelfAttentionKind,
    /// Neighbours that a position sees to each side, from 1; with `attention = "window"`. Default 64.
    pub window: Option<usize>,
    /// What replaces the exponential; with `attention = "linear"`. Default `elu_plus_one`, as in its paper.
    pub feature_map: Option<FeatureMap>,
    /// Learned keys and values of each layer, from 1; with `attention = "memory"`. Default 16.
    pub memory_slots: Option<usize>,
    /// Heads of keys and values, a divisor of `n_heads`: 1 is multi-query attention. Default `n_heads`.
    pub n_kv_heads: Option<usize>,
    /// Whether scores are cosines times a learned factor. Default false: products, as in the paper.
    pub query_key_norm: bool,
    /// How scores become weights. Default `softmax`, as in the paper.
    pub normalizer: Normalizer,

    /// How the model knows the order of tokens. Default `sinusoidal`, as in the paper.
    pub positions: PositionKind,
    /// Which columns are sines; with `positions = "sinusoidal"`. Default `interleaved`, as in the paper.
    pub sinusoid_layout: Option<SinusoidLayout>,
    /// How wavelengths grow; with `positions = "sinusoidal"`. Default `paper`.
    pub sinusoid_wavelengths: Option<Wavelengths>,
    /// Position of the first token; with `positions = "sinusoidal"`. Default 0.
    pub position_start: Option<usize>,
    /// Positions that have a vector, from 2: no sequence can be longer; with `positions = "learned"`. Default 1,024.
    pub max_positions: Option<usize>,
    /// Which components are turned together; with `positions = "rotary"`. Default `interleaved`, as in the paper.
    pub rotary_pairing: Option<RotaryPairing>,
    /// Buckets of distances, from 4, even; with `positions = "t5"`. Default 32, as in the paper.
    pub position_buckets: Option<usize>,
    /// Distance from which all are alike, from 1; with `positions = "t5"`, default 128, or `"shaw"`, default 16; as in
    /// the papers.
    pub max_distance: Option<usize>,

    /// How activations are normalised. Default `layer`, as in the paper.
    pub norm: NormKind,
    /// What is added to the variance, above 0. Default 1e-5, as in PyTorch.
    pub norm_epsilon: f64,
    /// Where the norm stands. Default `pre`: trains without a long warm-up.
    pub residual: ResidualForm,
    /// What stands between the maps of the feed-forward network. Default `relu`, as in the paper.
    pub activation: Activation,
    /// Whether the maps of attention and feed-forward have biases. Default true, as in PyTorch.
    pub bias: bool,
    /// Which embeddings and output maps are one matrix. Default `all`: fewest parameters; needs a joint vocabulary.
    pub tie: Tying,
    /// Whether embeddings are multiplied by `sqrt(D)`. Default true, as in the paper.
    pub embedding_scale: bool,
    /// Whether logits have a bias. Default false: label smoothing and the norm before it leave it little to do.
    pub output_bias: bool,
}

impl Default for TransformerConfig {
    fn default() -> Self {
        Self {
            d_model: 256,
            n_heads: 4,
            d_ff: 1024,
            encoder_layers: 3,
            decoder_layers: 3,
            dropout: 0.1,
            attention_dropout: 0.0,
            embedding_dropout: 0.1,
            attention: SelfAttentionKind::Full,
            window: None,
            feature_map: None,
            memory_slots: None,
            n_kv_heads: None,
            query_key_norm: false,
            normalizer: Normalizer::Softmax,
            positions: PositionKind::Sinusoidal,
            sinusoid_layout: None,
            sinusoid_wavelengths: None,
            position_start: None,
            max_positions: None,
            rotary_pairing: None,
            position_buckets: None,
            max_distance: None,
            norm: NormKind::Layer,
            norm_epsilon: 1e-5,
            residual: ResidualForm::Pre,
            activation: Activation::Relu,
            bias: true,
            tie: Tying::All,
            embedding_scale: true,
            output_bias: false,
        }
    }
}

impl TransformerConfig {
    /// Everything that is wrong, one sentence each, beginning with the key; empty if nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = self.sizes();
        problems.extend(self.misplaced());
        problems.extend(self.meaningless());
        problems
    }

    /// Numbers out of range.
    fn sizes(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let least = [
            ("d_model", Some(self.d_model), 1),
            ("n_heads", Some(self.n_heads), 1),
            ("d_ff", Some(self.d_ff), 1),
            ("encoder_layers", Some(self.encoder_layers), 1),
            ("decoder_layers", Some(self.decoder_layers), 1),
            ("window", self.window, 1),
            ("memory_slots", self.memory_slots, 1),
            ("n_kv_heads", self.n_kv_heads, 1),
            ("max_positions", self.max_positions, 2),
            ("position_buckets", self.position_buckets, 4),
            ("max_distance", self.max_distance, 1),
        ];
        for (key, size, least) in least {
            if let Some(size) = size.filter(|&size| size < least) {
                problems.push(format!("{key}: expected at least {least}, got {size}"));
            }
        }
        if self.n_heads > 0 && !self.d_model.is_multiple_of(self.n_heads) {
            problems.push(format!(
                "d_model: expected a multiple of n_heads = {}, got {}",
                self.n_heads, self.d_model
            ));
        }
        if let Some(n_kv_heads) = self.n_kv_heads.filter(|&heads| heads > 0)
            && !self.n_heads.is_multiple_of(n_kv_heads)
        {
            problems.push(format!(
                "n_kv_heads: expected a divisor of n_heads = {}, got {n_kv_heads}",
                self.n_heads
            ));
        }
        let probabilities = [
            ("dropout", self.dropout),
            ("attention_dropout", self.attention_dropout),
            ("embedding_dropout", self.embedding_dropout),
        ];
        for (key, p) in probabilities {
            if !(0.0..1.0).contains(&p) {
                problems.push(format!("{key}: expected a probability in [0, 1), got {p}"));
            }
        }
        if !(self.norm_epsilon > 0.0 && self.norm_epsilon.is_finite()) {
            problems.push(format!(
                "norm_epsilon: expected a number above 0, got {}",
                self.norm_epsilon
            ));
        }
        problems
    }

    /// Keys that only another choice would read.
    fn misplaced(&self) -> Vec<String> {
        use PositionKind::{Learned, Rotary, Shaw, Sinusoidal, T5};
        let of_attention = [
            ("window", self.window.is_some(), SelfAttentionKind::Window),
            (
                "feature_map",
                self.feature_map.is_some(),
                SelfAttentionKind::Linear,
            ),
            (
                "memory_slots",
                self.memory_slots.is_some(),
                SelfAttentionKind::Memory,
            ),
        ];
        let of_attention = of_attention
            .into_iter()
            .filter(|&(_, given, kind)| given && self.attention != kind)
            .map(|(key, _, kind)| (key, assignment("attention", kind)));
        let of_positions = [
            (
                "sinusoid_layout",
                self.sinusoid_layout.is_some(),
                &[Sinusoidal][..],
            ),
            (
                "sinusoid_wavelengths",
                self.sinusoid_wavelengths.is_some(),
                &[Sinusoidal],
            ),
            (
                "position_start",
                self.position_start.is_some(),
                &[Sinusoidal],
            ),
            ("max_positions", self.max_positions.is_some(), &[Learned]),
            ("rotary_pairing", self.rotary_pairing.is_some(), &[Rotary]),
            ("position_buckets", self.position_buckets.is_some(), &[T5]),
            ("max_distance", self.max_distance.is_some(), &[T5, Shaw]),
        ];
        let of_positions = of_positions
            .into_iter()
            .filter(|(_, given, kinds)| *given && !kinds.contains(&self.positions))
            .map(|(key, _, kinds)| {
                let kinds: Vec<String> = kinds
                    .iter()
                    .map(|kind| assignment("positions", kind))
                    .collect();
                (key, kinds.join(" or "))
            });
        of_attention
            .chain(of_positions)
            .map(|(key, reader)| format!("{key}: is read with {reader} only"))
            .collect()
    }

    /// Choices that do not go together.
    fn meaningless(&self) -> Vec<String> {
        use PositionKind::{Alibi, Rotary, Shaw, T5};
        use SelfAttentionKind::{Linear, Memory};
        let mut problems = Vec::new();
        let [attention, positions] = [name(self.attention), name(self.positions)];
        if matches!(self.attention, Linear | Memory) {
            if matches!(self.positions, Rotary | Alibi | T5 | Shaw) {
                problems.push(format!(
                    "positions: {positions} acts on the score of each pair of positions, which attention = {attention} \
                     does not give it; expected \"sinusoidal\", \"learned\" or \"none\""
                ));
            }
            let of_scores = [
                (
                    "n_kv_heads",
                    self.n_kv_heads.is_some_and(|heads| heads != self.n_heads),
                ),
                ("query_key_norm", self.query_key_norm),
                ("normalizer", self.normalizer != Normalizer::Softmax),
                ("bias", !self.bias),
            ];
            for (key, _) in of_scores.into_iter().filter(|&(_, given)| given) {
                problems.push(format!(
                    "{key}: attention = {attention} has no other form than the default"
                ));
            }
        }
        let rotated = self.d_model.checked_div(self.n_heads).unwrap_or(0);
        if self.positions == Rotary && !rotated.is_multiple_of(2) {
            problems.push(format!(
                "positions: \"rotary\" turns pairs of components; expected heads of even width, got {rotated}"
            ));
        }
        if let Some(buckets) = self
            .position_buckets
            .filter(|buckets| !buckets.is_multiple_of(2))
        {
            problems.push(format!(
                "position_buckets: expected an even number, half of them for each direction, got {buckets}"
            ));
        }
        problems
    }

    /// Number of positions that have a vector; `None` where there is no limit.
    pub fn max_positions(&self) -> Option<usize> {
        let limited = self.positions == PositionKind::Learned;
        limited.then(|| self.max_positions.unwrap_or(1024))
    }

    /// Number of parameters for vocabularies of the given size, vectors left out: enough to tell a slip of some zeros.
    pub fn estimated_parameters(&self, vocabulary: usize) -> f64 {
        let [d, f] = [self.d_model, self.d_ff].map(|size| size as f64);
        let embeddings = match self.tie {
            Tying::All => 1.0,
            Tying::Output => 2.0,
            Tying::None => 3.0,
        };
        let key_share = self.n_kv_heads.unwrap_or(self.n_heads) as f64 / self.n_heads.max(1) as f64;
        let attention = (2.0 + 2.0 * key_share) * d * d;
        let slots = match self.attention {
            SelfAttentionKind::Memory => {
                2.0 * self.memory_slots.unwrap_or(DEFAULT_SLOTS) as f64 * d
            }
            _ => 0.0,
        };
        let feed_forward = if self.activation.is_gated() { 3.0 } else { 2.0 } * d * f;
        let encoder = self.encoder_layers as f64 * (attention + slots + feed_forward);
        let decoder = self.decoder_layers as f64 * (2.0 * attention + slots + feed_forward);
        let positions = 2.0 * self.max_positions().unwrap_or(0) as f64 * d;
        embeddings * vocabulary as f64 * d + positions + encoder + decoder
    }
}

/// `attention = "window"`, as it is written in a file.
fn assignment(key: &str, value: impl Debug) -> String {
    format!("`{key} = {}`", name(value))
}

/// A choice as it is written in a file, in quotes.
fn name(value: impl Debug) -> String {
    format!("\"{}\"", format!("{value:?}").to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_reported_together() {
        let config = TransformerConfig {
            d_model: 130,
            d_ff: 0,
            dropout: 1.0,
            norm_epsilon: 0.0,
            n_kv_heads: Some(3),
            ..TransformerConfig::default()
        };
        assert_eq!(
            config.problems(),
            [
                "d_ff: expected at least 1, got 0",
                "d_model: expected a multiple of n_heads = 4, got 130",
                "n_kv_heads: expected a divisor of n_heads = 4, got 3",
                "dropout: expected a probability in [0, 1), got 1",
                "norm_epsilon: expected a number above 0, got 0",
            ]
        );
    }

    #[test]
    fn a_key_that_nothing_reads_is_refused() {
        let config = TransformerConfig {
            window: Some(8),
            max_positions: Some(100),
            max_distance: Some(8),
            ..TransformerConfig::default()
        };
        assert_eq!(
            config.problems(),
            [
                "window: is read with `attention = \"window\"` only",
                "max_positions: is read with `positions = \"learned\"` only",
                "max_distance: is read with `positions = \"t5\"` or `positions = \"shaw\"` only",
            ]
        );
    }

    #[test]
    fn choices_that_do_not_go_together_are_refused() {
        let config = TransformerConfig {
            attention: SelfAttentionKind::Linear,
            positions: PositionKind::Alibi,
            normalizer: Normalizer::Sparsemax,
            query_key_norm: true,
            ..TransformerConfig::default()
        };
        let problems = config.problems();
        let keys: Vec<&str> = problems
            .iter()
            .filter_map(|line| line.split(':').next())
            .collect();
        assert_eq!(keys, ["positions", "query_key_norm", "normalizer"]);

        let config = TransformerConfig {
            d_model: 12,
            positions: PositionKind::Rotary,
            ..TransformerConfig::default()
        };
        assert_eq!(
            config.problems(),
            [
                "positions: \"rotary\" turns pairs of components; expected heads of even width, got 3"
            ]
        );
    }

    #[test]
    fn the_default_is_sound() {
        assert!(TransformerConfig::default().problems().is_empty());
    }
}
