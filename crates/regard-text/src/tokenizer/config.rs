use serde::{Deserialize, Serialize};

use crate::error::TextError;
use crate::special::SpecialIds;

/// The `[tokenizer]` section of a configuration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenizerConfig {
    /// How words are cut. Default `bpe`: never lost for an ordinary word, quick to train, and the
    /// most tried for translation.
    pub kind: TokenizerKind,
    /// Most ids in the vocabulary, the four special ids included; a small corpus may yield fewer.
    /// At least 8. Default 8000: right for tens of thousands of sentence pairs; a few million want
    /// 32000.
    pub vocabulary: usize,
    /// Most pairs to learn the vocabulary from, spread evenly over the training pairs; at least 1.
    /// Default 1000000: more text hardly changes which pieces are frequent, but takes minutes.
    pub sample: usize,
    /// One vocabulary for source and target together. Default true: names and numbers are spelled
    /// the same on both sides, and embeddings can be shared. Say false for different scripts.
    pub shared: bool,
    /// Whether text becomes lower case, for good: translations come out in lower case. Default
    /// false.
    pub lowercase: bool,
    /// Whether text is brought to Unicode's form NFKC, for good: a ligature becomes letters, a
    /// full-width digit a plain one. Default false, so that decoding gives back exactly what was
    /// written; say true for text of mixed origin.
    pub nfkc: bool,
    /// BPE dropout: the probability that a possible merge is passed over, drawn anew each time a
    /// training pair is read. For `bpe`, in [0, 1). Validation and translation never drop. Default
    /// 0: few pairs profit (0.1 is usual), many do not.
    pub dropout: f64,
}

impl Default for TokenizerConfig {
    fn default() -> Self {
        Self {
            kind: TokenizerKind::Bpe,
            vocabulary: 8000,
            sample: 1_000_000,
            shared: true,
            lowercase: false,
            nfkc: false,
            dropout: 0.0,
        }
    }
}

/// How a tokenizer cuts text.
///
/// All but `character` cut at spaces and around punctuation first, and never join what stands on
/// two sides of such a cut. An apostrophe stays with what is before it: `l'arbre` is `l'` and
/// `arbre`. An underscore belongs to its word, as in `I_TURN_LEFT`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenizerKind {
    /// Byte-pair encoding on characters: the most frequent neighbours are merged, again and again.
    #[default]
    Bpe,
    /// The most probable cut under a unigram language model of pieces.
    Unigram,
    /// Pieces learned as for `bpe`, applied longest first; a word with an unseen character is
    /// unknown as a whole.
    WordPiece,
    /// Whole words; what is not among the most frequent is unknown. For toy tasks and small closed
    /// domains.
    Word,
    /// Single characters, spaces among them. For transliteration and spelling.
    Character,
}

impl TokenizerConfig {
    /// The special ids, and room for something to say.
    const SMALLEST: usize = 2 * SpecialIds::TOKENS.len();
    /// Ids are 32-bit signed integers on the device.
    const LARGEST: usize = i32::MAX as usize;

    /// Everything that is wrong with the values, one sentence for each.
    pub fn problems(&self) -> Vec<String> {
        let (smallest, largest) = (Self::SMALLEST, Self::LARGEST);
        let mut problems = Vec::new();
        if !(smallest..=largest).contains(&self.vocabulary) {
            problems.push(format!(
                "`tokenizer.vocabulary`: expected {smallest} to {largest}, got {}",
                self.vocabulary
            ));
        }
        if self.sample == 0 {
            problems.push("`tokenizer.sample`: expected at least 1, got 0".to_owned());
        }
        if !(0.0..1.0).contains(&self.dropout) {
            problems.push(format!(
                "`tokenizer.dropout`: expected a probability in [0, 1), got {}",
                self.dropout
            ));
        } else if self.dropout > 0.0 && self.kind != TokenizerKind::Bpe {
            problems.push(format!(
                "`tokenizer.dropout`: expected 0 unless `tokenizer.kind` is `bpe`, got {}",
                self.dropout
            ));
        }
        problems
    }

    /// Whether pair number `index`, from 0, of `pairs` is one to learn from: `sample` of them are, or
    /// all if there are fewer, at distances as equal as can be.
    pub fn takes(&self, index: usize, pairs: usize) -> bool {
        // Pairs taken before the one at `index`; wide, since the product may be.
        let before = |index: u128| index * self.sample as u128 / pairs.max(1) as u128;
        pairs <= self.sample || before(index as u128 + 1) > before(index as u128)
    }

    /// [`problems`](Self::problems) as an error.
    ///
    /// # Errors
    ///
    /// [`TextError::Config`] with all problems.
    pub fn validate(&self) -> Result<(), TextError> {
        TextError::from_problems(self.problems())
    }
}
