//! White space as Python has it, since the reference metrics are written in Python.

/// What Python's `str.isspace` calls white space.
///
/// Unicode's `White_Space` is what [`char::is_whitespace`] tests; Python adds the four information
/// separators, since their bidirectional class is "separator".
pub(crate) fn is_python_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}
