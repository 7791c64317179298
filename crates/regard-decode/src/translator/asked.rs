//! What is asked of the translation of a line, in text.

use regard_text::Tokenizer;

use super::Translator;
use crate::{DecodeError, Request, SearchKind};

/// A line and what is asked of its translation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TextRequest {
    /// What is to be translated.
    pub text: String,
    /// What the translation begins with.
    pub prefix: String,
    /// What stands somewhere in it. A phrase is looked for as the tokens that it has by itself: as whole words where the
    /// tokenizer marks beginnings of words, and perhaps with more letters behind it.
    pub phrases: Vec<String>,
    /// Which of all lines it is, from 0: draws depend on it, and errors name it.
    pub number: u64,
}

impl TextRequest {
    /// Nothing but the translation of a line.
    pub fn new(text: impl Into<String>, number: u64) -> Self {
        Self {
            text: text.into(),
            number,
            ..Self::default()
        }
    }
}

impl Translator {
    /// What is asked, in tokens, for a source of `source_length` of them.
    pub(super) fn request(
        &self,
        asked: &TextRequest,
        source_length: usize,
    ) -> Result<Request, DecodeError> {
        let refuse = |problem: String| DecodeError::Request {
            line: asked.number + 1,
            problem,
        };
        let length = self.target_length(source_length);
        if source_length == 0 {
            return Ok(length.into());
        }
        if !asked.phrases.is_empty() && self.config.search != SearchKind::Beam {
            return Err(refuse(
                "phrases can be asked of `decode.search = \"beam\"` only".into(),
            ));
        }
        let tokenizer = self.tokenizers.target();
        let mut constraints: Vec<Vec<u32>> = Vec::new();
        for phrase in &asked.phrases {
            let ids = spelled(tokenizer, phrase, "phrase").map_err(refuse)?;
            if ids.is_empty() {
                return Err(refuse("a phrase without a word must appear".into()));
            }
            if !constraints.contains(&ids) {
                constraints.push(ids);
            }
        }
        let request = Request {
            length,
            prefix: spelled(tokenizer, &asked.prefix, "prefix").map_err(refuse)?,
            constraints,
            number: asked.number,
        };
        match request.problem() {
            Some(problem) => Err(refuse(problem)),
            None => Ok(request),
        }
    }
}

/// The ids of a text that the vocabulary must have.
fn spelled(tokenizer: &Tokenizer, text: &str, name: &str) -> Result<Vec<u32>, String> {
    let ids = tokenizer.encode(text.trim());
    if ids.contains(&tokenizer.special().unknown) {
        return Err(format!(
            "the {name} `{text}` has something that the vocabulary has no token for"
        ));
    }
    Ok(ids)
}
