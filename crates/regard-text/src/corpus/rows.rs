use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::lines::Lines;
use super::{Pair, is_blank};
use crate::data::CorpusFiles;
use crate::error::TextError;

/// A pair and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) pair: Pair,
    pub(crate) place: Place,
}

/// Which line of which part of a corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) part: usize,
    pub(crate) line: usize,
}

/// Tells places apart for a reader.
#[derive(Debug, Clone, Default)]
pub(crate) struct Names(Vec<PathBuf>);

impl Names {
    /// `file:line`, where the source stands; nothing if there are no files.
    pub(crate) fn of(&self, place: Place) -> String {
        let path = self.0.get(place.part);
        path.map_or_else(String::new, |path| {
            format!("{}:{}", path.display(), place.line)
        })
    }
}

/// A file, or two that run side by side.
#[derive(Debug, Clone)]
enum Part {
    Parallel(PathBuf, PathBuf),
    Tsv(PathBuf),
    Json(PathBuf, Keys),
}

/// Where the sides stand in an object.
#[derive(Debug, Clone)]
struct Keys {
    source: String,
    target: String,
}

/// The part that is being read.
#[derive(Debug)]
enum Open {
    Parallel(Lines, Lines),
    Single(Lines),
}

/// The rows of a corpus, file by file, line by line.
#[derive(Debug)]
pub(crate) struct Rows {
    parts: Vec<Part>,
    /// The part that comes next.
    next: usize,
    open: Option<Open>,
}

impl Rows {
    /// Of `files`, every one of which must be there.
    pub(crate) fn new(files: &CorpusFiles) -> Result<Self, TextError> {
        TextError::from_problems(files.problem("corpus").into_iter().collect())?;
        for path in files.paths() {
            // To be told before the first file is read, not after.
            fs::metadata(path).map_err(|source| TextError::Read {
                path: path.to_owned(),
                source,
            })?;
        }
        Ok(Self {
            parts: parts(files),
            next: 0,
            open: None,
        })
    }

    /// The file that stands for the corpus in a message.
    pub(crate) fn path(&self) -> &Path {
        self.parts.first().map_or(Path::new(""), Part::path)
    }

    pub(crate) fn names(&self) -> Names {
        Names(
            self.parts
                .iter()
                .map(|part| part.path().to_owned())
                .collect(),
        )
    }

    /// Begins again.
    pub(crate) fn rewind(&mut self) {
        (self.next, self.open) = (0, None);
    }

    pub(crate) fn next(&mut self) -> Result<Option<Row>, TextError> {
        loop {
            let Some(mut open) = self.open.take() else {
                let Some(part) = self.parts.get(self.next) else {
                    return Ok(None);
                };
                self.open = Some(part.open()?);
                self.next += 1;
                continue;
            };
            let part = self.next - 1;
            match &mut open {
                Open::Parallel(source, target) => {
                    let line = source.line() + 1;
                    let pair = match (source.next()?, target.next()?) {
                        (None, None) => continue,
                        (Some(source), Some(target)) => Pair {
                            source: source.to_owned(),
                            target: target.to_owned(),
                        },
                        _ => return Err(self.parts[part].uneven(open)),
                    };
                    self.open = Some(open);
                    let place = Place { part, line };
                    return Ok(Some(Row { pair, place }));
                }
                Open::Single(lines) => {
                    let line = lines.line() + 1;
                    let Some(row) = lines.next()? else {
                        continue;
                    };
                    let pair = match &self.parts[part] {
                        Part::Json(path, keys) => json_pair(path, line, row, keys)?,
                        part => tsv_pair(part.path(), line, row)?,
                    };
                    self.open = Some(open);
                    let place = Place { part, line };
                    return Ok(Some(Row { pair, place }));
                }
            }
        }
    }

    /// How many rows there are, counted without looking at them.
    pub(crate) fn count(&self) -> Result<usize, TextError> {
        let counts = self
            .parts
            .iter()
            .map(|part| Lines::open(part.path())?.count());
        counts.sum()
    }
}

fn parts(files: &CorpusFiles) -> Vec<Part> {
    let single = |paths: &Option<crate::data::Paths>, part: &dyn Fn(PathBuf) -> Part| {
        let paths = paths
            .iter()
            .flat_map(|paths| paths.iter().map(Path::to_owned));
        paths.map(part).collect::<Vec<_>>()
    };
    match (&files.source, &files.target) {
        (Some(source), Some(target)) => source
            .iter()
            .zip(target.iter())
            .map(|(source, target)| Part::Parallel(source.to_owned(), target.to_owned()))
            .collect(),
        _ if files.tsv.is_some() => single(&files.tsv, &Part::Tsv),
        _ => {
            let keys = Keys {
                source: files.source_key().to_owned(),
                target: files.target_key().to_owned(),
            };
            single(&files.jsonl, &|path| Part::Json(path, keys.clone()))
        }
    }
}

impl Part {
    fn path(&self) -> &Path {
        match self {
            Self::Parallel(path, _) | Self::Tsv(path) | Self::Json(path, _) => path,
        }
    }

    fn open(&self) -> Result<Open, TextError> {
        Ok(match self {
            Self::Parallel(source, target) => {
                Open::Parallel(Lines::open(source)?, Lines::open(target)?)
            }
            Self::Tsv(path) | Self::Json(path, _) => Open::Single(Lines::open(path)?),
        })
    }

    /// The error for two files one of which has ended.
    fn uneven(&self, open: Open) -> TextError {
        let (Self::Parallel(source_path, target_path), Open::Parallel(source, target)) =
            (self, open)
        else {
            unreachable!("only two files can differ in length");
        };
        match (source.count(), target.count()) {
            (Ok(source_lines), Ok(target_lines)) => TextError::LineCounts {
                source_path: source_path.clone(),
                source_lines,
                target_path: target_path.clone(),
                target_lines,
            },
            (Err(error), _) | (_, Err(error)) => error,
        }
    }
}

fn tsv_pair(path: &Path, line: usize, row: &str) -> Result<Pair, TextError> {
    let mut columns = row.split('\t').map(str::to_owned);
    match (columns.next(), columns.next()) {
        (Some(source), Some(target)) => Ok(Pair { source, target }),
        // An empty row is an empty pair, to be dropped like one of two files.
        _ if is_blank(row) => Ok(Pair::default()),
        _ => Err(TextError::Columns {
            path: path.to_owned(),
            line,
            expected: 2,
            got: 1,
        }),
    }
}

fn json_pair(path: &Path, line: usize, row: &str, keys: &Keys) -> Result<Pair, TextError> {
    if is_blank(row) {
        return Ok(Pair::default());
    }
    let refused = |reason: String| TextError::Json {
        path: path.to_owned(),
        line,
        reason,
    };
    let value: Value = serde_json::from_str(row).map_err(|error| {
        let message = error.to_string();
        // The row is all that the parser saw: its "line 1" would mislead.
        let message = message.split(" at line ").next().unwrap_or(&message);
        refused(format!("{message} (byte {} of the line)", error.column()))
    })?;
    let side = |key: &str| match at(&value, key) {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(other) => Err(refused(format!(
            "expected a string at `{key}`, got {}",
            kind(other)
        ))),
        None if value.is_object() => Err(refused(format!("there is no `{key}`"))),
        None => Err(refused(format!("expected an object, got {}", kind(&value)))),
    };
    Ok(Pair {
        source: side(&keys.source)?,
        target: side(&keys.target)?,
    })
}

fn at<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    if key.starts_with('/') {
        return value.pointer(key);
    }
    value.as_object()?.get(key)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
