//! How a line is cut into words before they are counted, by sacreBLEU's names.

mod chinese;
mod international;

use std::fmt;
use std::str::FromStr;

use crate::error::EvalError;
use crate::space::is_python_space;
use crate::western::{space_out_punctuation, space_out_stops, unescape};

/// Cuts lines into words.
///
/// sacreBLEU's other tokenizers (`ja-mecab`, `ko-mecab`, `spm`, `flores101`, `flores200`, `spBLEU-1K`) need models of
/// their own and are not here: cut such text outside and choose [`None`](Self::None).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tokenizer {
    /// `13a`, WMT's `mteval-v13a.pl`: punctuation apart, for text that puts blanks between words.
    #[default]
    V13a,
    /// `intl`, `mteval-v14.pl`: punctuation and symbols of every script apart, unless they stand beside a number.
    International,
    /// `char`: each character a word, white space left out.
    Characters,
    /// `zh`: each Chinese character a word, the rest as `13a` without its escapes.
    Chinese,
    /// `none`: words are what stands between white space.
    None,
}

impl Tokenizer {
    /// Every tokenizer.
    pub const ALL: [Self; 5] = [
        Self::V13a,
        Self::International,
        Self::Characters,
        Self::Chinese,
        Self::None,
    ];

    /// Its name in a signature.
    pub fn name(self) -> &'static str {
        match self {
            Self::V13a => "13a",
            Self::International => "intl",
            Self::Characters => "char",
            Self::Chinese => "zh",
            Self::None => "none",
        }
    }

    /// The line with white space between its words.
    pub(super) fn tokenize(self, line: &str) -> String {
        let line = line.trim_end_matches(is_python_space);
        match self {
            Self::V13a => v13a(line),
            Self::International => international::tokenize(line),
            Self::Characters => line.chars().flat_map(|c| [c, ' ']).collect(),
            Self::Chinese => chinese::tokenize(line),
            Self::None => line.to_owned(),
        }
    }
}

impl fmt::Display for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Tokenizer {
    type Err = EvalError;

    fn from_str(name: &str) -> Result<Self, EvalError> {
        let known = Self::ALL
            .into_iter()
            .find(|tokenizer| tokenizer.name() == name);
        known.ok_or_else(|| EvalError::Tokenizer {
            name: name.to_owned(),
        })
    }
}

fn v13a(line: &str) -> String {
    let line = line
        .replace("<skipped>", "")
        .replace("-\n", "")
        .replace('\n', " ");
    // Blanks at both ends give the first and the last character a neighbour that is no digit.
    let line = format!(" {} ", unescape(line));
    space_out_stops(&space_out_punctuation(&line))
}

#[cfg(test)]
mod tests;
