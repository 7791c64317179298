//! Configuration of recurrent encoder-decoders.

use serde::{Deserialize, Serialize};

use super::ReadoutKind;
use crate::{LuongScore, RecurrentCell, Tying};

/// How a recurrent decoder knows the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RnnKind {
    /// By the encoder's final state alone.
    Bottleneck,
    /// By additive attention before each step.
    Bahdanau,
    /// By attention after each step.
    Luong,
}

/// How Luong's decoder scores pairs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LuongScoreKind {
    /// `q . m`
    Dot,
    /// `q . W m`
    #[default]
    General,
    /// `v . tanh(W [q; m])`
    Concat,
}

/// Where Luong's decoder looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LuongAlignment {
    /// At the whole source.
    #[default]
    Global,
    /// Around the position that it has reached itself: the paper's local-m.
    Monotonic,
    /// Around a position that it predicts: the paper's local-p.
    Predictive,
}

/// Sizes and choices of an [`Rnn`](crate::Rnn); the `[model]` section with `kind = "bottleneck"`, `"bahdanau"` or `"luong"`.
///
/// The keys that are an `Option` belong to some of the kinds: `None` stands for their default there, which
/// [`resolved`](Self::resolved) writes out, and [`problems`](Self::problems) refuses them anywhere else.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RnnConfig {
    /// Width D of the decoder's states and of what the encoder says of a position; in two directions even, half of it each.
    /// Default 256: enough for small corpora on a CPU.
    pub d_model: usize,
    /// Width E of embeddings and of what the output map reads. Default `d_model`.
    pub d_embedding: Option<usize>,
    /// Layers of the encoder, and of the decoder, from 1. Default 1, as in Bahdanau's paper.
    pub layers: usize,
    /// How states are made. Default `gru`.
    pub cell: RecurrentCell,
    /// Whether the encoder reads in both directions. Default true, as in Bahdanau's paper.
    pub bidirectional: bool,

    /// Probability of dropping an element between layers and before the output map, in `[0, 1)`. Default 0.1.
    pub dropout: f64,
    /// Probability of dropping an element of an embedding, in `[0, 1)`. Default 0.1.
    pub embedding_dropout: f64,
    /// Which embeddings and output maps are one matrix. Default `all`: fewest parameters; needs a joint vocabulary.
    pub tie: Tying,

    /// Whether the final state is fed at every step, as Cho's decoder is; with `kind = "bottleneck"`. Default true.
    pub feed_summary: Option<bool>,
    /// Whether the source is read from its end, as Sutskever's encoder does; with `kind = "bottleneck"`, and true with
    /// `bidirectional = false` only: two directions read both ways already. Default false.
    pub reverse_source: Option<bool>,
    /// What stands before the output map; with `kind = "bottleneck"` and `"bahdanau"`. Default `maxout`, as in Bahdanau's
    /// paper.
    pub readout: Option<ReadoutKind>,
    /// Width A of the hidden layer of additive scores, from 1; with `kind = "bahdanau"`, and with `score = "concat"`. Default
    /// `d_model`.
    pub d_attention: Option<usize>,
    /// How pairs are scored; with `kind = "luong"`. Default `general`.
    pub score: Option<LuongScoreKind>,
    /// Where the decoder looks; with `kind = "luong"`. Default `global`.
    pub alignment: Option<LuongAlignment>,
    /// Positions to each side of the centre of a local alignment, from 1; with `alignment = "monotonic"` or `"predictive"`.
    /// Default 10, as in the paper.
    pub half_width: Option<usize>,
    /// Whether what was said is fed to the next step; with `kind = "luong"`. Default true.
    pub input_feeding: Option<bool>,
}

impl Default for RnnConfig {
    fn default() -> Self {
        Self {
            d_model: 256,
            d_embedding: None,
            layers: 1,
            cell: RecurrentCell::Gru,
            bidirectional: true,
            dropout: 0.1,
            embedding_dropout: 0.1,
            tie: Tying::All,
            feed_summary: None,
            reverse_source: None,
            readout: None,
            d_attention: None,
            score: None,
            alignment: None,
            half_width: None,
            input_feeding: None,
        }
    }
}

impl RnnConfig {
    /// The same model with every key said that its kind reads.
    #[must_use]
    pub fn resolved(self, kind: RnnKind) -> Self {
        let of = |kinds: &[RnnKind]| kinds.contains(&kind);
        let is_luong = of(&[RnnKind::Luong]);
        let is_bottleneck = of(&[RnnKind::Bottleneck]);
        Self {
            d_embedding: Some(self.d_embedding()),
            feed_summary: is_bottleneck.then(|| self.feed_summary()),
            reverse_source: is_bottleneck.then(|| self.reverse_source()),
            readout: of(&[RnnKind::Bottleneck, RnnKind::Bahdanau]).then(|| self.readout()),
            d_attention: self.reads_d_attention(kind).then(|| self.d_attention()),
            score: is_luong.then(|| self.score.unwrap_or_default()),
            alignment: is_luong.then(|| self.alignment()),
            half_width: self.reads_half_width(kind).then(|| self.half_width()),
            input_feeding: is_luong.then(|| self.input_feeding()),
            ..self
        }
    }

    pub(super) fn d_embedding(&self) -> usize {
        self.d_embedding.unwrap_or(self.d_model)
    }

    pub(super) fn d_attention(&self) -> usize {
        self.d_attention.unwrap_or(self.d_model)
    }

    pub(super) fn feed_summary(&self) -> bool {
        self.feed_summary.unwrap_or(true)
    }

    pub(super) fn reverse_source(&self) -> bool {
        self.reverse_source.unwrap_or(false)
    }

    pub(super) fn readout(&self) -> ReadoutKind {
        self.readout.unwrap_or_default()
    }

    pub(super) fn alignment(&self) -> LuongAlignment {
        self.alignment.unwrap_or_default()
    }

    pub(super) fn half_width(&self) -> usize {
        self.half_width.unwrap_or(10)
    }

    pub(super) fn input_feeding(&self) -> bool {
        self.input_feeding.unwrap_or(true)
    }

    pub(super) fn score(&self) -> LuongScore {
        match self.score.unwrap_or_default() {
            LuongScoreKind::Dot => LuongScore::Dot,
            LuongScoreKind::General => LuongScore::General,
            LuongScoreKind::Concat => LuongScore::Concat {
                d_attention: self.d_attention(),
            },
        }
    }

    fn reads_d_attention(&self, kind: RnnKind) -> bool {
        let concat = self.score == Some(LuongScoreKind::Concat);
        kind == RnnKind::Bahdanau || (kind == RnnKind::Luong && concat)
    }

    fn reads_half_width(&self, kind: RnnKind) -> bool {
        kind == RnnKind::Luong && self.alignment() != LuongAlignment::Global
    }

    /// Everything that is wrong, one sentence each, beginning with the key; empty if nothing is.
    pub fn problems(&self, kind: RnnKind) -> Vec<String> {
        let mut problems = self.sizes();
        problems.extend(self.misplaced(kind));
        problems
    }

    /// Numbers out of range.
    fn sizes(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let least = [
            ("d_model", Some(self.d_model)),
            ("d_embedding", self.d_embedding),
            ("layers", Some(self.layers)),
            ("d_attention", self.d_attention),
            ("half_width", self.half_width),
        ];
        for (key, size) in least {
            if size == Some(0) {
                problems.push(format!("{key}: expected at least 1, got 0"));
            }
        }
        if self.bidirectional && !self.d_model.is_multiple_of(2) {
            problems.push(format!(
                "d_model: expected an even number, half of it for each direction of the encoder, got {}",
                self.d_model
            ));
        }
        if self.bidirectional && self.reverse_source() {
            problems.push(
                "reverse_source: with `bidirectional = true` the source is read from both ends; expected false".into(),
            );
        }
        for (key, p) in [
            ("dropout", self.dropout),
            ("embedding_dropout", self.embedding_dropout),
        ] {
            if !(0.0..1.0).contains(&p) {
                problems.push(format!("{key}: expected a probability in [0, 1), got {p}"));
            }
        }
        problems
    }

    /// Keys that only another choice would read.
    fn misplaced(&self, kind: RnnKind) -> Vec<String> {
        const BOTTLENECK: &str = "`kind = \"bottleneck\"`";
        const LUONG: &str = "`kind = \"luong\"`";
        let (is_bottleneck, is_luong) = (kind == RnnKind::Bottleneck, kind == RnnKind::Luong);
        let keys = [
            (
                "feed_summary",
                self.feed_summary.is_some(),
                is_bottleneck,
                BOTTLENECK,
            ),
            (
                "reverse_source",
                self.reverse_source.is_some(),
                is_bottleneck,
                BOTTLENECK,
            ),
            (
                "readout",
                self.readout.is_some(),
                !is_luong,
                "`kind = \"bottleneck\"` or `kind = \"bahdanau\"`",
            ),
            (
                "d_attention",
                self.d_attention.is_some(),
                self.reads_d_attention(kind),
                "`kind = \"bahdanau\"` or `score = \"concat\"`",
            ),
            ("score", self.score.is_some(), is_luong, LUONG),
            ("alignment", self.alignment.is_some(), is_luong, LUONG),
            (
                "half_width",
                self.half_width.is_some(),
                self.reads_half_width(kind),
                "`alignment = \"monotonic\"` or `alignment = \"predictive\"`",
            ),
            (
                "input_feeding",
                self.input_feeding.is_some(),
                is_luong,
                LUONG,
            ),
        ];
        keys.into_iter()
            .filter(|&(_, given, is_read, _)| given && !is_read)
            .map(|(key, _, _, reader)| format!("{key}: is read with {reader} only"))
            .collect()
    }

    /// Number of parameters for vocabularies of the given size; biases are left out.
    pub fn estimated_parameters(&self, kind: RnnKind, vocabulary: usize) -> f64 {
        let size = |size: usize| size as f64;
        let (d, e) = (size(self.d_model), size(self.d_embedding()));
        let (gates, layers) = (size(self.cell.gates()), size(self.layers));
        let embeddings = match self.tie {
            Tying::All => 1.0,
            Tying::Output => 2.0,
            Tying::None => 3.0,
        };
        let own = if self.bidirectional { 0.5 } else { 1.0 };
        let encoder = gates * d * (e + own * d + (layers - 1.0) * (1.0 + own) * d);
        let decoder = gates * d * (e + d + (layers - 1.0) * 2.0 * d);
        let bridge = layers * size(self.cell.state_width(self.d_model)).powi(2);
        let attention = 2.0 * d * size(self.d_attention());
        let between = match kind {
            RnnKind::Bottleneck => gates * d * d,
            RnnKind::Bahdanau => attention + gates * d * d,
            RnnKind::Luong => {
                let score = match self.score() {
                    LuongScore::Dot => 0.0,
                    LuongScore::General => d * d,
                    LuongScore::Concat { .. } => attention,
                };
                score + gates * d * e
            }
        };
        let readout = 2.0 * e * (2.0 * d + e);
        embeddings * size(vocabulary) * e + encoder + decoder + bridge + between + readout
    }
}
