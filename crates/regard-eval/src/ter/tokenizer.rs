//! How Tercom cuts a line into words.

use super::Ter;
use crate::space::{is_python_space, words};
use crate::western::{space_out, space_out_punctuation, space_out_stops, unescape};

/// Characters that stand one by one in Chinese and Japanese.
///
/// One range of sacreBLEU's, meant to be U+3200 to U+32FF, ends at U+3F22; so does it here. Kana are not split: its
/// expressions for them match only at the beginning of a line, where it has put a blank.
fn is_ideograph(c: char) -> bool {
    matches!(c,
        '\u{4e00}'..='\u{9fff}' | '\u{3400}'..='\u{4dbf}' // unified ideographs, extension A
        | '\u{31c0}'..='\u{31ef}' | '\u{2e80}'..='\u{2eff}' // strokes, radicals
        | '\u{3300}'..='\u{33ff}' | '\u{f900}'..='\u{faff}' | '\u{fe30}'..='\u{fe4f}' // compatibility
        | '\u{3200}'..='\u{3f22}'
    )
}

fn is_asian_punctuation(c: char) -> bool {
    matches!(c,
        '\u{3001}' | '\u{3002}' | '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301f}'
        | '\u{ff61}'..='\u{ff65}' | '\u{30fb}'
        | '\u{ff0e}' | '\u{ff0c}' | '\u{ff1f}' | '\u{ff1a}' | '\u{ff1b}' | '\u{ff01}' | '\u{ff02}'
        | '\u{ff08}' | '\u{ff09}'
    )
}

fn is_punctuation(c: char) -> bool {
    matches!(c, '.' | ',' | '?' | ':' | ';' | '!' | '"' | '(' | ')')
}

fn normalize(line: &str) -> String {
    let line = line.replace("\n-", "").replace('\n', " ");
    let line = format!(" {} ", unescape(line));
    // A possessive parts from its word.
    let line = space_out_punctuation(&line).replace("'s ", " 's ");
    space_out_stops(&line)
}

impl Ter {
    /// As [`tokenize`](Self::tokenize), twice: sacreBLEU normalises a reference when it takes it up, and again when it
    /// cuts it into words. All but normalising is the same the second time.
    pub(super) fn tokenize_reference(&self, line: &str) -> String {
        let once = self.tokenize(line);
        if !self.normalized {
            return once;
        }
        self.tokenize(&words(&once).collect::<Vec<_>>().join(" "))
    }

    /// The line with white space between its words.
    pub(super) fn tokenize(&self, line: &str) -> String {
        let line = line.trim_end_matches(is_python_space);
        if line.is_empty() {
            return String::new();
        }
        let mut line = if self.case_sensitive {
            line.to_owned()
        } else {
            line.to_lowercase()
        };
        if self.normalized {
            line = normalize(&line);
            if self.asian_support {
                line = space_out(&line, |c| is_ideograph(c) || is_asian_punctuation(c));
            }
        }
        if self.no_punctuation {
            line.retain(|c| !(is_punctuation(c) || self.asian_support && is_asian_punctuation(c)));
        }
        line
    }
}
