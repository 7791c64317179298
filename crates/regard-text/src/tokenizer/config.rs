use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::bytes;
use crate::error::TextError;
use crate::special::SpecialIds;

/// The `[tokenizer]` section of a configuration.
///
/// Tokenizers are trained, or given as files that were made elsewhere; both are stored in the run. Of
/// one that is given, `kind`, `vocabulary` and `sample` are not read. Paths are relative to the
/// working directory.
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
    /// What happens to white space. Default `unify`: text of mixed origin is spaced in all ways, and
    /// seldom on purpose. `byte` keeps all of it in either case.
    pub spaces: Spaces,
    /// BPE dropout: the probability that a possible merge is passed over, drawn anew each time a
    /// training pair is read. For `bpe`, in [0, 1). Validation and translation never drop. Default
    /// 0: few pairs profit (0.1 is usual), many do not.
    pub dropout: f64,
    /// Subword regularisation: each time a training pair is read, its pieces are drawn with
    /// probabilities in proportion to those of the model to the power of this. For `unigram`, above
    /// 0: near 0 all cuts are as likely, 0.1 to 0.5 is usual, and a large number leaves the best one.
    /// Validation and translation take the best one. Default: none, the best one always.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alpha: Option<f64>,
    /// A `tokenizer.json` in the format of Hugging Face, for both sides, in place of training one. It
    /// says itself how text is normalised and cut. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Likewise, for the source; goes with `target_file`, and with `shared = false`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_file: Option<PathBuf>,
    /// Likewise, for the target. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_file: Option<PathBuf>,
    /// Which token of a file is padding. Default: none, the first it has of `<pad>`, `[PAD]`,
    /// `<PAD>`, `<|pad|>`, `<blank>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pad_token: Option<String>,
    /// Which token of a file stands for what it cannot spell. Default: none, the first it has of
    /// `<unk>`, `[UNK]`, `<UNK>`, `<|unk|>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unknown_token: Option<String>,
    /// Which token of a file the decoder starts with. Default: none, the first it has of `<s>`,
    /// `[CLS]`, `<bos>`, `[BOS]`, `<BOS>`, `<|startoftext|>`, `<|begin_of_text|>`, and if it has none
    /// of them, padding, as Marian and T5 do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_token: Option<String>,
    /// Which token of a file ends a sentence. Default: none, the first it has of `</s>`, `[SEP]`,
    /// `<eos>`, `[EOS]`, `<EOS>`, `<|endoftext|>`, `<|end_of_text|>`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_token: Option<String>,
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
            spaces: Spaces::Unify,
            dropout: 0.0,
            alpha: None,
            file: None,
            source_file: None,
            target_file: None,
            pad_token: None,
            unknown_token: None,
            start_token: None,
            end_token: None,
        }
    }
}

/// How a tokenizer cuts text.
///
/// All but `character` and `byte` cut at spaces and around punctuation first, and never join what stands on
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
    /// The 256 bytes of UTF-8. Nothing is unknown, and every text comes back as it was, line ends and
    /// NUL among it. For text of any script, at a cost in length: two to four ids for most letters
    /// that are not Latin. There is no training of merges over bytes; a file brings them.
    Byte,
}

/// What happens to white space.
///
/// In both cases, tabs, line ends (U+000A to U+000D, U+0085, U+2028, U+2029) and runs of spaces
/// become one space, and none is left at the two ends of a line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Spaces {
    /// So do all other spaces: those that do not break (U+00A0, U+202F) and those of a certain width
    /// (U+1680, U+2000 to U+200A, U+205F, U+3000).
    #[default]
    Unify,
    /// Those others stay, each a character of the text like a sign of punctuation, so that `Quoi ?`
    /// comes back with the space that French puts there. They count as unknown where the training
    /// text had none of them.
    Keep,
}

impl TokenizerConfig {
    /// The special ids, and room for something to say.
    const SMALLEST: usize = 2 * SpecialIds::TOKENS.len();
    /// Ids are 32-bit signed integers on the device.
    const LARGEST: usize = i32::MAX as usize;

    /// Everything that can be seen to be wrong without opening a file, one sentence for each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.is_given() {
            self.check_files(&mut problems);
        } else {
            self.check_training(&mut problems);
        }
        self.check_sampling(&mut problems);
        problems
    }

    /// Whether tokenizers come from files instead of being trained.
    pub fn is_given(&self) -> bool {
        self.file.is_some() || self.source_file.is_some() || self.target_file.is_some()
    }

    fn check_files(&self, problems: &mut Vec<String>) {
        let (file, source, target) = (&self.file, &self.source_file, &self.target_file);
        let got = match (file, source, target) {
            (Some(_), None, None) | (None, Some(_), Some(_)) => None,
            (Some(_), ..) => Some("`file` together with the others"),
            (None, Some(_), None) => Some("only `source_file`"),
            (None, ..) => Some("only `target_file`"),
        };
        problems.extend(got.map(|got| {
            format!("`tokenizer`: expected `file`, or `source_file` and `target_file`, got {got}")
        }));
        if got.is_none() && self.shared != file.is_some() {
            let key = if self.shared { "source_file" } else { "file" };
            problems.push(format!(
                "`tokenizer.shared`: expected {} with `tokenizer.{key}`, got {}",
                !self.shared, self.shared
            ));
        }
        let asked = [
            ("lowercase", "false", self.lowercase),
            ("nfkc", "false", self.nfkc),
            ("spaces", "`unify`", self.spaces != Spaces::Unify),
        ];
        for (key, expected, asked) in asked {
            if asked {
                problems.push(format!(
                    "`tokenizer.{key}`: expected {expected} for a tokenizer from a file, which says itself how text is normalised"
                ));
            }
        }
    }

    fn check_training(&self, problems: &mut Vec<String>) {
        let largest = Self::LARGEST;
        let smallest = match self.kind {
            TokenizerKind::Byte => SpecialIds::TOKENS.len() + bytes::COUNT,
            _ => Self::SMALLEST,
        };
        if !(smallest..=largest).contains(&self.vocabulary) {
            problems.push(format!(
                "`tokenizer.vocabulary`: expected {smallest} to {largest}, got {}",
                self.vocabulary
            ));
        }
        if self.sample == 0 {
            problems.push("`tokenizer.sample`: expected at least 1, got 0".to_owned());
        }
        if self.nfkc && self.spaces == Spaces::Keep {
            problems.push(
                "`tokenizer.spaces`: expected `unify` with `tokenizer.nfkc`, which makes ordinary spaces of the others"
                    .to_owned(),
            );
        }
        let tokens = [
            ("pad", &self.pad_token),
            ("unknown", &self.unknown_token),
            ("start", &self.start_token),
            ("end", &self.end_token),
        ];
        for (role, token) in tokens {
            if let Some(token) = token {
                problems.push(format!(
                    "`tokenizer.{role}_token`: expected none unless the tokenizer comes from a file, got `{token}`"
                ));
            }
        }
    }

    fn check_sampling(&self, problems: &mut Vec<String>) {
        // What a file holds shows when it is read.
        let kind = (!self.is_given()).then_some(self.kind);
        let (dropout, alpha) = (self.dropout, self.alpha);
        if !(0.0..1.0).contains(&dropout) {
            problems.push(format!(
                "`tokenizer.dropout`: expected a probability in [0, 1), got {dropout}"
            ));
        } else if dropout > 0.0 && kind.is_some_and(|kind| kind != TokenizerKind::Bpe) {
            problems.push(format!(
                "`tokenizer.dropout`: expected 0 unless `tokenizer.kind` is `bpe`, got {dropout}"
            ));
        }
        let Some(alpha) = alpha else { return };
        if !(alpha.is_finite() && alpha > 0.0) {
            problems.push(format!(
                "`tokenizer.alpha`: expected a number above 0, got {alpha}"
            ));
        } else if kind.is_some_and(|kind| kind != TokenizerKind::Unigram) {
            problems.push(format!(
                "`tokenizer.alpha`: expected none unless `tokenizer.kind` is `unigram`, got {alpha}"
            ));
        }
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
