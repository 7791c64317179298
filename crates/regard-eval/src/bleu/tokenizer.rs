//! The `13a` tokenizer: how WMT's `mteval-v13a.pl` and sacreBLEU cut a line into words.
//!
//! sacreBLEU writes it as four regular expressions. Each of them looks at one character or at two
//! neighbours, so here they are four passes over characters.

use crate::space::is_python_space;

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
fn unescape(line: &str) -> String {
    let line = line
        .replace("<skipped>", "")
        .replace("-\n", "")
        .replace('\n', " ");
    if !line.contains('&') {
        return line;
    }
    line.replace("&quot;", "\"")
        .replace("&amp;", "&")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
}

/// Rewrites neighbours `(a, b)` that satisfy `test`, left to right; a rewritten character takes
/// part in no second pair, as in a global substitution with a regular expression.
fn rewrite_pairs(
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

/// A line in `13a` form; its words are what [`words`] finds in it.
pub(super) fn tokenize(line: &str) -> String {
    let line = unescape(line.trim_end_matches(is_python_space));

    // Blanks at both ends give the first and the last character a neighbour that is no digit.
    let mut spaced = String::with_capacity(line.len() + 32);
    spaced.push(' ');
    for c in line.chars() {
        if stands_alone(c) {
            spaced.extend([' ', c, ' ']);
        } else {
            spaced.push(c);
        }
    }
    spaced.push(' ');

    let spaced = rewrite_pairs(
        &spaced,
        |a, b| !a.is_ascii_digit() && is_stop(b),
        |a, b| [a, ' ', b, ' '],
    );
    let spaced = rewrite_pairs(
        &spaced,
        |a, b| is_stop(a) && !b.is_ascii_digit(),
        |a, b| [' ', a, ' ', b],
    );
    rewrite_pairs(
        &spaced,
        |a, b| a.is_ascii_digit() && b == '-',
        |a, b| [a, ' ', b, ' '],
    )
}

/// The words of a tokenised line.
pub(super) fn words(tokenized: &str) -> impl Iterator<Item = &str> {
    tokenized
        .split(is_python_space)
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(line: &str) -> Vec<String> {
        words(&tokenize(line)).map(str::to_owned).collect()
    }

    #[test]
    fn stops_part_from_words_but_not_from_numbers() {
        assert_eq!(tokens("It costs 1,000.5."), ["It", "costs", "1,000.5", "."]);
        assert_eq!(tokens(".5, 3.x"), [".", "5", ",", "3", ".", "x"]);
    }

    #[test]
    fn hyphens_part_only_after_a_digit() {
        assert_eq!(
            tokens("well-known 5-4 x-4"),
            ["well-known", "5", "-", "4", "x-4"]
        );
    }

    #[test]
    fn escapes_are_undone_in_order() {
        assert_eq!(tokens("&amp;lt;"), ["<"]);
        assert_eq!(tokens("&amp;quot;"), ["&", "quot", ";"]);
        assert_eq!(tokens("a<skipped>b"), ["ab"]);
        assert_eq!(tokens("line-\nbreak\nhere"), ["linebreak", "here"]);
    }

    #[test]
    fn words_part_at_what_python_calls_white_space() {
        let line = "a\u{a0}b\u{202f}c\u{2028}d\u{1c}e\u{85}f\u{200b}g\u{feff}h\u{3000}";
        assert_eq!(
            tokens(line),
            ["a", "b", "c", "d", "e", "f\u{200b}g\u{feff}h"]
        );
    }

    #[test]
    fn only_ascii_digits_are_digits() {
        assert_eq!(tokens("\u{0661}.\u{0662}"), ["\u{0661}", ".", "\u{0662}"]);
    }

    #[test]
    fn equals_sacrebleu_on_the_lines_of_the_fixture() {
        #[derive(serde::Deserialize)]
        struct Fixture {
            lines: Vec<Line>,
        }
        #[derive(serde::Deserialize)]
        struct Line {
            line: String,
            tokens: Vec<String>,
        }
        let fixture: Fixture =
            serde_json::from_str(include_str!("../../tests/fixtures/bleu.json")).unwrap();
        assert!(!fixture.lines.is_empty());
        for case in fixture.lines {
            assert_eq!(tokens(&case.line), case.tokens, "line {:?}", case.line);
        }
    }
}
