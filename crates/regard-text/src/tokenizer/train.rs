use std::cmp::Reverse;

use tokenizers::models::ModelWrapper;
use tokenizers::models::bpe::Vocab;
use tokenizers::models::wordlevel::WordLevel;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::tokenizer::{AddedToken, Result};

use super::{TokenizerConfig, TokenizerKind, bytes, merges, unigram};
use crate::error::TextError;
use crate::special::SpecialIds;

/// Marks a piece that does not begin a word, for `wordpiece`.
pub(super) const CONTINUATION: &str = "##";

/// Longest word that `wordpiece` tries to spell, in characters. Its search is quadratic.
const LONGEST_WORD: usize = 100;

/// Gives `tokenizer` a vocabulary of at most `config.vocabulary` ids, learned from the sorted
/// `pieces` and their counts; ids 0 to 3 are the special ids.
pub(super) fn learn(
    config: &TokenizerConfig,
    mut tokenizer: tokenizers::Tokenizer,
    pieces: &[(String, u64)],
) -> std::result::Result<tokenizers::Tokenizer, TextError> {
    if pieces.is_empty() && config.kind != TokenizerKind::Byte {
        return Err(TextError::NoText);
    }
    tokenizer.with_model(model(config, pieces).map_err(refused)?);
    // Named in the file as special, so that other tools skip them, too.
    let special = SpecialIds::TOKENS.map(|token| AddedToken::from(token, true));
    tokenizer.add_special_tokens(special).map_err(refused)?;
    Ok(tokenizer)
}

/// What the tokenizer library said while a tokenizer was trained.
#[expect(clippy::needless_pass_by_value, reason = "as `map_err` wants it")]
pub(super) fn refused(error: tokenizers::Error) -> TextError {
    TextError::Training {
        reason: error.to_string(),
    }
}

fn model(config: &TokenizerConfig, pieces: &[(String, u64)]) -> Result<ModelWrapper> {
    let reserved = &SpecialIds::TOKENS;
    let place = SpecialIds::default().unknown as usize;
    let unknown = reserved[place].to_owned();
    let most = config.vocabulary;
    Ok(match config.kind {
        TokenizerKind::Bpe => {
            let mut bpe = merges::learn(pieces, most, reserved)?;
            bpe.unk_token = Some(unknown);
            bpe.fuse_unk = true;
            bpe.into()
        }
        TokenizerKind::Character => {
            let characters: Vec<(String, u64)> = pieces
                .iter()
                .flat_map(|(piece, count)| {
                    piece
                        .chars()
                        .map(move |character| (character.to_string(), *count))
                })
                .collect();
            let mut bpe = merges::learn(&characters, most, reserved)?;
            bpe.unk_token = Some(unknown);
            bpe.into()
        }
        TokenizerKind::WordPiece => WordPiece::builder()
            .vocab(numbered(merges::learn_continued(
                pieces,
                most,
                reserved,
                CONTINUATION,
            )?))
            .unk_token(unknown)
            .continuing_subword_prefix(CONTINUATION.to_owned())
            .max_input_chars_per_word(LONGEST_WORD)
            .build()?
            .into(),
        TokenizerKind::Word => {
            let tokens = most_frequent(pieces, most - reserved.len());
            let all = reserved
                .iter()
                .map(|&token| token.to_owned())
                .chain(tokens)
                .collect();
            WordLevel::builder()
                .vocab(numbered(all))
                .unk_token(unknown)
                .build()?
                .into()
        }
        TokenizerKind::Byte => bytes::model(reserved)?.into(),
        TokenizerKind::Unigram => unigram::learn(pieces, most, reserved, place)?.into(),
    })
}

fn most_frequent(pieces: &[(String, u64)], room: usize) -> Vec<String> {
    let mut ranked: Vec<&(String, u64)> = pieces.iter().collect();
    ranked.sort_unstable_by_key(|(piece, count)| (Reverse(*count), piece));
    ranked
        .into_iter()
        .take(room)
        .map(|(piece, _)| piece.clone())
        .collect()
}

fn numbered(tokens: Vec<String>) -> Vocab {
    tokens.into_iter().zip(0..).collect()
}
