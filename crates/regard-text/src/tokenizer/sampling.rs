//! Cutting a text in another way each time it is read, as a regulariser.

use tokenizers::models::ModelWrapper;
use tokenizers::tokenizer::{PreTokenizer, Result};
use tokenizers::{OffsetReferential, OffsetType};

use super::TokenizerConfig;
use super::draws::Draws;
use super::dropout::{MergeDropout, Scratch};
use crate::error::TextError;

/// What makes the cuts of a text vary.
#[derive(Debug)]
pub(super) enum Sampler {
    /// BPE that forgets merges.
    Dropout(MergeDropout),
}

impl Sampler {
    /// What `config` asks for, on the model of `tokenizer`; `None` if it asks for nothing.
    pub(super) fn new(
        config: &TokenizerConfig,
        tokenizer: &tokenizers::Tokenizer,
    ) -> std::result::Result<Option<Self>, TextError> {
        if config.dropout == 0.0 {
            return Ok(None);
        }
        let ModelWrapper::BPE(model) = tokenizer.get_model() else {
            return Err(TextError::Config {
                problems: vec![
                    "`tokenizer.dropout`: expected 0, since the tokenizer is no byte-pair encoding"
                        .to_owned(),
                ],
            });
        };
        let dropout =
            MergeDropout::new(model, config.dropout).map_err(|error| TextError::Sampling {
                reason: error.to_string(),
            })?;
        Ok(Some(Self::Dropout(dropout)))
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
        let mut scratch = Scratch::default();
        for ((word, _, added), number) in words.into_iter().zip(0..) {
            let draws = Draws::new(key, number);
            match (added, self) {
                // Tokens added to the vocabulary stand as they are.
                (Some(tokens), _) => ids.extend(tokens.iter().map(|token| token.id)),
                (None, Self::Dropout(dropout)) => {
                    dropout.encode(word, draws, &mut scratch, &mut ids);
                }
            }
        }
        Ok(ids)
    }
}
