//! Configuration of the transformer.

use serde::{Deserialize, Serialize};

/// Sizes and choices of a [`Transformer`](crate::Transformer); the `[model]` section with `kind = "transformer"`.
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
    /// Where the norm stands. Default `pre`: trains without a long warm-up.
    pub residual: ResidualForm,
    /// Which embeddings and output maps are one matrix. Default `all`: fewest parameters; needs a joint vocabulary.
    pub tie: Tying,
}

/// Where the norm of a residual connection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ResidualForm {
    /// `x + f(norm(x))`, with one more norm behind the last layer.
    Pre,
    /// `norm(x + f(x))`, as in the paper.
    Post,
}

/// Which of source embedding, target embedding and output map are one matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Tying {
    /// All three.
    All,
    /// Target embedding and output map.
    Output,
    /// None.
    None,
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
            residual: ResidualForm::Pre,
            tie: Tying::All,
        }
    }
}

impl TransformerConfig {
    /// Everything that is wrong, one sentence each, beginning with the key; empty if nothing is.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let sizes = [
            ("d_model", self.d_model),
            ("n_heads", self.n_heads),
            ("d_ff", self.d_ff),
            ("encoder_layers", self.encoder_layers),
            ("decoder_layers", self.decoder_layers),
        ];
        for (key, size) in sizes {
            if size == 0 {
                problems.push(format!("{key}: expected at least 1, got 0"));
            }
        }
        if self.n_heads > 0 && !self.d_model.is_multiple_of(self.n_heads) {
            problems.push(format!(
                "d_model: expected a multiple of n_heads = {}, got {}",
                self.n_heads, self.d_model
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
        problems
    }
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
            ..TransformerConfig::default()
        };
        assert_eq!(
            config.problems(),
            [
                "d_ff: expected at least 1, got 0",
                "d_model: expected a multiple of n_heads = 4, got 130",
                "dropout: expected a probability in [0, 1), got 1",
            ]
        );
    }

    #[test]
    fn the_default_is_sound() {
        assert!(TransformerConfig::default().problems().is_empty());
    }
}
