//! Pairs of sentences: read from files, turned into ids, filtered by length. Nothing is dropped
//! without being counted.

mod lines;

use std::path::Path;

use serde::Serialize;

use crate::data::{CorpusFiles, DataConfig, LongLines};
use crate::error::TextError;
use crate::tokenizer::Tokenizers;

/// A sentence and its translation, as text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pair {
    /// What is translated.
    pub source: String,
    /// The translation.
    pub target: String,
}

/// A sentence and its translation, as ids without special ids.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Example {
    /// Ids of the source.
    pub source: Vec<u32>,
    /// Ids of the target.
    pub target: Vec<u32>,
}

impl Example {
    /// Tokens of source and target, as [`plan_epoch`](crate::batch::plan_epoch) wants them.
    pub fn lengths(&self) -> (usize, usize) {
        (self.source.len(), self.target.len())
    }
}

/// What became of the pairs that came in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct ReadReport {
    /// Pairs that came in.
    pub read: usize,
    /// Pairs left out because a side, or both, has nothing but white space.
    pub dropped_empty: usize,
    /// Pairs left out because a side is longer than `data.max_length`.
    pub dropped_long: usize,
    /// Pairs kept, but cut to `data.max_length`.
    pub truncated: usize,
}

impl ReadReport {
    /// Pairs that went out.
    pub fn kept(&self) -> usize {
        self.read - self.dropped_empty - self.dropped_long
    }

    /// This stage followed by `later`, which read what this one kept.
    #[must_use]
    pub fn then(self, later: Self) -> Self {
        Self {
            read: self.read,
            dropped_empty: self.dropped_empty + later.dropped_empty,
            dropped_long: self.dropped_long + later.dropped_long,
            truncated: self.truncated + later.truncated,
        }
    }
}

/// Reads a corpus and leaves out the pairs with an empty side.
///
/// A line ends at LF, with or without a CR before it; no other character ends a line, and the last
/// line needs no end. A byte-order mark at the start of a file is skipped.
///
/// # Errors
///
/// A file that is missing, empty or not UTF-8; files with different numbers of lines; a TSV row
/// without a TAB; a corpus in which every pair has an empty side; keys of `files` that do not go
/// together.
pub fn read_pairs(files: &CorpusFiles) -> Result<(Vec<Pair>, ReadReport), TextError> {
    if let Some(problem) = files.problem("corpus") {
        return Err(TextError::Config {
            problems: vec![problem],
        });
    }
    let (path, all) = match (&files.source, &files.target, &files.tsv) {
        (Some(source), Some(target), _) => (source, read_parallel(source, target)?),
        (_, _, Some(tsv)) => (tsv, read_tsv(tsv)?),
        _ => unreachable!("a corpus without a problem has two files or a TSV"),
    };
    let read = all.len();
    let pairs: Vec<Pair> = all
        .into_iter()
        .filter(|pair| !is_blank(&pair.source) && !is_blank(&pair.target))
        .collect();
    if pairs.is_empty() {
        return Err(TextError::NoPairs {
            path: path.clone(),
            read,
        });
    }
    let report = ReadReport {
        read,
        dropped_empty: read - pairs.len(),
        ..ReadReport::default()
    };
    Ok((pairs, report))
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty()
}

fn read_parallel(source_path: &Path, target_path: &Path) -> Result<Vec<Pair>, TextError> {
    let (sources, targets) = (lines::read(source_path)?, lines::read(target_path)?);
    if sources.len() != targets.len() {
        return Err(TextError::LineCounts {
            source_path: source_path.to_owned(),
            source_lines: sources.len(),
            target_path: target_path.to_owned(),
            target_lines: targets.len(),
        });
    }
    Ok(sources
        .into_iter()
        .zip(targets)
        .map(|(source, target)| Pair { source, target })
        .collect())
}

fn read_tsv(path: &Path) -> Result<Vec<Pair>, TextError> {
    let rows = lines::read(path)?;
    rows.into_iter()
        .enumerate()
        .map(|(number, row)| tsv_pair(path, number + 1, &row))
        .collect()
}

fn tsv_pair(path: &Path, line: usize, row: &str) -> Result<Pair, TextError> {
    let mut columns = row.split('\t').map(str::to_owned);
    match (columns.next(), columns.next()) {
        (Some(source), Some(target)) => Ok(Pair { source, target }),
        // An empty row is an empty pair, to be dropped like one of two files.
        _ if is_blank(row) => Ok(Pair {
            source: String::new(),
            target: String::new(),
        }),
        _ => Err(TextError::Columns {
            path: path.to_owned(),
            line,
            expected: 2,
            got: 1,
        }),
    }
}

/// Turns pairs into ids, in parallel and in order, and applies the length rule of `config`.
///
/// The limit is counted on tokens, before special ids. A pair with a side that has no token at all
/// is dropped as empty.
pub fn encode_pairs(
    tokenizers: &Tokenizers,
    pairs: &[Pair],
    config: &DataConfig,
) -> (Vec<Example>, ReadReport) {
    let sources: Vec<&str> = pairs.iter().map(|pair| pair.source.as_str()).collect();
    let targets: Vec<&str> = pairs.iter().map(|pair| pair.target.as_str()).collect();
    let sources = tokenizers.source().encode_batch(&sources);
    let targets = tokenizers.target().encode_batch(&targets);
    let mut report = ReadReport {
        read: pairs.len(),
        ..ReadReport::default()
    };
    let mut examples = Vec::with_capacity(pairs.len());
    for (mut source, mut target) in sources.into_iter().zip(targets) {
        if source.is_empty() || target.is_empty() {
            report.dropped_empty += 1;
            continue;
        }
        if source.len().max(target.len()) > config.max_length {
            if config.long == LongLines::Drop {
                report.dropped_long += 1;
                continue;
            }
            source.truncate(config.max_length);
            target.truncate(config.max_length);
            report.truncated += 1;
        }
        examples.push(Example { source, target });
    }
    (examples, report)
}
