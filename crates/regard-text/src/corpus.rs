//! Pairs of sentences: read from files, filtered, turned into ids. Nothing is dropped without being
//! counted.
//!
//! Training pairs may be more than fit in memory: they come in chunks, from a [`PairStream`].
//! Those to validate and to test on are read at once, by [`read_pairs`].

mod encode;
mod filter;
mod lines;
mod pairs;
mod report;
mod rows;
mod script;

pub use encode::encode_pairs;
pub(crate) use encode::encode_rows;
pub use pairs::PairStream;
pub use report::{ReadReport, Reason, Shown};
use rows::{Row, Rows};
pub(crate) use script::Writing;

use crate::data::CorpusFiles;
use crate::error::TextError;

/// A sentence and its translation, as text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
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

/// Reads a corpus and leaves out the pairs with an empty side.
///
/// A line ends at LF, with or without a CR before it; no other character ends a line, and the last
/// line needs no end. A byte-order mark at the start of a file is skipped.
///
/// # Errors
///
/// A file that is missing, empty, not UTF-8 or, where its name says that it is compressed, cut off;
/// files with different numbers of lines; a TSV row without a TAB; a row that is no object with
/// both keys; a line of more than 16 MiB; a corpus in which every pair has an empty side; keys of
/// `files` that do not go together.
pub fn read_pairs(files: &CorpusFiles) -> Result<(Vec<Pair>, ReadReport), TextError> {
    let mut rows = Rows::new(files)?;
    let names = rows.names();
    let mut report = ReadReport::default();
    let mut pairs = Vec::new();
    while let Some(Row { pair, place }) = rows.next()? {
        report.read += 1;
        if is_blank(&pair.source) || is_blank(&pair.target) {
            let reason = Reason::Empty;
            report.note(reason, || Shown::new(reason, names.of(place), &pair));
        } else {
            pairs.push(pair);
        }
    }
    if pairs.is_empty() {
        return Err(TextError::NoPairs {
            path: rows.path().to_owned(),
            read: report.read,
            blank: report.dropped_empty,
        });
    }
    Ok((pairs, report))
}

fn is_blank(line: &str) -> bool {
    line.trim().is_empty()
}
