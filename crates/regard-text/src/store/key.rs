use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::json;
use twox_hash::XxHash3_128;

use super::format::{FORMAT, Summary};
use super::record::Layout;
use crate::Tokenizers;
use crate::data::DataConfig;
use crate::error::TextError;

/// A file that changed so shortly before it was looked at may change again under the same time:
/// two seconds, the coarsest clock of a file system in use.
const RACE: u64 = 2_000_000_000;

/// A corpus file as it was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Stamp {
    path: PathBuf,
    size: u64,
    /// Nanoseconds since 1970; absent where the system does not tell.
    modified: Option<u64>,
    digest: String,
}

/// What the examples of a run depend on.
#[derive(Debug)]
pub(super) struct Key {
    settings: String,
    files: Vec<PathBuf>,
}

impl Key {
    pub(super) fn new(config: &DataConfig, tokenizers: &Tokenizers, layout: Layout) -> Self {
        let files = config.train.as_ref();
        // What is not read must not matter.
        let generate = config.generate.as_ref().filter(|_| files.is_none());
        let settings = json!({
            "format": FORMAT,
            "train": files,
            "generate": generate,
            "max_length": config.max_length,
            "long": config.long,
            "max_ratio": config.max_ratio,
            "drop_duplicates": config.drop_duplicates,
            "drop_identical": config.drop_identical,
            "source_script": config.source_script,
            "target_script": config.target_script,
            "source_tokenizer": tokenizers.source().digest(),
            "target_tokenizer": tokenizers.target().digest(),
            "wide": layout.wide,
            "text": layout.text,
        });
        Self {
            settings: settings.to_string(),
            files: files.map_or_else(Vec::new, |files| {
                files.paths().map(Path::to_owned).collect()
            }),
        }
    }

    /// The same settings have one file, whatever the content of the corpus.
    pub(super) fn file_name(&self) -> String {
        format!(
            "{:032x}.examples",
            XxHash3_128::oneshot(self.settings.as_bytes())
        )
    }

    /// Settings, the time, and the corpus files as they are now.
    pub(super) fn stamped(&self) -> Result<(String, u64, Vec<Stamp>), TextError> {
        let noted = nanoseconds(SystemTime::now()).unwrap_or(0);
        let stamps = self.files.iter().map(|path| Stamp::new(path));
        Ok((
            self.settings.clone(),
            noted,
            stamps.collect::<Result<_, _>>()?,
        ))
    }

    /// Why the file with this summary was made from something else; `None` if it was not.
    pub(super) fn differs(&self, summary: &Summary) -> Result<Option<String>, TextError> {
        if summary.settings != self.settings || summary.files.len() != self.files.len() {
            return Ok(Some("it was made with other settings".into()));
        }
        for (path, stamp) in self.files.iter().zip(&summary.files) {
            if !stamp.holds(path, summary.noted)? {
                return Ok(Some(format!("`{}` has changed", path.display())));
            }
        }
        Ok(None)
    }
}

impl Stamp {
    fn new(path: &Path) -> Result<Self, TextError> {
        let (size, modified) = look(path)?;
        Ok(Self {
            path: path.to_owned(),
            size,
            modified,
            digest: content(path)?,
        })
    }

    /// Whether the file at `path` is the one that this was taken of, at the time `noted`.
    fn holds(&self, path: &Path, noted: u64) -> Result<bool, TextError> {
        let (size, modified) = look(path)?;
        if self.path != path || self.size != size {
            return Ok(false);
        }
        let is_old = modified.is_some_and(|time| time.saturating_add(RACE) < noted);
        if is_old && modified == self.modified {
            return Ok(true);
        }
        Ok(self.digest == content(path)?)
    }
}

fn look(path: &Path) -> Result<(u64, Option<u64>), TextError> {
    let metadata = fs::metadata(path).map_err(|source| unreadable(path, source))?;
    Ok((
        metadata.len(),
        metadata.modified().ok().and_then(nanoseconds),
    ))
}

fn nanoseconds(time: SystemTime) -> Option<u64> {
    u64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_nanos()).ok()
}

/// A digest of the content of a file.
fn content(path: &Path) -> Result<String, TextError> {
    let failed = |source| unreadable(path, source);
    let mut file = File::open(path).map_err(failed)?;
    let mut hasher = XxHash3_128::new();
    let mut block = vec![0; 1 << 20];
    loop {
        let read = match file.read(&mut block) {
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(error)),
        };
        if read == 0 {
            return Ok(format!("{:032x}", hasher.finish_128()));
        }
        hasher.write(&block[..read]);
    }
}

fn unreadable(path: &Path, source: std::io::Error) -> TextError {
    TextError::Read {
        path: path.to_owned(),
        source,
    }
}
