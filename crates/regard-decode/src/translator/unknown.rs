//! Words of the source in the place of unknown tokens.

use super::alignment::most_attended;
use super::{TextHypothesis, Translator};

impl Translator {
    /// Puts, for each unknown token of a hypothesis, the word of the source that it looks at most into the text. `line` is what
    /// `source` was cut from.
    ///
    /// # References
    ///
    /// Luong et al. Addressing the Rare Word Problem in Neural Machine Translation. 2015. <https://arxiv.org/abs/1410.8206>; by
    /// attention: Jean et al. 2015. <https://arxiv.org/abs/1412.2007>, section 3.3.
    pub(super) fn replace_unknown(
        &self,
        line: &str,
        source: &[u32],
        hypothesis: &mut TextHypothesis,
    ) {
        let tokenizer = self.tokenizers.target();
        let unknown = tokenizer.special().unknown;
        if !hypothesis.found.ids.contains(&unknown) {
            return;
        }
        let Some(weights) = self.attention(source, &hypothesis.found) else {
            return;
        };
        let words: Vec<&str> = line.split_whitespace().collect();
        let word = |position: usize| match words.get(position) {
            Some(word) if words.len() == source.len() => (*word).to_owned(),
            _ => self
                .tokenizers
                .source()
                .decode(&source[position..=position]),
        };
        let rows = weights.chunks(source.len() + 1).zip(&hypothesis.found.ids);
        let mut replacements = rows
            .filter(|&(_, &id)| id == unknown)
            .map(|(row, _)| word(most_attended(&row[..source.len()])));
        let mark = tokenizer.decode(&[unknown]);
        let mut text = String::new();
        for (i, part) in hypothesis.text.split(mark.as_str()).enumerate() {
            if i > 0 {
                text.push_str(&replacements.next().unwrap_or_else(|| mark.clone()));
            }
            text.push_str(part);
        }
        hypothesis.text = text;
    }
}
