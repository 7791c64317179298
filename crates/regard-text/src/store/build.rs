use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::Lengths;
use super::format::{self, FORMAT, Summary};
use super::key::Key;
use super::record::Layout;
use crate::Tokenizers;
use crate::corpus::{Example, PairStream, ReadReport, encode_rows};
use crate::digest::Digest;
use crate::error::TextError;

/// Holds a directory of examples against other processes that would write to it.
pub(super) fn lock(directory: &Path) -> Result<Option<File>, TextError> {
    let path = directory.join("lock");
    let failed = |source| TextError::CacheWrite {
        path: path.clone(),
        source,
    };
    let file = File::create(&path).map_err(failed)?;
    match file.lock() {
        Ok(()) => Ok(Some(file)),
        // Some file systems have no locks. Then two processes write the same bytes, each its own.
        Err(error) if error.kind() == io::ErrorKind::Unsupported => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Writes the examples of `pairs` to `path`: beside its place first, then renamed.
pub(super) fn build(
    path: &Path,
    key: &Key,
    pairs: &mut PairStream,
    tokenizers: &Tokenizers,
    layout: Layout,
) -> Result<(), TextError> {
    let mut beside = OsString::from(path);
    beside.push(".tmp");
    let beside = PathBuf::from(beside);
    let failed = |source| TextError::CacheWrite {
        path: path.to_owned(),
        source,
    };
    // Before they are read: who changes them meanwhile changes them for the next time.
    let (settings, noted, files) = key.stamped()?;
    let written = write(&beside, pairs, tokenizers, layout, |written| Summary {
        format: FORMAT,
        settings,
        noted,
        files,
        examples: written.examples as u64,
        records: written.records,
        digest: written.digest.finish(),
        report: written.report.clone(),
    });
    let placed = written.and_then(|()| fs::rename(&beside, path).map_err(failed));
    if placed.is_err() {
        // The first error is the one to tell; what is left behind is only half a copy.
        let _ = fs::remove_file(&beside);
    }
    placed
}

/// What has been written so far.
struct Written {
    examples: usize,
    records: u64,
    index: Vec<u8>,
    digest: Digest,
    report: ReadReport,
}

fn write(
    beside: &Path,
    pairs: &mut PairStream,
    tokenizers: &Tokenizers,
    layout: Layout,
    summary: impl FnOnce(&Written) -> Summary,
) -> Result<(), TextError> {
    let failed = |source| TextError::CacheWrite {
        path: beside.to_owned(),
        source,
    };
    let file = File::create(beside).map_err(failed)?;
    let mut out = BufWriter::with_capacity(1 << 20, &file);
    let mut written = Written {
        examples: 0,
        records: 0,
        index: Vec::new(),
        digest: Digest::default(),
        report: ReadReport::default(),
    };
    let (config, names) = (pairs.config().clone(), pairs.names());
    let mut bytes = Vec::new();
    pairs.rewind();
    let mut chunk = pairs.next_rows()?;
    while let Some(rows) = chunk {
        // The next chunk is read while this one is cut.
        let (next, (examples, report)) = rayon::join(
            || pairs.next_rows(),
            || encode_rows(tokenizers, rows, &config, &names),
        );
        written.report = written.report.then(report);
        bytes.clear();
        for (example, pair) in &examples {
            let begin = bytes.len();
            layout.pack(example, pair, &mut bytes);
            written.note(example, bytes.len() - begin);
        }
        out.write_all(&bytes).map_err(failed)?;
        if written.examples > u32::MAX as usize {
            return Err(TextError::TooManyPairs {
                most: u32::MAX as usize,
            });
        }
        chunk = next?;
    }
    // The later stage has read what the earlier one kept.
    written.report = pairs.report().clone().then(written.report);
    pairs.rewind();
    let summary = summary(&written);
    format::write_end(&mut out, &written.index, &summary)
        .and_then(|()| out.flush())
        .and_then(|()| file.sync_all())
        .map_err(failed)
}

impl Written {
    fn note(&mut self, example: &Example, size: usize) {
        // Neither is cut: `max_length` fits in 16 bits, a line in 24.
        let short = |length: usize| u16::try_from(length).unwrap_or(u16::MAX);
        let (source, target) = example.lengths();
        let lengths: Lengths = (short(source), short(target));
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        self.index.extend_from_slice(&format::entry(lengths, size));
        self.records += u64::from(size);
        self.examples += 1;
        for side in [&example.source, &example.target] {
            self.digest.number(side.len() as u64);
            for &id in side {
                self.digest.number(u64::from(id));
            }
        }
    }
}
