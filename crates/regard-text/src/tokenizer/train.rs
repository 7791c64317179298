use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

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

/// Most different pieces to learn from. The trainers take some 600 bytes for each, and what is rarer
/// than so many others makes no merge.
const MOST_PIECES: usize = 1 << 18;

/// Gives `tokenizer` a vocabulary of at most `config.vocabulary` ids, learned from the sorted
/// `pieces` and their counts; ids 0 to 3 are the special ids.
pub(super) fn learn(
    config: &TokenizerConfig,
    mut tokenizer: tokenizers::Tokenizer,
    pieces: Vec<(String, u64)>,
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

fn model(config: &TokenizerConfig, mut pieces: Vec<(String, u64)>) -> Result<ModelWrapper> {
    let reserved = &SpecialIds::TOKENS;
    let place = SpecialIds::default().unknown as usize;
    let unknown = reserved[place].to_owned();
    let most = config.vocabulary;
    if matches!(
        config.kind,
        TokenizerKind::Bpe | TokenizerKind::Unigram | TokenizerKind::WordPiece
    ) {
        pieces = most_frequent(pieces, MOST_PIECES);
    }
    Ok(match config.kind {
        TokenizerKind::Bpe => {
            let mut bpe = merges::learn(&pieces, most, reserved)?;
            bpe.unk_token = Some(unknown);
            bpe.fuse_unk = true;
            bpe.into()
        }
        TokenizerKind::Character => {
            let mut counts: BTreeMap<char, u64> = BTreeMap::new();
            for (piece, count) in pieces {
                for character in piece.chars() {
                    *counts.entry(character).or_insert(0) += count;
                }
            }
            let counts = counts.into_iter();
            let characters: Vec<(String, u64)> = counts
                .map(|(character, count)| (character.to_string(), count))
                .collect();
            let mut bpe = merges::learn(&characters, most, reserved)?;
            bpe.unk_token = Some(unknown);
            bpe.into()
        }
        TokenizerKind::WordPiece => WordPiece::builder()
            .vocab(numbered(merges::learn_continued(
                &pieces,
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
            let mut words = most_frequent(pieces, most - reserved.len());
            words.sort_unstable_by(by_frequency);
            let reserved = reserved.iter().map(|&token| token.to_owned());
            let words = words.into_iter().map(|(word, _)| word);
            let all = reserved.chain(words).collect();
            WordLevel::builder()
                .vocab(numbered(all))
                .unk_token(unknown)
                .build()?
                .into()
        }
        TokenizerKind::Byte => bytes::model(reserved)?.into(),
        TokenizerKind::Unigram => unigram::learn(&pieces, most, reserved, place)?.into(),
    })
}

/// The `most` most frequent pieces, in the order of the pieces.
fn most_frequent(mut pieces: Vec<(String, u64)>, most: usize) -> Vec<(String, u64)> {
    if pieces.len() > most {
        pieces.sort_unstable_by(by_frequency);
        pieces.truncate(most);
        pieces.sort_unstable();
    }
    pieces
}

/// The most frequent first; of equally frequent ones, the first by spelling.
fn by_frequency(left: &(String, u64), right: &(String, u64)) -> Ordering {
    (Reverse(left.1), &left.0).cmp(&(Reverse(right.1), &right.0))
}

fn numbered(tokens: Vec<String>) -> Vocab {
    tokens.into_iter().zip(0..).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rarest_pieces_go_and_the_order_stays() {
        let pieces = |all: &[(&str, u64)]| -> Vec<(String, u64)> {
            all.iter()
                .map(|&(piece, count)| (piece.to_owned(), count))
                .collect()
        };
        let all = pieces(&[("a", 1), ("b", 5), ("c", 2), ("d", 2), ("e", 9)]);
        assert_eq!(most_frequent(all.clone(), 5), all);
        assert_eq!(
            most_frequent(all.clone(), 3),
            pieces(&[("b", 5), ("c", 2), ("e", 9)])
        );
        assert_eq!(most_frequent(all, 0), []);
    }
}
