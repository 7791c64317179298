use tokenizers::decoders::DecoderWrapper;
use tokenizers::decoders::sequence::Sequence as Decoders;
use tokenizers::models::bpe::BPE;
use tokenizers::normalizers::replace::{Replace, ReplacePattern};
use tokenizers::normalizers::{Lowercase, NFKC, NormalizerWrapper, Sequence as Normalizers, Strip};
use tokenizers::pre_tokenizers::PreTokenizerWrapper;
use tokenizers::pre_tokenizers::metaspace::{Metaspace, PrependScheme};
use tokenizers::pre_tokenizers::sequence::Sequence as PreTokenizers;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::{Result, SplitDelimiterBehavior};

use super::train::CONTINUATION;
use super::{TokenizerConfig, TokenizerKind, WORD_START};
use crate::special::SpecialIds;

/// Any white space that is not one ordinary space.
const ODD_SPACE: &str = r"[^\S ]\s*| \s+";

/// A word with its mark and its apostrophe; else a single sign with its mark; else a mark. Every
/// text is a sequence of these. No look-around, which would cost a backtracking engine.
const PIECE: &str =
    r"\x{2581}?[\p{L}\p{M}\p{N}_]+['’]?|\x{2581}?[^\p{L}\p{M}\p{N}_\x{2581}]|\x{2581}";

/// A tokenizer that cuts and joins as `config` says, but has no vocabulary yet.
pub(super) fn without_vocabulary(config: &TokenizerConfig) -> Result<tokenizers::Tokenizer> {
    let mut tokenizer = tokenizers::Tokenizer::new(BPE::default());
    tokenizer.with_normalizer(Some(normalizer(config)?))?;
    tokenizer.with_pre_tokenizer(Some(pre_tokenizer(config.kind)?));
    tokenizer.with_decoder(Some(decoder(config.kind)?));
    Ok(tokenizer)
}

fn normalizer(config: &TokenizerConfig) -> Result<NormalizerWrapper> {
    let mut steps: Vec<NormalizerWrapper> = Vec::new();
    if config.nfkc {
        steps.push(NFKC.into());
    }
    if config.lowercase {
        steps.push(Lowercase.into());
    }
    steps.push(Replace::new(ReplacePattern::Regex(ODD_SPACE.into()), " ")?.into());
    steps.push(Strip::new(true, true).into());
    Ok(Normalizers::new(steps).into())
}

fn pre_tokenizer(kind: TokenizerKind) -> Result<PreTokenizerWrapper> {
    if kind == TokenizerKind::Character {
        return Ok(metaspace(kind).into());
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
