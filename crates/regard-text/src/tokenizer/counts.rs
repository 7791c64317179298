use std::collections::HashMap;

use rayon::prelude::*;
use tokenizers::tokenizer::{Normalizer, PreTokenizer, Result};
use tokenizers::{NormalizedString, OffsetReferential, OffsetType, PreTokenizedString};

/// Lines counted by one thread before the counts are put together.
const CHUNK: usize = 4096;

/// How often each piece between two cuts occurs, in the order of the pieces.
pub(super) fn count_pieces(
    tokenizer: &tokenizers::Tokenizer,
    lines: &[&str],
) -> Result<Vec<(String, u64)>> {
    let counts = lines
        .par_chunks(CHUNK)
        .map(|chunk| count_chunk(tokenizer, chunk))
        .try_reduce(HashMap::new, |left, right| Ok(merge(left, right)))?;
    let mut sorted: Vec<(String, u64)> = counts.into_iter().collect();
    sorted.sort_unstable();
    Ok(sorted)
}

fn count_chunk(tokenizer: &tokenizers::Tokenizer, lines: &[&str]) -> Result<HashMap<String, u64>> {
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
