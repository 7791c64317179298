//! The edge where a configuration becomes a type.

use burn::module::Module;
use serde::Serialize;

use crate::{Init, Rnn, RnnConfig, RnnKind, Transformer, TransformerConfig, Tying};

/// The `[model]` section: a kind and its sizes.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum ModelConfig {
    /// `kind = "transformer"`
    Transformer(TransformerConfig),
    /// `kind = "bottleneck"`
    Bottleneck(RnnConfig),
    /// `kind = "bahdanau"`
    Bahdanau(RnnConfig),
    /// `kind = "luong"`
    Luong(RnnConfig),
}

/// Most parameters of a model: 8 GiB of them.
const MOST_PARAMETERS: f64 = (1_u64 << 31) as f64;

/// A model of some kind. Names of parameters in files leave the variant out.
#[derive(Module, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one to a model, and it is not moved about"
)]
pub enum Model {
    /// An encoder-decoder transformer.
    Transformer(Transformer),
    /// A recurrent encoder-decoder.
    Rnn(Rnn),
}

/// Does the same with a model of any kind: `each_model!(model, model => greedy(model, ..))`.
#[macro_export]
macro_rules! each_model {
    ($model:expr, $name:ident => $do:expr) => {
        match $model {
            $crate::Model::Transformer($name) => $do,
            $crate::Model::Rnn($name) => $do,
        }
    };
}

/// What a `[model]` section is to become.
enum Kind<'a> {
    Transformer(&'a TransformerConfig),
    Rnn(RnnKind, &'a RnnConfig),
}

impl ModelConfig {
    /// The values `model.kind` may have.
    pub const KINDS: &[&str] = &["transformer", "bottleneck", "bahdanau", "luong"];

    fn kind(&self) -> Kind<'_> {
        match self {
            Self::Transformer(config) => Kind::Transformer(config),
            Self::Bottleneck(config) => Kind::Rnn(RnnKind::Bottleneck, config),
            Self::Bahdanau(config) => Kind::Rnn(RnnKind::Bahdanau, config),
            Self::Luong(config) => Kind::Rnn(RnnKind::Luong, config),
        }
    }

    /// A model for vocabularies of the given sizes.
    ///
    /// # Panics
    ///
    /// If [`problems`](Self::problems) finds any, or a joint vocabulary is needed and the sizes differ.
    pub fn init(&self, source_vocabulary: usize, target_vocabulary: usize, init: &Init) -> Model {
        let (source, target) = (source_vocabulary, target_vocabulary);
        match self.kind() {
            Kind::Transformer(config) => Model::Transformer(config.init(source, target, init)),
            Kind::Rnn(kind, config) => Model::Rnn(config.init(kind, source, target, init)),
        }
    }

    /// The same model with every key said that its choices read.
    #[must_use]
    pub fn resolved(self) -> Self {
        match self {
            Self::Transformer(config) => Self::Transformer(config.resolved()),
            Self::Bottleneck(config) => Self::Bottleneck(config.resolved(RnnKind::Bottleneck)),
            Self::Bahdanau(config) => Self::Bahdanau(config.resolved(RnnKind::Bahdanau)),
            Self::Luong(config) => Self::Luong(config.resolved(RnnKind::Luong)),
        }
    }

    /// Everything that is wrong, one sentence each, beginning with the key.
    pub fn problems(&self) -> Vec<String> {
        match self.kind() {
            Kind::Transformer(config) => config.problems(),
            Kind::Rnn(kind, config) => config.problems(kind),
        }
    }

    /// Most positions of a source or a target, the tokens for start and end included; `None` where there is no limit.
    pub fn max_positions(&self) -> Option<usize> {
        match self.kind() {
            Kind::Transformer(config) => config.max_positions(),
            Kind::Rnn(..) => None,
        }
    }

    /// What is wrong with a model that no machine could hold: a slip of some zeros is to be an error, not the end of
    /// memory.
    pub fn size_problem(&self, vocabulary: usize) -> Option<String> {
        let parameters = match self.kind() {
            Kind::Transformer(config) => config.estimated_parameters(vocabulary),
            Kind::Rnn(kind, config) => config.estimated_parameters(kind, vocabulary),
        };
        (parameters > MOST_PARAMETERS).then(|| {
            format!(
                "expected at most {MOST_PARAMETERS:.1e} parameters, got about {parameters:.1e}; lower the largest of its sizes, or the vocabulary"
            )
        })
    }

    /// Whether source and target must have one vocabulary.
    pub fn needs_joint_vocabulary(&self) -> bool {
        let tie = match self.kind() {
            Kind::Transformer(config) => config.tie,
            Kind::Rnn(_, config) => config.tie,
        };
        tie == Tying::All
    }
}
