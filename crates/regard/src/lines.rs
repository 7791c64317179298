//! Lines of text from files and streams.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use regard_text::TextError;

/// Bytes of lines that are taken at a time, before the last of them.
const CHUNK_BYTES: usize = 1 << 20;

/// Lines of a stream, without line ends (`\n` or `\r\n`) and without a byte-order mark at the start.
pub(crate) struct Lines<R> {
    name: String,
    reader: BufReader<R>,
    line: usize,
}

impl<R: Read> Lines<R> {
    /// `name` stands for the stream in errors.
    pub(crate) fn new(name: impl Into<String>, reader: R) -> Self {
        Self {
            name: name.into(),
            reader: BufReader::with_capacity(1 << 16, reader),
            line: 0,
        }
    }

    /// The next line, or `None` at the end.
    fn next(&mut self) -> Result<Option<String>> {
        let mut bytes = Vec::new();
        let read = self
            .reader
            .read_until(b'\n', &mut bytes)
            .with_context(|| format!("cannot read `{}`", self.name))?;
        if read == 0 {
            return Ok(None);
        }
        self.line += 1;
        for end in *b"\n\r" {
            if bytes.last() == Some(&end) {
                bytes.pop();
            }
        }
        let mut text = String::from_utf8(bytes).map_err(|error| TextError::Utf8 {
            path: self.name.clone().into(),
            line: self.line,
            byte: error.utf8_error().valid_up_to() + 1,
        })?;
        if self.line == 1 && text.starts_with('\u{feff}') {
            text.remove(0);
        }
        Ok(Some(text))
    }

    /// Waits for a line, then takes those that have come with it, `most` in all, and no more behind a megabyte. Empty at the
    /// end of the stream.
    ///
    /// Lines before a bad one are returned together with its error.
    pub(crate) fn chunk(&mut self, most: usize) -> (Vec<String>, Result<()>) {
        let (mut lines, mut bytes) = (Vec::new(), 0);
        loop {
            match self.next() {
                Ok(Some(line)) => {
                    bytes += line.len();
                    lines.push(line);
                }
                Ok(None) => return (lines, Ok(())),
                Err(error) => return (lines, Err(error)),
            }
            let waiting = self.reader.buffer().contains(&b'\n');
            if lines.len() >= most || bytes > CHUNK_BYTES || !waiting {
                return (lines, Ok(()));
            }
        }
    }
}

impl Lines<File> {
    /// Those of a file.
    fn open(path: &Path) -> Result<Self> {
        Ok(Self::new(path.display().to_string(), open(path)?))
    }

    /// Goes to the end; how many lines there are.
    fn count(&mut self) -> Result<usize> {
        while self.next()?.is_some() {}
        Ok(self.line)
    }
}

/// All lines of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<String>> {
    let mut lines = Lines::open(path)?;
    let mut all = Vec::new();
    while let Some(line) = lines.next()? {
        all.push(line);
    }
    Ok(all)
}

/// The first two columns of a file with a TAB in every line.
pub(crate) fn read_tsv(path: &Path) -> Result<(Vec<String>, Vec<String>)> {
    let mut columns = (Vec::new(), Vec::new());
    for (i, line) in read(path)?.into_iter().enumerate() {
        let (source, target) = self::columns(&line, path, i + 1)?;
        columns.0.push(source);
        columns.1.push(target);
    }
    Ok(columns)
}

/// The first two columns of a line of a file.
fn columns(line: &str, path: &Path, number: usize) -> Result<(String, String)> {
    let mut parts = line.split('\t');
    let (Some(source), Some(target)) = (parts.next(), parts.next()) else {
        bail!(TextError::Columns {
            path: path.into(),
            line: number,
            expected: 2,
            got: 1,
        });
    };
    Ok((source.to_owned(), target.to_owned()))
}

/// The lines of two files, which must be as many, and some.
pub(crate) fn read_both(ours: &Path, reference: &Path) -> Result<(Vec<String>, Vec<String>)> {
    let (lines, references) = (read(ours)?, read(reference)?);
    if lines.len() != references.len() {
        bail!(TextError::LineCounts {
            source_path: ours.into(),
            source_lines: lines.len(),
            target_path: reference.into(),
            target_lines: references.len(),
        });
    }
    if lines.is_empty() {
        bail!(TextError::Empty { path: ours.into() });
    }
    Ok((lines, references))
}

/// A file, opened.
pub(crate) fn open(path: &Path) -> Result<File> {
    File::open(path).with_context(|| format!("cannot read `{}`", path.display()))
}

/// A file or standard input.
pub(crate) fn open_or_stdin(path: Option<&Path>) -> Result<Lines<Box<dyn Read + Send>>> {
    Ok(match path {
        Some(path) => Lines::new(path.display().to_string(), Box::new(open(path)?)),
        None => Lines::new("standard input", Box::new(io::stdin())),
    })
}

/// Pairs of lines: of two files, or the first two columns of one.
pub(crate) enum PairLines {
    Two {
        source: Lines<File>,
        target: Lines<File>,
    },
    Tsv(Lines<File>),
}

impl PairLines {
    pub(crate) fn open_two(source: &Path, target: &Path) -> Result<Self> {
        Ok(Self::Two {
            source: Lines::open(source)?,
            target: Lines::open(target)?,
        })
    }

    pub(crate) fn open_tsv(path: &Path) -> Result<Self> {
        Ok(Self::Tsv(Lines::open(path)?))
    }

    /// The next pair, or `None` at the end; files without any are an error.
    fn next(&mut self) -> Result<Option<(String, String)>> {
        let pair = match self {
            Self::Two { source, target } => match (source.next()?, target.next()?) {
                (Some(source), Some(target)) => Some((source, target)),
                (None, None) => None,
                _ => bail!(TextError::LineCounts {
                    source_path: source.name.clone().into(),
                    source_lines: source.count()?,
                    target_path: target.name.clone().into(),
                    target_lines: target.count()?,
                }),
            },
            Self::Tsv(lines) => match lines.next()? {
                Some(line) => Some(columns(&line, Path::new(&lines.name), lines.line)?),
                None => None,
            },
        };
        let (Self::Two { source: first, .. } | Self::Tsv(first)) = self;
        if pair.is_none() && first.line == 0 {
            let path = first.name.clone().into();
            bail!(TextError::Empty { path });
        }
        Ok(pair)
    }

    /// The next pairs, `most` in all. Empty at the end; those before a bad one are returned together with its error.
    pub(crate) fn chunk(&mut self, most: usize) -> (Vec<(String, String)>, Result<()>) {
        let (mut pairs, mut bytes) = (Vec::new(), 0);
        while pairs.len() < most && bytes <= CHUNK_BYTES {
            match self.next() {
                Ok(Some(pair)) => {
                    bytes += pair.0.len() + pair.1.len();
                    pairs.push(pair);
                }
                Ok(None) => break,
                Err(error) => return (pairs, Err(error)),
            }
        }
        (pairs, Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chunk_ends_behind_so_many_lines_or_bytes() {
        let long = "x".repeat(CHUNK_BYTES);
        let text = format!("{long}\n{long}\na\nb\nc\n");
        let mut lines = Lines {
            name: String::new(),
            reader: BufReader::with_capacity(4 << 20, text.as_bytes()),
            line: 0,
        };
        let mut chunks = Vec::new();
        loop {
            let (chunk, status) = lines.chunk(2);
            status.unwrap();
            if chunk.is_empty() {
                break;
            }
            chunks.push(chunk.len());
        }
        assert_eq!(chunks, [2, 2, 1]);
        let text = format!("{long}x\n{long}\na\nb\nc\n");
        lines.reader = BufReader::with_capacity(4 << 20, text.as_bytes());
        let (chunk, status) = lines.chunk(9);
        status.unwrap();
        assert_eq!(chunk.len(), 1);
    }
}
