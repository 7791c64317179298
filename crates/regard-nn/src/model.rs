//! The edge where a configuration becomes a type.

use burn::module::Module;
use serde::Serialize;

use crate::{Init, Transformer, TransformerConfig, Tying};

/// The `[model]` section: a kind and its sizes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ModelConfig {
    /// `kind = "transformer"`
    Transformer(TransformerConfig),
}

/// Most parameters of a model: 8 GiB of them.
const MOST_PARAMETERS: f64 = (1_u64 << 31) as f64;

/// A model of some kind. Names of parameters in files leave the variant out.
#[derive(Module, Debug)]
pub enum Model {
    /// An encoder-decoder transformer.
    Transformer(Transformer),
}

impl ModelConfig {
    /// The values `model.kind` may have.
    pub const KINDS: &[&str] = &["transformer"];

    /// A model for vocabularies of the given sizes.
    ///
    /// # Panics
    ///
    /// If [`problems`](Self::problems) finds any, or a joint vocabulary is needed and the sizes differ.
    pub fn init(&self, source_vocabulary: usize, target_vocabulary: usize, init: &Init) -> Model {
        match self {
            Self::Transformer(config) => {
                Model::Transformer(config.init(source_vocabulary, target_vocabulary, init))
            }
        }
    }

    /// The same model with every key said that its choices read.
    #[must_use]
    pub fn resolved(self) -> Self {
        match self {
            Self::Transformer(config) => Self::Transformer(config.resolved()),
        }
    }

    /// Everything that is wrong, one sentence each, beginning with the key.
    pub fn problems(&self) -> Vec<String> {
        match self {
            Self::Transformer(config) => config.problems(),
        }
    }

    /// Most positions of a source or a target, the tokens for start and end included; `None` where there is no limit.
    pub fn max_positions(&self) -> Option<usize> {
        match self {
            Self::Transformer(config) => config.max_positions(),
        }
    }

    /// What is wrong with a model that no machine could hold: a slip of some zeros is to be an error, not the end of
    /// memory.
    pub fn size_problem(&self, vocabulary: usize) -> Option<String> {
        let parameters = match self {
            Self::Transformer(config) => config.estimated_parameters(vocabulary),
        };
        (parameters > MOST_PARAMETERS).then(|| {
            format!(
                "expected at most {MOST_PARAMETERS:.1e} parameters, got about {parameters:.1e}; lower the largest of its sizes, or the vocabulary"
            )
        })
    }

    /// Whether source and target must have one vocabulary.
    pub fn needs_joint_vocabulary(&self) -> bool {
        match self {
            Self::Transformer(config) => config.tie == Tying::All,
        }
    }
}
