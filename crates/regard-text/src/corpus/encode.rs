use rayon::prelude::*;

use super::report::{ReadReport, Reason, Shown};
use super::rows::{Names, Row};
use super::{Example, Pair};
use crate::data::{DataConfig, LongLines};
use crate::tokenizer::Tokenizers;

/// Turns pairs into ids, in parallel and in order, and applies the length rule of `config`.
///
/// The limit is counted on tokens, before special ids. A pair with a side that has no token at all
/// is dropped as empty. `data.max_ratio` is a rule for training alone and not applied here.
pub fn encode_pairs(
    tokenizers: &Tokenizers,
    pairs: &[Pair],
    config: &DataConfig,
) -> (Vec<Example>, ReadReport) {
    let mut report = ReadReport {
        read: pairs.len(),
        ..ReadReport::default()
    };
    let encoded: Vec<Example> = pairs
        .par_iter()
        .map(|pair| encode(tokenizers, pair))
        .collect();
    let mut examples = Vec::with_capacity(pairs.len());
    for (mut example, pair) in encoded.into_iter().zip(pairs) {
        let reason = limit(&mut example, config, None);
        if let Some(reason) = reason {
            report.note(reason, || Shown::new(reason, String::new(), pair));
        }
        if reason.is_none_or(|reason| reason == Reason::Truncated) {
            examples.push(example);
        }
    }
    (examples, report)
}

/// The examples of one chunk of training pairs, with the pairs they came from, and what became of
/// the others.
pub(crate) fn encode_rows(
    tokenizers: &Tokenizers,
    rows: Vec<Row>,
    config: &DataConfig,
    names: &Names,
) -> (Vec<(Example, Pair)>, ReadReport) {
    let mut report = ReadReport {
        read: rows.len(),
        ..ReadReport::default()
    };
    let encoded: Vec<Example> = rows
        .par_iter()
        .with_min_len(64)
        .map(|row| encode(tokenizers, &row.pair))
        .collect();
    let mut examples = Vec::with_capacity(rows.len());
    for (mut example, row) in encoded.into_iter().zip(rows) {
        let reason = limit(&mut example, config, config.max_ratio);
        if let Some(reason) = reason {
            report.note(reason, || {
                Shown::new(reason, names.of(row.place), &row.pair)
            });
        }
        if reason.is_none_or(|reason| reason == Reason::Truncated) {
            examples.push((example, row.pair));
        }
    }
    (examples, report)
}

fn encode(tokenizers: &Tokenizers, pair: &Pair) -> Example {
    Example {
        source: tokenizers.source().encode(&pair.source),
        target: tokenizers.target().encode(&pair.target),
    }
}

/// What the rules on lengths say, and cuts what they have cut.
fn limit(example: &mut Example, config: &DataConfig, max_ratio: Option<f64>) -> Option<Reason> {
    let (source, target) = example.lengths();
    if source == 0 || target == 0 {
        return Some(Reason::Empty);
    }
    let is_long = source.max(target) > config.max_length;
    if is_long && config.long == LongLines::Drop {
        return Some(Reason::Long);
    }
    let ratio = source.max(target) as f64 / source.min(target) as f64;
    if max_ratio.is_some_and(|most| ratio > most) {
        return Some(Reason::Ratio);
    }
    example.source.truncate(config.max_length);
    example.target.truncate(config.max_length);
    is_long.then_some(Reason::Truncated)
}
