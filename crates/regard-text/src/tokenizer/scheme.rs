use tokenizers::decoders::DecoderWrapper;
use tokenizers::decoders::sequence::Sequence as Decoders;
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::replace::{Replace, ReplacePattern};
use tokenizers::normalizers::{Lowercase, NFKC, NormalizerWrapper, Sequence as Normalizers, Strip};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::{Result, SplitDelimiterBehavior};

use super::train::CONTINUATION;
use super::{Spaces, TokenizerConfig, TokenizerKind, WORD_START};
use crate::special::SpecialIds;

/// Any white space that is not one ordinary space.
const ODD_SPACE: &str = r"[^\S ]\s*| \s+";

/// The same where only tabs and line ends are odd.
const ODD_SPACE_OR_KEPT: &str = r"[\t-\r\x{85}\x{2028}\x{2029}][\t-\r \x{85}\x{2028}\x{2029}]*| [\t-\r \x{85}\x{2028}\x{2029}]+";

/// One ordinary space at either end of a line.
const OUTER_SPACE: &str = "^ | $";

/// A word with its mark and its apostrophe; else a single sign with its mark; else a mark. Every
/// text is a sequence of these. No look-around, which would cost a backtracking engine.
const PIECE: &str =
    r"\x{2581}?[\p{L}\p{M}\p{N}_]+['’]?|\x{2581}?[^\p{L}\p{M}\p{N}_\x{2581}]|\x{2581}";

/// A tokenizer that cuts and joins as `config` says, but has no vocabulary yet.
pub(super) fn without_vocabulary(config: &TokenizerConfig) -> Result<tokenizers::Tokenizer> {
    let mut tokenizer = tokenizers::Tokenizer::new(BPE::default());
    tokenizer.with_normalizer(normalizer(config)?)?;
    tokenizer.with_pre_tokenizer(Some(pre_tokenizer(config.kind)?));
    tokenizer.with_decoder(Some(decoder(config.kind)?));
    Ok(tokenizer)
}

fn normalizer(config: &TokenizerConfig) -> Result<Option<NormalizerWrapper>> {
    let mut steps: Vec<NormalizerWrapper> = Vec::new();
    if config.nfkc {
        steps.push(NFKC.into());
    }
    if config.lowercase {
        steps.push(Lowercase.into());
    }
    let spaces = (config.kind != TokenizerKind::Byte).then_some(config.spaces);
    match spaces {
        None if steps.is_empty() => return Ok(None),
        None => {}
        Some(Spaces::Unify) => {
            steps.push(replace(ODD_SPACE, " ")?);
            steps.push(Strip::new(true, true).into());
        }
        Some(Spaces::Keep) => {
            steps.push(replace(ODD_SPACE_OR_KEPT, " ")?);
            steps.push(replace(OUTER_SPACE, "")?);
        }
    }
    Ok(Some(Normalizers::new(steps).into()))
}

fn replace(pattern: &str, content: &str) -> Result<NormalizerWrapper> {
    Ok(Replace::new(ReplacePattern::Regex(pattern.into()), content)?.into())
}

fn byte_level() -> ByteLevel {
    ByteLevel::new(false, false, false)
}

fn pre_tokenizer(kind: TokenizerKind) -> Result<PreTokenizerWrapper> {
    match kind {
        TokenizerKind::Byte => return Ok(byte_level().into()),
        TokenizerKind::Character => return Ok(metaspace(kind).into()),
        _ => {}
    }
    let pieces = Split::new(
        SplitPattern::Regex(PIECE.into()),
        SplitDelimiterBehavior::Isolated,
        false,
    )?;
    Ok(PreTokenizers::new(vec![metaspace(kind).into(), pieces.into()]).into())
}

/// Characters need no mark before the first word: it would only make each line one id longer.
fn metaspace(kind: TokenizerKind) -> Metaspace {
    if kind == TokenizerKind::Character {
        Metaspace::new(WORD_START, PrependScheme::Never, true)
    } else {
        Metaspace::new(WORD_START, PrependScheme::Always, false)
    }
}

fn decoder(kind: TokenizerKind) -> Result<DecoderWrapper> {
    if kind == TokenizerKind::Byte {
        return Ok(byte_level().into());
    }
    let mut steps: Vec<DecoderWrapper> = Vec::new();
    if kind == TokenizerKind::WordPiece {
        steps.push(Replace::new(ReplacePattern::Regex(format!("^{CONTINUATION}")), "")?.into());
    }
    if matches!(kind, TokenizerKind::WordPiece | TokenizerKind::Word) {
        // Here an unknown token is a whole word, and most words have a space before them.
        let [_, unknown, ..] = SpecialIds::TOKENS;
        steps.push(Replace::new(unknown, format!("{WORD_START}{unknown}"))?.into());
    }
    steps.push(metaspace(kind).into());
    Ok(Decoders::new(steps).into())
}
