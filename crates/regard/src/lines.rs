//! Lines of text from files and streams.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use regard_text::TextError;

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

    /// Waits for a line, then takes those that have come with it, `most` in all. Empty at the end of the stream.
    ///
    /// Lines before a bad one are returned; the bad one is the error of the next call.
    pub(crate) fn chunk(&mut self, most: usize) -> (Vec<String>, Result<()>) {
        let mut lines = Vec::new();
        loop {
            match self.next() {
                Ok(Some(line)) => lines.push(line),
                Ok(None) => return (lines, Ok(())),
                Err(error) => return (lines, Err(error)),
            }
            let waiting = self.reader.buffer().contains(&b'\n');
            if lines.len() >= most || !waiting {
                return (lines, Ok(()));
            }
        }
    }
}

/// All lines of a file.
pub(crate) fn read(path: &Path) -> Result<Vec<String>> {
    let file = open(path)?;
    let mut lines = Lines::new(path.display().to_string(), file);
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
        let mut parts = line.split('\t');
        let (Some(source), Some(target)) = (parts.next(), parts.next()) else {
            bail!(TextError::Columns {
                path: path.into(),
                line: i + 1,
                expected: 2,
                got: 1,
            });
        };
        columns.0.push(source.to_owned());
        columns.1.push(target.to_owned());
    }
    Ok(columns)
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
pub(crate) fn open_or_stdin(path: Option<&Path>) -> Result<Lines<Box<dyn Read>>> {
    Ok(match path {
        Some(path) => Lines::new(path.display().to_string(), Box::new(open(path)?)),
        None => Lines::new("standard input", Box::new(io::stdin())),
    })
}
