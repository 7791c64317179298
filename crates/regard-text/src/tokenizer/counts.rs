use std::collections::HashMap;

use rayon::prelude::*;
use tokenizers::tokenizer::{Normalizer, PreTokenizer};
use tokenizers::{NormalizedString, OffsetReferential, OffsetType, PreTokenizedString};

use super::train::{self, refused};
use super::{Tokenizer, TokenizerConfig, TokenizerKind, scheme};
use crate::error::TextError;
use crate::special::SpecialIds;

/// Lines counted by one thread before the counts are put together.
const CHUNK: usize = 4096;

/// Learns one tokenizer from lines that come chunk by chunk.
///
/// Nothing is kept but how often each piece between two cuts occurs, so that memory grows with the
/// number of different words, not with the length of the text. How the lines are divided into
/// chunks, their order and the number of threads change nothing about the result. Of more than
/// 262,144 different pieces, `bpe`, `unigram` and `wordpiece` learn from the most frequent.
#[derive(Debug)]
pub struct PieceCounter {
    config: TokenizerConfig,
    tokenizer: tokenizers::Tokenizer,
    counts: HashMap<String, u64>,
}

impl PieceCounter {
    /// A counter that has seen no line.
    ///
    /// # Errors
    ///
    /// A configuration that does not [validate](TokenizerConfig::validate).
    pub fn new(config: &TokenizerConfig) -> Result<Self, TextError> {
        config.validate()?;
        Ok(Self {
            config: config.clone(),
            tokenizer: scheme::without_vocabulary(config).map_err(refused)?,
            counts: HashMap::new(),
        })
    }

    /// Whether lines make a difference. Bytes are known without looking.
    pub fn needs_lines(&self) -> bool {
        self.config.kind != TokenizerKind::Byte
    }

    /// Counts the pieces of `lines`, in parallel.
    ///
    /// # Errors
    ///
    /// If the tokenizer library refuses a line.
    pub fn add(&mut self, lines: &[&str]) -> Result<(), TextError> {
        if !self.needs_lines() {
            return Ok(());
        }
        let counts = lines
            .par_chunks(CHUNK)
            .map(|chunk| count_chunk(&self.tokenizer, chunk))
            .try_reduce(HashMap::new, |left, right| Ok(merge(left, right)))
            .map_err(refused)?;
        self.counts = merge(std::mem::take(&mut self.counts), counts);
        Ok(())
    }

    /// The tokenizer of all lines so far.
    ///
    /// # Errors
    ///
    /// If no line had a word in it; `byte` needs none.
    pub fn finish(self) -> Result<Tokenizer, TextError> {
        let mut pieces: Vec<(String, u64)> = self.counts.into_iter().collect();
        pieces.sort_unstable();
        let inner = train::learn(&self.config, self.tokenizer, pieces)?;
        Ok(Tokenizer::assemble(inner, SpecialIds::default()))
    }
}

fn count_chunk(
    tokenizer: &tokenizers::Tokenizer,
    lines: &[&str],
) -> tokenizers::Result<HashMap<String, u64>> {
    let mut counts = HashMap::new();
    for line in lines {
        let mut normalized = NormalizedString::from(*line);
        if let Some(normalizer) = tokenizer.get_normalizer() {
            normalizer.normalize(&mut normalized)?;
        }
        let mut pieces = PreTokenizedString::from(normalized);
        if let Some(pre_tokenizer) = tokenizer.get_pre_tokenizer() {
            pre_tokenizer.pre_tokenize(&mut pieces)?;
        }
        for (piece, ..) in pieces.get_splits(OffsetReferential::Normalized, OffsetType::None) {
            match counts.get_mut(piece) {
                Some(count) => *count += 1,
                None => {
                    counts.insert(piece.to_owned(), 1);
                }
            }
        }
    }
    Ok(counts)
}

fn merge(left: HashMap<String, u64>, right: HashMap<String, u64>) -> HashMap<String, u64> {
    let (mut large, small) = if left.len() < right.len() {
        (right, left)
    } else {
        (left, right)
    };
    #[expect(
        clippy::iter_over_hash_type,
        reason = "sums of whole numbers do not depend on the order"
    )]
    for (piece, count) in small {
        *large.entry(piece).or_insert(0) += count;
    }
    large
}
