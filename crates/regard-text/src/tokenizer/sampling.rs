//! Cutting a text in another way each time it is read, as a regulariser.

use tokenizers::models::ModelWrapper;
use tokenizers::tokenizer::{PreTokenizer, Result};
use tokenizers::{OffsetReferential, OffsetType};

use super::TokenizerConfig;
use super::draws::Draws;
use super::dropout::{MergeDropout, Scratch};
use super::lattice::{Lattice, LatticeScratch};
use crate::error::TextError;
use crate::special::SpecialIds;

/// What makes the cuts of a text vary.
#[derive(Debug)]
pub(super) enum Sampler {
    /// BPE that forgets merges.
    Dropout(MergeDropout),
    /// A unigram model that draws instead of looking for the best.
    Lattice(Lattice),
}

impl Sampler {
    /// What `config` asks for, on the model of `tokenizer`; `None` if it asks for nothing.
    pub(super) fn new(
        config: &TokenizerConfig,
        tokenizer: &tokenizers::Tokenizer,
        special: SpecialIds,
    ) -> std::result::Result<Option<Self>, TextError> {
        let model = tokenizer.get_model();
        let mut problems = Vec::new();
        if config.dropout > 0.0 && !matches!(model, ModelWrapper::BPE(_)) {
            problems.push(format!(
                "`tokenizer.dropout`: expected 0, since the tokenizer is {}, not byte-pair encoding",
                name(model)
            ));
        }
        if config.alpha.is_some() && !matches!(model, ModelWrapper::Unigram(_)) {
            problems.push(format!(
                "`tokenizer.alpha`: expected none, since the tokenizer is {}, not a unigram model",
                name(model)
            ));
        }
        TextError::from_problems(problems)?;
        let sampler = match (model, config.alpha) {
            (ModelWrapper::BPE(model), _) if config.dropout > 0.0 => {
                MergeDropout::new(model, config.dropout).map(Self::Dropout)
            }
            (ModelWrapper::Unigram(model), Some(alpha)) => {
                Lattice::new(model, alpha, special.unknown).map(Self::Lattice)
            }
            _ => return Ok(None),
        };
        sampler.map(Some).map_err(|error| TextError::Sampling {
            reason: error.to_string(),
        })
    }

    /// The ids of a text, cut by draws of `key`.
    pub(super) fn encode(
        &self,
        tokenizer: &tokenizers::Tokenizer,
        text: &str,
        key: u64,
    ) -> Result<Vec<u32>> {
        // Up to the words, all is done as `tokenizers` does it.
        let mut pieces = tokenizer
            .get_added_vocabulary()
            .extract_and_normalize(tokenizer.get_normalizer(), text);
        if let Some(pre_tokenizer) = tokenizer.get_pre_tokenizer() {
            pre_tokenizer.pre_tokenize(&mut pieces)?;
        }
        let words = pieces.get_splits(OffsetReferential::Normalized, OffsetType::None);
        let mut ids = Vec::with_capacity(2 * words.len());
        let (mut scratch, mut lattice_scratch) = (Scratch::default(), LatticeScratch::default());
        for ((word, _, added), number) in words.into_iter().zip(0..) {
            let draws = Draws::new(key, number);
            match (added, self) {
                // Tokens added to the vocabulary stand as they are.
                (Some(tokens), _) => ids.extend(tokens.iter().map(|token| token.id)),
                (None, Self::Dropout(dropout)) => {
                    dropout.encode(word, draws, &mut scratch, &mut ids);
                }
                (None, Self::Lattice(lattice)) => {
                    lattice.encode(word, draws, &mut lattice_scratch, &mut ids);
                }
            }
        }
        Ok(ids)
    }
}

fn name(model: &ModelWrapper) -> &'static str {
    match model {
        ModelWrapper::BPE(_) => "byte-pair encoding",
        ModelWrapper::Unigram(_) => "a unigram model",
        ModelWrapper::WordPiece(_) => "a WordPiece model",
        ModelWrapper::WordLevel(_) => "a list of words",
    }
}
