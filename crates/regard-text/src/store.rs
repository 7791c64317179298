//! Training examples on disk: written once, read by position.
//!
//! Pairs are read, filtered and turned into ids once, and kept in a file under `data.cache`. The
//! file is found again by what went into it: the names of the corpus files, the settings that rule
//! which pairs are kept, the tokenizers. It is used if the files are the ones it was made from, by
//! size and time, or else by content; if it is not, or is damaged, it is made anew.
//!
//! In memory there is what planning needs, lengths and places: twelve bytes a pair.
//!
//! # The file
//!
//! | part | content |
//! |------|---------|
//! | records | of each example: ids of the source, ids of the target (16 bits each, or 32 for a vocabulary above 65,536), the text of both sides where it is cut anew in every pass, 32 bits of a hash of these |
//! | index | of each example: two lengths in tokens, 16 bits each; bytes of the record, 32 bits |
//! | summary | JSON: what the file was made from, sizes, what became of the pairs |
//! | end | length of the summary, hash of index, hash of the summary and these; a magic word |
//!
//! Numbers are little-endian. Summary and index are checked when a file is opened, a record when it
//! is read.

mod build;
mod format;
mod key;
mod record;

use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use crate::Tokenizers;
use crate::corpus::{Example, Pair, PairStream, ReadReport};
use crate::error::TextError;
use key::Key;
use record::Layout;

/// Tokens of source and target, without special ids.
pub type Lengths = (u16, u16);

/// The training examples of a run, in a file.
///
/// # Example
///
/// ```
/// use regard_text::toy::{Generate, Task};
/// use regard_text::{DataConfig, Tokenizers, store::ExampleStore};
///
/// let directory = tempfile::tempdir()?;
/// let data = DataConfig {
///     generate: Some(Generate { pairs: 100, ..Generate::new(Task::Copy) }),
///     cache: directory.path().into(),
///     ..DataConfig::default()
/// };
/// let mut pairs = data.training_pairs()?;
/// let tokenizers = Tokenizers::train(&Default::default(), &pairs.by_ref().next().unwrap()?)?;
/// let store = ExampleStore::open(&mut pairs, &tokenizers)?;
/// let examples = store.read(&[99, 0])?;
/// assert_eq!(store.lengths().len(), 100);
/// assert_eq!(examples[1].source.len(), usize::from(store.lengths()[0].0));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct ExampleStore {
    path: PathBuf,
    file: Mutex<File>,
    layout: Layout,
    lengths: Vec<Lengths>,
    /// Where each record begins, and where the last one ends.
    places: Vec<u64>,
    report: ReadReport,
    digest: String,
    unknown: [Unknown; 2],
    origin: Origin,
}

/// What a vocabulary cannot spell, on one side of all examples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unknown {
    /// Unknown tokens.
    pub unknown: u64,
    /// All tokens.
    pub tokens: u64,
}

impl Unknown {
    /// The unknown of a hundred tokens.
    pub fn percent(self) -> f64 {
        100.0 * self.unknown as f64 / self.tokens.max(1) as f64
    }
}

/// Where the examples came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// From the file, which was there.
    Found,
    /// There was no file; one was made.
    Made,
    /// There was a file, but it was of no use; one was made in its place.
    Renewed {
        /// What was wrong with it.
        reason: String,
    },
}

impl ExampleStore {
    /// The examples of `pairs`, from the file that keeps them or, where there is none that fits,
    /// made and put there. The texts are kept, too, if a tokenizer
    /// [samples](crate::Tokenizer::is_sampled).
    ///
    /// # Errors
    ///
    /// Those of reading the corpus, and a cache that cannot be written.
    pub fn open(pairs: &mut PairStream, tokenizers: &Tokenizers) -> Result<Self, TextError> {
        let layout = Layout::of(tokenizers);
        let key = Key::new(pairs.config(), tokenizers, layout);
        let directory = pairs.config().cache.clone();
        let path = directory.join(key.file_name());
        if let Ok(store) = Self::found(&path, &key, layout)? {
            return Ok(store);
        }
        fs::create_dir_all(&directory).map_err(|source| TextError::CacheWrite {
            path: directory.clone(),
            source,
        })?;
        let _lock = build::lock(&directory)?;
        // Another process may have been faster.
        let reason = match Self::found(&path, &key, layout)? {
            Ok(store) => return Ok(store),
            Err(reason) => reason,
        };
        build::build(&path, &key, pairs, tokenizers, layout)?;
        let mut store =
            Self::found(&path, &key, layout)?.map_err(|reason| TextError::CacheDamaged {
                path,
                reason: reason.unwrap_or_else(|| "it is gone".into()),
            })?;
        store.origin = reason.map_or(Origin::Made, |reason| Origin::Renewed { reason });
        Ok(store)
    }

    /// What is in the file at `path`, or why that is of no use; no reason if there is no file.
    ///
    /// An error is one of the corpus files: the other one is only a reason to make the file anew.
    fn found(
        path: &Path,
        key: &Key,
        layout: Layout,
    ) -> Result<Result<Self, Option<String>>, TextError> {
        let mut file = match File::open(path) {
            Ok(file) => file,
            Err(error) => {
                let is_missing = error.kind() == std::io::ErrorKind::NotFound;
                return Ok(Err((!is_missing).then(|| error.to_string())));
            }
        };
        let (summary, lengths, places) = match format::read(&mut file, layout) {
            Ok(read) => read,
            Err(reason) => return Ok(Err(Some(reason))),
        };
        if let Some(reason) = key.differs(&summary)? {
            return Ok(Err(Some(reason)));
        }
        Ok(Ok(Self {
            path: path.to_owned(),
            file: Mutex::new(file),
            layout,
            lengths,
            places,
            report: summary.report,
            digest: summary.digest,
            unknown: summary.unknown,
            origin: Origin::Found,
        }))
    }

    /// Of each example, in the order of the corpus.
    pub fn lengths(&self) -> &[Lengths] {
        &self.lengths
    }

    /// What became of the pairs.
    pub fn report(&self) -> &ReadReport {
        &self.report
    }

    /// A digest of all examples and their order, over lengths and ids.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Bytes of the longest text of a pair, both sides together; 0 where the texts are not kept.
    pub fn longest_text(&self) -> usize {
        let sizes = self.places.windows(2).map(|ends| ends[1] - ends[0]);
        let texts = sizes.zip(&self.lengths).map(|(size, &lengths)| {
            // Behind the ids and before the text there is its length.
            let rest = size.saturating_sub(self.layout.ids_size(lengths) as u64 + 4);
            usize::try_from(rest).unwrap_or(usize::MAX)
        });
        texts.max().unwrap_or(0)
    }

    /// Unknown tokens of source and target.
    pub fn unknown(&self) -> [Unknown; 2] {
        self.unknown
    }

    /// Whether the file was there.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Where the examples are.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The examples at `indices`, in that order.
    ///
    /// # Errors
    ///
    /// [`TextError::CacheDamaged`] if the file is not what it was.
    ///
    /// # Panics
    ///
    /// If an index is not below the number of examples.
    pub fn read(&self, indices: &[u32]) -> Result<Vec<Example>, TextError> {
        let read = self.records(indices)?;
        Ok(read.into_iter().map(|(example, _)| example).collect())
    }

    /// The same with their text, which is empty unless a tokenizer samples.
    ///
    /// # Errors
    ///
    /// Those of [`read`](Self::read).
    ///
    /// # Panics
    ///
    /// As [`read`](Self::read) does.
    pub fn read_with_text(&self, indices: &[u32]) -> Result<Vec<(Example, Pair)>, TextError> {
        self.records(indices)
    }

    fn records(&self, indices: &[u32]) -> Result<Vec<(Example, Pair)>, TextError> {
        // In the order of the file, which is kind to disks.
        let mut order: Vec<(u32, usize)> = indices.iter().copied().zip(0..).collect();
        order.sort_unstable();
        let mut records = vec![(Example::default(), Pair::default()); indices.len()];
        let mut bytes = Vec::new();
        // A thread that panicked while it read left nothing half done but the position.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        for (index, row) in order {
            let index = index as usize;
            let (from, to) = (self.places[index], self.places[index + 1]);
            bytes.resize(usize::try_from(to - from).unwrap_or(usize::MAX), 0);
            let read = file
                .seek(SeekFrom::Start(from))
                .and_then(|_| file.read_exact(&mut bytes));
            records[row] = read
                .map_err(|error| error.to_string())
                .and_then(|()| self.layout.unpack(&bytes, self.lengths[index]))
                .map_err(|reason| TextError::CacheDamaged {
                    path: self.path.clone(),
                    reason: format!("example {index}: {reason}"),
                })?;
        }
        Ok(records)
    }
}
