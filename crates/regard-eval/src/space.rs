//! White space as Python has it, since the reference metrics are written in Python.

/// What Python's `str.isspace` calls white space.
///
/// Unicode's `White_Space` is what [`char::is_whitespace`] tests; Python adds the four information
/// separators, since their bidirectional class is "separator".
pub(crate) fn is_python_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

/// The words between white space, as Python's `str.split()` finds them.
pub(crate) fn words(line: &str) -> impl Iterator<Item = &str> {
    line.split(is_python_space).filter(|word| !word.is_empty())
}
