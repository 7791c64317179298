use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::MultiGzDecoder;

use crate::error::TextError;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Bytes of the longest line. What is longer is no text in lines, and would fill the memory.
const LONGEST: usize = 16 << 20;

/// Bytes asked of the system at once.
const BUFFER: usize = 256 << 10;

/// The lines of a file, one after the other; a name that ends in `.gz` or `.zst` is decompressed.
///
/// Only LF ends a line: U+2028 and its kind occur inside sentences, and the other file of a pair
/// would not have them.
pub(super) struct Lines {
    path: PathBuf,
    reader: Box<dyn BufRead + Send>,
    compressed: bool,
    line: usize,
    bytes: Vec<u8>,
}

impl fmt::Debug for Lines {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("Lines")
            .field("path", &self.path)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

impl Lines {
    pub(super) fn open(path: &Path) -> Result<Self, TextError> {
        let failed = |source| TextError::Read {
            path: path.to_owned(),
            source,
        };
        let file = BufReader::with_capacity(BUFFER, File::open(path).map_err(failed)?);
        let extension = path.extension().map(std::ffi::OsStr::to_ascii_lowercase);
        let (compressed, reader): (bool, Box<dyn BufRead + Send>) =
            match extension.as_deref().and_then(|name| name.to_str()) {
                Some("gz") => (true, buffered(MultiGzDecoder::new(file))),
                Some("zst") => {
                    let decoder = zstd::Decoder::with_buffer(file).map_err(failed)?;
                    (true, buffered(decoder))
                }
                _ => (false, Box::new(file)),
            };
        Ok(Self {
            path: path.to_owned(),
            reader,
            compressed,
            line: 0,
            bytes: Vec::new(),
        })
    }

    /// Lines read so far, and so the number of the last one.
    pub(super) fn line(&self) -> usize {
        self.line
    }

    /// The next line; a file without any is an error.
    pub(super) fn next(&mut self) -> Result<Option<&str>, TextError> {
        if !self.read()? {
            return Ok(None);
        }
        match str::from_utf8(&self.bytes) {
            Ok(text) => Ok(Some(text)),
            Err(error) => Err(TextError::Utf8 {
                path: self.path.clone(),
                line: self.line,
                byte: error.valid_up_to() + 1,
            }),
        }
    }

    /// Goes to the end, whatever the rest is; how many lines there are.
    pub(super) fn count(mut self) -> Result<usize, TextError> {
        while self.read()? {}
        Ok(self.line)
    }

    /// Fills `bytes` with the next line, without its end.
    fn read(&mut self) -> Result<bool, TextError> {
        self.bytes.clear();
        // A mark at the start and two bytes of the end do not count.
        let most = (LONGEST + BYTE_ORDER_MARK.len() + 2) as u64;
        let mut reader = self.reader.by_ref().take(most);
        if let Err(source) = reader.read_until(b'\n', &mut self.bytes) {
            return Err(self.unreadable(source));
        }
        if self.line == 0 && self.bytes.starts_with(BYTE_ORDER_MARK) {
            self.bytes.drain(..BYTE_ORDER_MARK.len());
        }
        if self.bytes.is_empty() {
            return if self.line == 0 {
                let path = self.path.clone();
                Err(TextError::Empty { path })
            } else {
                Ok(false)
            };
        }
        self.line += 1;
        for end in [b'\n', b'\r'] {
            if self.bytes.last() == Some(&end) {
                self.bytes.pop();
            }
        }
        if self.bytes.len() > LONGEST {
            return Err(TextError::LongLine {
                path: self.path.clone(),
                line: self.line,
                most: LONGEST,
            });
        }
        Ok(true)
    }

    fn unreadable(&self, source: io::Error) -> TextError {
        let path = self.path.clone();
        if self.compressed {
            let line = self.line;
            return TextError::Decompress { path, line, source };
        }
        TextError::Read { path, source }
    }
}

fn buffered(decoder: impl Read + Send + 'static) -> Box<dyn BufRead + Send> {
    Box::new(BufReader::with_capacity(BUFFER, decoder))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Lines {
            path: PathBuf::new(),
            reader: Box::new(io::Cursor::new(bytes.to_vec())),
            compressed: false,
            line: 0,
            bytes: Vec::new(),
        };
        let mut all = Vec::new();
        while matches!(lines.read(), Ok(true)) {
            all.push(lines.bytes.clone());
        }
        all
    }

    #[test]
    fn only_a_line_feed_ends_a_line() {
        assert_eq!(lines("a\u{2028}b\u{85}c\u{b}d\re\nf".as_bytes()).len(), 2);
    }

    #[test]
    fn the_last_line_needs_no_end() {
        assert_eq!(lines(b"a\nb"), lines(b"a\nb\n"));
        assert_eq!(lines(b"a\n\n").len(), 2);
        assert!(lines(b"").is_empty());
    }

    #[test]
    fn marks_of_other_systems_are_stripped() {
        assert_eq!(lines(b"\xef\xbb\xbfa\r\nb\r\n"), lines(b"a\nb\n"));
        assert!(lines(b"\xef\xbb\xbf").is_empty());
        assert_eq!(
            lines(b"a\n\xef\xbb\xbfb")[1],
            b"\xef\xbb\xbfb",
            "inside a file it is text"
        );
        assert_eq!(
            lines(b"a\r\r\n")[0],
            b"a\r",
            "one CR belongs to the line end"
        );
    }

    #[test]
    fn the_longest_line_is_read_and_a_longer_one_is_named() {
        let mut bytes = vec![b'x'; LONGEST];
        bytes.extend_from_slice(b"\r\ny");
        assert_eq!(lines(&bytes).len(), 2);
        bytes.insert(0, b'x');
        let mut lines = Lines {
            path: "long.txt".into(),
            reader: Box::new(io::Cursor::new(bytes)),
            compressed: false,
            line: 0,
            bytes: Vec::new(),
        };
        let error = lines.next().unwrap_err();
        assert!(
            matches!(error, TextError::LongLine { line: 1, .. }),
            "{error:?}"
        );
    }

    proptest! {
        #[test]
        fn joining_and_splitting_gives_the_lines_back(
            lines in prop::collection::vec("[^\n\r\u{feff}]{0,12}", 0..9),
        ) {
            let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
            let expected: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
            prop_assert_eq!(self::lines(text.as_bytes()), expected);
        }
    }
}
