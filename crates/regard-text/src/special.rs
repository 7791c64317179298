use serde::{Deserialize, Serialize};

/// The ids that stand for no text: padding, the unknown token, and the two ends of a sentence.
///
/// A tokenizer trained here has them at 0 to 3. One made elsewhere keeps its own, and this struct
/// carries them; that is why no other place may know the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SpecialIds {
    /// Fills a row up to the width of its batch. Lengths say what is real: never compare ids with
    /// this one to find out.
    pub pad: u32,
    /// Stands for what the vocabulary cannot spell.
    pub unknown: u32,
    /// The first input of the decoder.
    pub start: u32,
    /// Ends every source, and every target the decoder has to produce.
    pub end: u32,
}

impl SpecialIds {
    /// The spellings, in the order `pad`, `unknown`, `start`, `end`.
    pub const TOKENS: [&'static str; 4] = ["<pad>", "<unk>", "<s>", "</s>"];

    /// Whether `id` is left out when ids become text. The unknown token is not: a reader should see
    /// the gap.
    pub fn is_silent(self, id: u32) -> bool {
        id == self.pad || id == self.start || id == self.end
    }
}

impl Default for SpecialIds {
    fn default() -> Self {
        Self {
            pad: 0,
            unknown: 1,
            start: 2,
            end: 3,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_ids_follow_the_order_of_the_tokens() {
        let SpecialIds {
            pad,
            unknown,
            start,
            end,
        } = SpecialIds::default();
        let spelled = [pad, unknown, start, end].map(|id| SpecialIds::TOKENS[id as usize]);
        assert_eq!(spelled, ["<pad>", "<unk>", "<s>", "</s>"]);
    }

    #[test]
    fn only_the_unknown_token_is_heard() {
        let special = SpecialIds::default();
        assert!(
            special.is_silent(special.pad)
                && special.is_silent(special.start)
                && special.is_silent(special.end)
        );
        assert!(!special.is_silent(special.unknown));
    }
}
