use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::{Tokenizer, TokenizerConfig, TokenizerTrainer};
use crate::corpus::Pair;
use crate::error::TextError;

const SHARED: &str = "tokenizer.json";
const SOURCE: &str = "source-tokenizer.json";
const TARGET: &str = "target-tokenizer.json";

/// The tokenizers of the two sides, which may be one and the same.
#[derive(Debug, Clone)]
pub struct Tokenizers {
    source: Arc<Tokenizer>,
    target: Arc<Tokenizer>,
}

impl Tokenizers {
    /// Trains one tokenizer on both sides together, or one on each if the configuration says so; on
    /// the pairs that the configuration [takes](TokenizerConfig::takes). If it names files, reads
    /// them instead. [`TokenizerTrainer`] does it without holding all pairs at once.
    ///
    /// # Errors
    ///
    /// Those of [`TokenizerTrainer`].
    pub fn train(config: &TokenizerConfig, pairs: &[Pair]) -> Result<Self, TextError> {
        let mut trainer = TokenizerTrainer::new(config)?;
        if !trainer.needs_pairs() {
            return trainer.finish();
        }
        if pairs.len() <= config.sample {
            trainer.add(pairs)?;
        } else {
            let taken = pairs.iter().enumerate();
            let taken = taken.filter(|&(index, _)| config.takes(index, pairs.len()));
            let taken: Vec<Pair> = taken.map(|(_, pair)| pair.clone()).collect();
            trainer.add(&taken)?;
        }
        trainer.finish()
    }

    /// The tokenizers that `config` names files of; `None` if it wants them trained.
    ///
    /// # Errors
    ///
    /// Those of [`Tokenizer::load_as`], and a configuration that does not
    /// [validate](TokenizerConfig::validate).
    pub fn given(config: &TokenizerConfig) -> Result<Option<Self>, TextError> {
        config.validate()?;
        let load = |path| Tokenizer::load_as(path, config);
        Ok(
            match (&config.file, &config.source_file, &config.target_file) {
                (Some(file), ..) => Some(Self::shared(load(file)?)),
                (None, Some(source), Some(target)) => {
                    Some(Self::separate(load(source)?, load(target)?))
                }
                _ => None,
            },
        )
    }

    /// One tokenizer for both sides.
    pub fn shared(tokenizer: Tokenizer) -> Self {
        let both = Arc::new(tokenizer);
        Self {
            source: Arc::clone(&both),
            target: both,
        }
    }

    /// A tokenizer for each side.
    pub fn separate(source: Tokenizer, target: Tokenizer) -> Self {
        Self {
            source: Arc::new(source),
            target: Arc::new(target),
        }
    }

    /// These tokenizers, with sampling as `config` [asks for it](Tokenizer::sampled).
    ///
    /// # Errors
    ///
    /// Those of [`Tokenizer::sampled`].
    pub fn sampled(self, config: &TokenizerConfig) -> Result<Self, TextError> {
        if self.is_shared() {
            return Ok(Self::shared(
                Tokenizer::clone(&self.source).sampled(config)?,
            ));
        }
        Ok(Self::separate(
            Tokenizer::clone(&self.source).sampled(config)?,
            Tokenizer::clone(&self.target).sampled(config)?,
        ))
    }

    /// Reads what [`save`](Self::save) wrote. `config` is that of the run: special tokens may have
    /// the names it gives them.
    ///
    /// # Errors
    ///
    /// Those of [`Tokenizer::load_as`].
    pub fn load(directory: impl AsRef<Path>, config: &TokenizerConfig) -> Result<Self, TextError> {
        let directory = directory.as_ref();
        let load = |name| Tokenizer::load_as(directory.join(name), config);
        if directory.join(SOURCE).exists() || directory.join(TARGET).exists() {
            return Ok(Self::separate(load(SOURCE)?, load(TARGET)?));
        }
        Ok(Self::shared(load(SHARED)?))
    }

    /// Writes `tokenizer.json`, or `source-tokenizer.json` and `target-tokenizer.json`, into a
    /// directory that exists.
    ///
    /// # Errors
    ///
    /// If a file cannot be written.
    pub fn save(&self, directory: impl AsRef<Path>) -> Result<(), TextError> {
        let directory = directory.as_ref();
        // What an earlier attempt left in the other form would be loaded instead.
        if self.is_shared() {
            remove(&directory.join(SOURCE))?;
            remove(&directory.join(TARGET))?;
            return self.source.save(directory.join(SHARED));
        }
        remove(&directory.join(SHARED))?;
        self.source.save(directory.join(SOURCE))?;
        self.target.save(directory.join(TARGET))
    }

    /// What [`save`](Self::save) writes: names of files, and what they hold.
    pub fn to_files(&self) -> BTreeMap<String, String> {
        let file = |name: &str, tokenizer: &Tokenizer| (name.to_owned(), tokenizer.to_json());
        if self.is_shared() {
            return BTreeMap::from([file(SHARED, &self.source)]);
        }
        BTreeMap::from([file(SOURCE, &self.source), file(TARGET, &self.target)])
    }

    /// The tokenizers of such files; `place` stands for where they are in errors. `config` as in
    /// [`load`](Self::load).
    ///
    /// # Errors
    ///
    /// A file that is missing, and those of [`Tokenizer::from_json`].
    pub fn from_files(
        files: &BTreeMap<String, String>,
        place: impl AsRef<Path>,
        config: &TokenizerConfig,
    ) -> Result<Self, TextError> {
        let load = |name| {
            let path = place.as_ref().join(name);
            match files.get(name) {
                Some(json) => Tokenizer::from_json(json, path, config),
                None => Err(TextError::Read {
                    path,
                    source: io::ErrorKind::NotFound.into(),
                }),
            }
        };
        if files.contains_key(SOURCE) || files.contains_key(TARGET) {
            return Ok(Self::separate(load(SOURCE)?, load(TARGET)?));
        }
        Ok(Self::shared(load(SHARED)?))
    }

    /// The tokenizer of the source side.
    pub fn source(&self) -> &Tokenizer {
        &self.source
    }

    /// The tokenizer of the target side.
    pub fn target(&self) -> &Tokenizer {
        &self.target
    }

    /// Whether both sides have one vocabulary, so that their embeddings can be one, too.
    pub fn is_shared(&self) -> bool {
        Arc::ptr_eq(&self.source, &self.target)
    }
}

/// Removes a file that need not be there.
fn remove(path: &Path) -> Result<(), TextError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(TextError::Write {
            path: path.to_owned(),
            source: error,
        }),
        _ => Ok(()),
    }
}

pub(super) fn write(json: &str, path: &Path) -> Result<(), TextError> {
    write_beside_and_rename(path, json.as_bytes()).map_err(|source| TextError::Write {
        path: path.to_owned(),
        source,
    })
}

fn write_beside_and_rename(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut beside = OsString::from(path);
    beside.push(".tmp");
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let placed = written.and_then(|()| std::fs::rename(&beside, path));
    if placed.is_err() {
        // The first error is the one to tell; what is left behind is only a spare copy.
        let _ = std::fs::remove_file(&beside);
    }
    placed
}
