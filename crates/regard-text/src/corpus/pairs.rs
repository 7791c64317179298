use std::path::PathBuf;

use super::Pair;
use super::filter::Filter;
use super::report::{ReadReport, Shown};
use super::rows::{Names, Place, Row, Rows};
use crate::data::DataConfig;
use crate::error::TextError;
use crate::tokenizer::{TokenizerConfig, TokenizerTrainer, Tokenizers};
use crate::toy::{Generate, Split};

/// Pairs, and bytes of text, that are read and worked on together: enough for every thread, and
/// small beside all else in memory.
const CHUNK_PAIRS: usize = 16_384;
const CHUNK_BYTES: usize = 4 << 20;

/// The training pairs of a configuration, read in chunks and filtered by their text; as an
/// iterator, one chunk after the other.
///
/// What is in memory is a chunk, whatever the size of the corpus; filtering duplicates takes some
/// twenty bytes a pair besides. A chunk may be empty, if every pair of it was left out.
///
/// # Example
///
/// ```
/// use regard_text::DataConfig;
/// use regard_text::toy::{Generate, Task};
///
/// let generate = Generate { pairs: 20_000, ..Generate::new(Task::Copy) };
/// let data = DataConfig { generate: Some(generate), ..DataConfig::default() };
/// let mut pairs = data.training_pairs()?;
/// let sizes: Vec<usize> = pairs.by_ref().map(|chunk| Ok(chunk?.len())).collect::<Result<_, regard_text::TextError>>()?;
/// assert_eq!(sizes, [16_384, 3_616]);
/// assert_eq!(pairs.report().kept(), 20_000);
/// # Ok::<(), regard_text::TextError>(())
/// ```
#[derive(Debug)]
pub struct PairStream {
    config: DataConfig,
    source: Source,
    names: Names,
    filter: Filter,
    report: ReadReport,
    spread: Option<Spread>,
    ended: bool,
}

#[derive(Debug)]
enum Source {
    Files(Rows),
    /// Made when the first is asked for.
    Generated {
        generate: Generate,
        pairs: Vec<Pair>,
        next: usize,
    },
}

/// So many of all rows, evenly spread.
#[derive(Debug, Clone, Copy)]
struct Spread {
    most: usize,
    rows: usize,
    row: usize,
}

impl Spread {
    /// Whether the next row is one of them.
    fn takes_next(&mut self) -> bool {
        let before = |row: usize| row as u128 * self.most as u128 / self.rows.max(1) as u128;
        self.row += 1;
        before(self.row) > before(self.row - 1)
    }
}

impl PairStream {
    /// The pairs that `config` names for training.
    ///
    /// # Errors
    ///
    /// A file that is missing; a configuration that names no pairs.
    pub(crate) fn new(config: &DataConfig) -> Result<Self, TextError> {
        let source = match (&config.train, &config.generate) {
            (Some(files), _) => Source::Files(Rows::new(files)?),
            (None, Some(generate)) => Source::Generated {
                generate: generate.clone(),
                pairs: Vec::new(),
                next: 0,
            },
            (None, None) => {
                return Err(TextError::Config {
                    problems: config.problems(),
                });
            }
        };
        Ok(Self {
            config: config.clone(),
            names: match &source {
                Source::Files(rows) => rows.names(),
                Source::Generated { .. } => Names::default(),
            },
            source,
            filter: Filter::new(config),
            report: ReadReport::default(),
            spread: None,
            ended: false,
        })
    }

    /// Begins again, with all pairs.
    pub fn rewind(&mut self) {
        match &mut self.source {
            Source::Files(rows) => rows.rewind(),
            Source::Generated { next, .. } => *next = 0,
        }
        self.filter = Filter::new(&self.config);
        self.report = ReadReport::default();
        (self.spread, self.ended) = (None, false);
    }

    /// Begins again, with at most `most` of all pairs, evenly spread over the corpus: to learn a
    /// vocabulary from. Which they are depends on the number of pairs alone.
    ///
    /// # Errors
    ///
    /// Those of reading, since the pairs are counted first.
    pub fn sample(&mut self, most: usize) -> Result<(), TextError> {
        self.rewind();
        let rows = match &mut self.source {
            Source::Files(rows) => rows.count()?,
            Source::Generated { generate, .. } => generate.pairs,
        };
        self.spread = (rows > most).then_some(Spread { most, rows, row: 0 });
        Ok(())
    }

    /// Learns the tokenizers that `config` asks for from the first pass over the pairs, or over
    /// [`sample`](Self::sample)d ones where there are more than `tokenizer.sample`.
    ///
    /// # Errors
    ///
    /// Those of reading and of [`TokenizerTrainer`].
    pub fn train_tokenizers(&mut self, config: &TokenizerConfig) -> Result<Tokenizers, TextError> {
        let mut trainer = TokenizerTrainer::new(config)?;
        self.sample(config.sample)?;
        for chunk in self.by_ref() {
            trainer.add(&chunk?)?;
        }
        self.rewind();
        trainer.finish()
    }

    /// What became of the pairs read so far.
    pub fn report(&self) -> &ReadReport {
        &self.report
    }

    /// What it was made from.
    pub(crate) fn config(&self) -> &DataConfig {
        &self.config
    }

    /// Names of the places of its rows.
    pub(crate) fn names(&self) -> Names {
        self.names.clone()
    }

    /// The next chunk with its places; `None` at the end.
    pub(crate) fn next_rows(&mut self) -> Result<Option<Vec<Row>>, TextError> {
        let mut kept = Vec::new();
        let (mut rows, mut bytes) = (0, 0);
        while rows < CHUNK_PAIRS && bytes < CHUNK_BYTES {
            let Some(row) = self.source.next()? else {
                self.ended = true;
                break;
            };
            rows += 1;
            bytes += row.pair.source.len() + row.pair.target.len();
            if self
                .spread
                .as_mut()
                .is_some_and(|spread| !spread.takes_next())
            {
                continue;
            }
            self.report.read += 1;
            if let Some(reason) = self.filter.reason(&row.pair) {
                let shown = || Shown::new(reason, self.names.of(row.place), &row.pair);
                self.report.note(reason, shown);
            } else {
                kept.push(row);
            }
        }
        if self.ended && self.report.kept() == 0 {
            return Err(TextError::NoPairs {
                path: self.path(),
                read: self.report.read,
                blank: self.report.dropped_empty,
            });
        }
        Ok((rows > 0).then_some(kept))
    }

    fn path(&self) -> PathBuf {
        match &self.source {
            Source::Files(rows) => rows.path().to_owned(),
            Source::Generated { generate, .. } => generate.task.name().into(),
        }
    }
}

impl Source {
    fn next(&mut self) -> Result<Option<Row>, TextError> {
        match self {
            Self::Files(rows) => rows.next(),
            Self::Generated {
                generate,
                pairs,
                next,
            } => {
                if pairs.is_empty() {
                    let made = generate.pairs(Split::Train)?.into_iter();
                    *pairs = made
                        .map(|(source, target)| Pair { source, target })
                        .collect();
                }
                *next += 1;
                let pair = pairs.get(*next - 1).cloned();
                let place = Place {
                    part: 0,
                    line: *next,
                };
                Ok(pair.map(|pair| Row { pair, place }))
            }
        }
    }
}

impl Iterator for PairStream {
    type Item = Result<Vec<Pair>, TextError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        match self.next_rows() {
            Ok(rows) => Some(Ok(rows?.into_iter().map(|row| row.pair).collect())),
            Err(error) => {
                // What comes behind an error is not part of the corpus.
                self.ended = true;
                Some(Err(error))
            }
        }
    }
}
