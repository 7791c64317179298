//! Everything that inference needs, loaded.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use burn::tensor::Device;
use regard_nn::{Init, Model, ModelConfig};
use regard_text::{TokenizerConfig, Tokenizers};

use crate::{BundleConfig, DecodeError, Pack, RunDirectory, load_parameters};

/// A run's configuration, tokenizers and weights.
#[derive(Debug)]
pub struct Bundle {
    /// What `config.toml` says.
    pub config: BundleConfig,
    /// Those of training.
    pub tokenizers: Tokenizers,
    /// The model, ready for evaluation.
    pub model: Model,
    /// The step whose weights these are; `None` for an average of several.
    pub step: Option<u64>,
}

/// Which checkpoint of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checkpoint {
    /// The best by validation.
    Best,
    /// The last written.
    Last,
    /// The average of several.
    Average,
    /// That of a step.
    Step(u64),
}

impl FromStr for Checkpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "best" => Ok(Self::Best),
            "last" => Ok(Self::Last),
            "average" => Ok(Self::Average),
            _ => text
                .parse()
                .map(Self::Step)
                .map_err(|_| format!("expected `best`, `last`, `average` or a step, got `{text}`")),
        }
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Best => f.write_str("`best`"),
            Self::Last => f.write_str("`last`"),
            Self::Average => f.write_str("`average`"),
            Self::Step(step) => write!(f, "at step {step}"),
        }
    }
}

impl Bundle {
    /// Loads a run, or a [`Pack`], on a device: the checkpoint that is named, or the
    /// [preferred](RunDirectory::preferred) one. Give a device without autodiff: nothing here is differentiated.
    ///
    /// # Errors
    ///
    /// If the path holds no run and is no pack, the checkpoint is missing or damaged, or the parts do not fit together.
    pub fn load(
        path: impl AsRef<Path>,
        checkpoint: impl Into<Option<Checkpoint>>,
        device: &Device,
    ) -> Result<Self, DecodeError> {
        let (path, checkpoint) = (path.as_ref(), checkpoint.into());
        if path.is_file() {
            return Pack::open(path)?.load(checkpoint, device);
        }
        let run = RunDirectory::open(path)?;
        let config = BundleConfig::read(&run.config())?;
        let checkpoint = checkpoint.map_or_else(|| run.preferred(), Ok)?;
        let (weights, step) = run.locate(checkpoint)?;
        let tokenizers = load_tokenizers(&run, &config.tokenizer, &config.model)?;
        // The seed does not matter: every value is replaced.
        let model = config.model.init(
            tokenizers.source().vocabulary_size(),
            tokenizers.target().vocabulary_size(),
            &Init::new(0, device),
        );
        let model = load_parameters(model, &weights)?;
        Ok(Self {
            config,
            tokenizers,
            model,
            step,
        })
    }
}

/// The tokenizers of a run, if they suit its model.
///
/// # Errors
///
/// [`DecodeError::Tokenizer`] if they cannot be read, [`DecodeError::TwoVocabularies`] if the model needs one for both
/// sides and there are two.
pub fn load_tokenizers(
    run: &RunDirectory,
    tokenizer: &TokenizerConfig,
    model: &ModelConfig,
) -> Result<Tokenizers, DecodeError> {
    let path = run.path();
    let tokenizers =
        Tokenizers::load(path, tokenizer).map_err(|source| DecodeError::Tokenizer {
            path: path.into(),
            source,
        })?;
    check_vocabularies(path, model, &tokenizers)?;
    Ok(tokenizers)
}

/// Whether a model that needs one vocabulary has one.
pub(crate) fn check_vocabularies(
    path: &Path,
    model: &ModelConfig,
    tokenizers: &Tokenizers,
) -> Result<(), DecodeError> {
    if model.needs_joint_vocabulary() && !tokenizers.is_shared() {
        return Err(DecodeError::TwoVocabularies {
            path: path.into(),
            source_tokens: tokenizers.source().vocabulary_size(),
            target_tokens: tokenizers.target().vocabulary_size(),
        });
    }
    Ok(())
}
