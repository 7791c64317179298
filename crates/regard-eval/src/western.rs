//! How mteval and Tercom part punctuation from words in Western text.
//!
//! Both are written as regular expressions that look at one character or at two neighbours; here they are passes over
//! characters.

/// ASCII punctuation that always stands alone: all but `'`, `,`, `-` and `.`.
fn stands_alone(c: char) -> bool {
    matches!(c, '!'..='&' | '('..='+' | '/' | ':'..='@' | '['..='`' | '{'..='~')
}

fn is_stop(c: char) -> bool {
    matches!(c, '.' | ',')
}

/// Undoes the escapes of the SGML files that WMT once published.
///
/// One after the other, not at once: `&amp;lt;` becomes `<`, `&amp;quot;` stays `&quot;`.
pub(crate) fn unescape(line: String) -> String {
    if !line.contains('&') {
        return line;
    }
    line.replace("&quot;", "\"")
        .replace("&amp;", "&")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
}

/// Blanks around each character that satisfies `test`.
pub(crate) fn space_out(line: &str, test: impl Fn(char) -> bool) -> String {
    let mut out = String::with_capacity(line.len() + 32);
    for c in line.chars() {
        if test(c) {
            out.extend([' ', c, ' ']);
        } else {
            out.push(c);
        }
    }
    out
}

/// Rewrites neighbours `(a, b)` that satisfy `test`, left to right; a rewritten character takes
/// part in no second pair, as in a global substitution with a regular expression.
pub(crate) fn rewrite_pairs(
    line: &str,
    test: impl Fn(char, char) -> bool,
    rewrite: impl Fn(char, char) -> [char; 4],
) -> String {
    let mut out = String::with_capacity(line.len() + 16);
    let mut characters = line.chars().peekable();
    while let Some(a) = characters.next() {
        match characters.next_if(|&b| test(a, b)) {
            Some(b) => out.extend(rewrite(a, b)),
            None => out.push(a),
        }
    }
    out
}

/// Blanks around punctuation that always stands alone.
pub(crate) fn space_out_punctuation(line: &str) -> String {
    space_out(line, stands_alone)
}

/// Blanks around full stops and commas, but not within a number, and around a hyphen that follows a digit.
///
/// The first and the last character count as neighbours of nothing; blanks at both ends change that.
pub(crate) fn space_out_stops(line: &str) -> String {
    let line = rewrite_pairs(
        line,
        |a, b| !a.is_ascii_digit() && is_stop(b),
        |a, b| [a, ' ', b, ' '],
    );
    let line = rewrite_pairs(
        &line,
        |a, b| is_stop(a) && !b.is_ascii_digit(),
        |a, b| [' ', a, ' ', b],
    );
    rewrite_pairs(
        &line,
        |a, b| a.is_ascii_digit() && b == '-',
        |a, b| [a, ' ', b, ' '],
    )
}
