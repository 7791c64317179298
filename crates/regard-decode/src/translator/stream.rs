//! A translation while it is made.

use std::fmt;

use regard_text::Tokenizer;

use super::Translator;
use crate::search::GreedySteps;

/// The text of a translation, piece by piece, as greedy search finds its tokens; see [`Translator::stream`].
pub struct TokenStream<'a> {
    ids: Box<dyn Iterator<Item = u32> + Send + 'a>,
    tokenizer: &'a Tokenizer,
    said: Vec<u32>,
    told: String,
    truncated: bool,
}

impl Translator {
    /// Translates one sentence and hands out each piece of text as soon as it is certain.
    ///
    /// # Behaviour
    ///
    /// - The pieces, one behind the other, are what [`translate`](Self::translate) finds with a `decode.beam` of 1, by the same
    ///   rules, bounds and models.
    /// - `decode.search` and `decode.beam` do not count: which of several hypotheses is the best shows when they are finished.
    ///   Neither does `decode.replace_unknown`, for the same reason.
    /// - A piece is the text of one token, or of several where one alone is no text: bytes of one character.
    /// - What is not asked for is not computed.
    ///
    /// # Differences
    ///
    /// A tokenizer made elsewhere may change text it has given before when more tokens come; a piece that would have to is left
    /// out. None that is trained here does.
    pub fn stream(&self, sentence: &str) -> TokenStream<'_> {
        let mut source = self.tokenizers.source().encode(sentence.trim());
        let truncated = self.truncate(&mut source);
        // A line without a word is not translated, as in a batch.
        let ids: Box<dyn Iterator<Item = u32> + Send + '_> = if source.is_empty() {
            Box::new(std::iter::empty())
        } else {
            let request = self.target_length(source.len()).into();
            let special = self.tokenizers.target().special();
            let rules = self.config.rules(&self.suppressed);
            let source = self.source(&[&source]);
            let steps = GreedySteps::new(self.ensemble(), &source, request, (special, rules));
            Box::new(steps)
        };
        TokenStream {
            ids,
            tokenizer: self.tokenizers.target(),
            said: Vec::new(),
            told: String::new(),
            truncated,
        }
    }
}

impl TokenStream<'_> {
    /// Whether the sentence was cut, as that of a [`Translation`](crate::Translation).
    pub fn truncated(&self) -> bool {
        self.truncated
    }

    /// What the tokens so far say beyond what was told.
    fn piece(&mut self, is_last: bool) -> Option<String> {
        let text = self.tokenizer.decode(&self.said);
        // Bytes of a character that are not all there yet.
        if !is_last && text.ends_with(char::REPLACEMENT_CHARACTER) {
            return None;
        }
        let piece = text.strip_prefix(&self.told)?.to_owned();
        self.told = text;
        (!piece.is_empty()).then_some(piece)
    }
}

impl Iterator for TokenStream<'_> {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        while let Some(id) = self.ids.next() {
            self.said.push(id);
            if let Some(piece) = self.piece(false) {
                return Some(piece);
            }
        }
        self.piece(true)
    }
}

impl fmt::Debug for TokenStream<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter
            .debug_struct("TokenStream")
            .field("said", &self.said)
            .field("told", &self.told)
            .finish_non_exhaustive()
    }
}
