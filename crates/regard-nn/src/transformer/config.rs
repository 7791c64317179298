//! Configuration of the transformer.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};

use super::{PositionKind, ResidualForm, SelfAttentionKind, Tying};
use crate::{
    Activation, FeatureMap, NormKind, Normalizer, Rotary, RotaryPairing, SinusoidLayout, Sinusoids,
    Wavelengths,
};

/// The highest number of a first position.
const MOST_POSITIONS: usize = 1 << 31;

/// Sizes and choices of a [`Transformer`](crate::Transformer); the `[model]` section with `kind = "transformer"`.
///
/// The keys that are an `Option` belong to one choice of another key: `None` stands for their default there, which
/// [`resolved`](Self::resolved) writes out, and [`problems`](Self::problems) refuses them anywhere else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
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
    /// Wavelengths grow up to `2 pi` times this, above 1; with `positions = "rotary"`. Default 10,000, as in the paper.
    pub rotary_base: Option<f64>,
    /// Buckets of distances, from 4, even; with `positions = "t5"`. Default 32, as in the paper.
    pub position_buckets: Option<usize>,
    /// Distance from which all are alike; with `positions = "t5"` more than half of `position_buckets`, default 128; with
    /// `"shaw"` from 1, default 16; both as in the papers.
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
    /// Whether logits have a bias. Default: where the output map is a matrix of its own, with `tie = "none"`.
    pub output_bias: Option<bool>,
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
            rotary_base: None,
            position_buckets: None,
            max_distance: None,
            norm: NormKind::Layer,
            norm_epsilon: 1e-5,
            residual: ResidualForm::Pre,
            activation: Activation::Relu,
            bias: true,
            tie: Tying::All,
            embedding_scale: true,
            output_bias: None,
        }
    }
}

impl TransformerConfig {
    /// The same model with every key said that its choices read.
    #[must_use]
    pub fn resolved(self) -> Self {
        use PositionKind::{Rotary, Shaw, Sinusoidal, T5};
        let attention = |kind| self.attention == kind;
        let positions = |kinds: &[PositionKind]| kinds.contains(&self.positions);
        Self {
            window: attention(SelfAttentionKind::Window).then(|| self.window()),
            feature_map: attention(SelfAttentionKind::Linear)
                .then(|| self.feature_map.unwrap_or_default()),
            memory_slots: attention(SelfAttentionKind::Memory).then(|| self.memory_slots()),
            n_kv_heads: Some(self.n_kv_heads()),
            sinusoid_layout: positions(&[Sinusoidal]).then(|| self.sinusoids().layout),
            sinusoid_wavelengths: positions(&[Sinusoidal]).then(|| self.sinusoids().wavelengths),
            position_start: positions(&[Sinusoidal]).then(|| self.sinusoids().start),
            max_positions: self.max_positions(),
            rotary_pairing: positions(&[Rotary]).then(|| self.rotary().pairing),
            rotary_base: positions(&[Rotary]).then(|| self.rotary().base),
            position_buckets: positions(&[T5]).then(|| self.position_buckets()),
            max_distance: positions(&[T5, Shaw]).then(|| self.max_distance()),
            output_bias: Some(self.output_bias()),
            ..self
        }
    }

    pub(super) fn window(&self) -> usize {
        self.window.unwrap_or(64)
    }

    pub(super) fn memory_slots(&self) -> usize {
        self.memory_slots.unwrap_or(16)
    }

    fn n_kv_heads(&self) -> usize {
        self.n_kv_heads.unwrap_or(self.n_heads)
    }

    pub(super) fn sinusoids(&self) -> Sinusoids {
        Sinusoids {
            layout: self.sinusoid_layout.unwrap_or_default(),
            wavelengths: self.sinusoid_wavelengths.unwrap_or_default(),
            start: self.position_start.unwrap_or(0),
        }
    }

    /// Number of positions that have a vector; `None` where there is no limit.
    pub fn max_positions(&self) -> Option<usize> {
        let limited = self.positions == PositionKind::Learned;
        limited.then(|| self.max_positions.unwrap_or(1024))
    }

    pub(super) fn rotary(&self) -> Rotary {
        let Rotary { pairing, base } = Rotary::default();
        Rotary {
            pairing: self.rotary_pairing.unwrap_or(pairing),
            base: self.rotary_base.unwrap_or(base),
        }
    }

    pub(super) fn position_buckets(&self) -> usize {
        self.position_buckets.unwrap_or(32)
    }

    pub(super) fn max_distance(&self) -> usize {
        let default = if self.positions == PositionKind::T5 {
            128
        } else {
            16
        };
        self.max_distance.unwrap_or(default)
    }

    pub(super) fn output_bias(&self) -> bool {
        self.output_bias.unwrap_or(self.tie == Tying::None)
    }

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
        #[expect(
            clippy::cast_possible_truncation,
            reason = "norms compute with it as f32"
        )]
        let epsilon = self.norm_epsilon as f32;
        if !(epsilon > 0.0 && epsilon.is_finite()) {
            problems.push(format!(
                "norm_epsilon: expected a number above 0, got {}",
                self.norm_epsilon
            ));
        }
        if let Some(base) = self
            .rotary_base
            .filter(|&base| !(base > 1.0 && base.is_finite()))
        {
            problems.push(format!(
                "rotary_base: expected a number above 1, got {base}"
            ));
        }
        // Far enough out, neighbours are one and the same number.
        if let Some(start) = self.position_start.filter(|&start| start > MOST_POSITIONS) {
            problems.push(format!(
                "position_start: expected at most {MOST_POSITIONS}, got {start}"
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
            ("rotary_base", self.rotary_base.is_some(), &[Rotary]),
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
                    self.n_kv_heads() != self.n_heads,
                    self.n_kv_heads().to_string(),
                ),
                ("query_key_norm", self.query_key_norm, "true".into()),
                (
                    "normalizer",
                    self.normalizer != Normalizer::Softmax,
                    name(self.normalizer),
                ),
            ];
            for (key, _, got) in of_scores.into_iter().filter(|&(_, given, _)| given) {
                problems.push(format!(
                    "{key}: attention = {attention} does not read it; expected it to be left out, got {got}"
                ));
            }
        }
        let rotated = self.d_model.checked_div(self.n_heads).unwrap_or(0);
        if self.positions == Rotary && !rotated.is_multiple_of(2) {
            problems.push(format!(
                "positions: \"rotary\" turns pairs of components; expected heads of even width, got {rotated}"
            ));
        }
        let buckets = self.position_buckets();
        if !buckets.is_multiple_of(2) {
            problems.push(format!(
                "position_buckets: expected an even number, half of them for each direction, got {buckets}"
            ));
        }
        // The decoder has one direction: half of its buckets are for single distances, the rest share what is farther.
        if self.positions == T5 && self.max_distance() <= buckets / 2 {
            problems.push(format!(
                "max_distance: expected more than half of position_buckets = {buckets}, got {}",
                self.max_distance()
            ));
        }
        problems
    }

    /// Number of parameters for vocabularies of the given size; norms and biases are left out.
    pub fn estimated_parameters(&self, vocabulary: usize) -> f64 {
        let size = |size: usize| size as f64;
        let (d, heads) = (size(self.d_model), size(self.n_heads.max(1)));
        let embeddings = match self.tie {
            Tying::All => 1.0,
            Tying::Output => 2.0,
            Tying::None => 3.0,
        };
        let attention = (2.0 + 2.0 * size(self.n_kv_heads()) / heads) * d * d;
        let slots = match self.attention {
            SelfAttentionKind::Memory => 2.0 * size(self.memory_slots()) * d,
            _ => 0.0,
        };
        let [positions, relative] = match self.positions {
            PositionKind::Learned => [2.0 * size(self.max_positions().unwrap_or(0)) * d, 0.0],
            PositionKind::T5 => [2.0 * size(self.position_buckets()) * heads, 0.0],
            PositionKind::Shaw => [0.0, 2.0 * size(self.max_distance()) * d / heads],
            _ => [0.0; 2],
        };
        let maps = if self.activation.is_gated() { 3.0 } else { 2.0 };
        let layer = attention + slots + relative + maps * d * size(self.d_ff);
        let encoder = size(self.encoder_layers) * layer;
        let decoder = size(self.decoder_layers) * (layer + attention);
        embeddings * size(vocabulary) * d + positions + encoder + decoder
    }
}

/// `attention = "window"`, as it is written in a file.
fn assignment(key: &str, value: impl Debug) -> String {
    format!("`{key} = {}`", name(value))
}

/// A choice as it is written in a file, in quotes; the names of the kinds that are given to it are single words.
fn name(value: impl Debug) -> String {
    format!("\"{}\"", format!("{value:?}").to_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Init;
    use serde::de::value::Error;
    use serde::de::{DeserializeOwned, IntoDeserializer};

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
    fn what_the_buckets_would_refuse_is_refused_before() {
        let config = |buckets, distance| TransformerConfig {
            positions: PositionKind::T5,
            position_buckets: buckets,
            max_distance: distance,
            ..TransformerConfig::default()
        };
        let problem = "max_distance: expected more than half of position_buckets";
        for (buckets, distance, expected) in [
            (None, Some(16), format!("{problem} = 32, got 16")),
            (Some(256), None, format!("{problem} = 256, got 128")),
        ] {
            assert_eq!(config(buckets, distance).problems(), [expected]);
        }
        for (buckets, distance) in [(None, Some(17)), (Some(254), None), (Some(4), Some(3))] {
            let config = config(buckets, distance);
            assert!(config.problems().is_empty());
            config.init(
                5,
                5,
                &Init::new(1, &regard_kernels::device_of_environment().unwrap()),
            );
        }
    }

    #[test]
    fn resolving_says_what_was_left_out_and_changes_nothing() {
        let left_out = TransformerConfig {
            attention: SelfAttentionKind::Window,
            positions: PositionKind::T5,
            tie: Tying::None,
            ..TransformerConfig::default()
        };
        let said = TransformerConfig {
            window: Some(64),
            n_kv_heads: Some(4),
            position_buckets: Some(32),
            max_distance: Some(128),
            output_bias: Some(true),
            ..left_out.clone()
        };
        assert_eq!(left_out.resolved(), said);
        assert_eq!(said.clone().resolved(), said);
        assert!(said.problems().is_empty());
    }

    /// Of every choice that serde knows, by the names that it lists itself.
    fn assert_printed_names_are_read<T: DeserializeOwned + Debug>() {
        let read = |text| T::deserialize(IntoDeserializer::<Error>::into_deserializer(text));
        let unknown = read("?").expect_err("no choice").to_string();
        let known: Vec<&str> = unknown.split('`').skip(3).step_by(2).collect();
        assert!(known.len() > 2, "{unknown}");
        for text in known {
            let value = read(text).expect("a choice");
            assert_eq!(name(value), format!("\"{text}\""));
        }
    }

    #[test]
    fn names_are_printed_as_they_are_read() {
        assert_printed_names_are_read::<SelfAttentionKind>();
        assert_printed_names_are_read::<PositionKind>();
        assert_printed_names_are_read::<Normalizer>();
    }

    #[test]
    fn the_default_is_sound() {
        assert!(TransformerConfig::default().problems().is_empty());
    }
}
