use std::path::Path;

use crate::error::TextError;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The lines of a file. Only LF ends a line: U+2028 and its kind occur inside sentences, and the
/// other file of a pair would not have them.
pub(super) fn read(path: &Path) -> Result<Vec<String>, TextError> {
    let bytes = std::fs::read(path).map_err(|source| TextError::Read {
        path: path.to_owned(),
        source,
    })?;
    let lines = split(&bytes)
        .enumerate()
        .map(|(number, line)| decode(path, number + 1, line));
    let lines = lines.collect::<Result<Vec<_>, _>>()?;
    if lines.is_empty() {
        return Err(TextError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(lines)
}

fn split(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
    bytes.split_inclusive(|&byte| byte == b'\n').map(|line| {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        line.strip_suffix(b"\r").unwrap_or(line)
    })
}

fn decode(path: &Path, line: usize, bytes: &[u8]) -> Result<String, TextError> {
    match str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => Err(TextError::Utf8 {
            path: path.to_owned(),
            line,
            byte: error.valid_up_to() + 1,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(bytes: &[u8]) -> Vec<&[u8]> {
        split(bytes).collect()
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

    proptest! {
        #[test]
        fn joining_and_splitting_gives_the_lines_back(
            lines in prop::collection::vec("[^\n\r\u{feff}]{0,12}", 0..9),
        ) {
            let text: String = lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
            let expected: Vec<&[u8]> = lines.iter().map(String::as_bytes).collect();
            prop_assert_eq!(split(text.as_bytes()).collect::<Vec<_>>(), expected);
        }
    }
}
