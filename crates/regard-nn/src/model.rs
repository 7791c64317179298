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

    /// Everything that is wrong, one sentence each, beginning with the key.
    pub fn problems(&self) -> Vec<String> {
        match self {
            Self::Transformer(config) => config.problems(),
        }
    }

    /// Whether source and target must have one vocabulary.
    pub fn needs_joint_vocabulary(&self) -> bool {
        match self {
            Self::Transformer(config) => config.tie == Tying::All,
        }
    }
}
