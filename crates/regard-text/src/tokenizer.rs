//! Text to ids and back, for one language or several together.
//!
//! What belongs here is everything that depends on a vocabulary. A tokenizer is trained once,
//! stored with the model as a `tokenizer.json` that other tools of the field read too, and loaded
//! wherever text comes in or goes out.
//!
//! White space is not text: runs of it, of whatever characters, count as one space, and the ends of
//! a line are trimmed; [`Spaces`] says what else there is. Apart from that, and unless the
//! configuration asks for lower case or NFKC, decoding gives back what was encoded, as long as the
//! vocabulary can spell it.

mod bytes;
mod config;
mod counts;
mod draws;
mod dropout;
mod files;
mod given;
mod lattice;
mod merges;
mod sampling;
mod scheme;
mod train;
mod trainer;
mod unigram;

use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

pub use config::{Spaces, TokenizerConfig, TokenizerKind};
pub use counts::PieceCounter;
pub use files::Tokenizers;
pub use trainer::TokenizerTrainer;

use self::sampling::Sampler;
use crate::error::TextError;
use crate::{SpecialIds, digest};

/// Begins a word inside a token, where the text has a space.
const WORD_START: char = '\u{2581}';

/// A trained tokenizer.
///
/// # Example
///
/// ```
/// use regard_text::{Tokenizer, TokenizerConfig, TokenizerKind};
///
/// let config = TokenizerConfig { kind: TokenizerKind::Word, ..TokenizerConfig::default() };
/// let tokenizer = Tokenizer::train(&config, ["un arbre.", "l'arbre"].into_iter())?;
/// let ids = tokenizer.encode("un arbre.");
/// assert_eq!(tokenizer.tokens(&ids), ["un", "arbre", "."]);
/// assert_eq!(tokenizer.decode(&ids), "un arbre.");
/// assert_eq!(tokenizer.encode("zut"), [tokenizer.special().unknown]);
/// # Ok::<(), regard_text::TextError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Tokenizer {
    inner: tokenizers::Tokenizer,
    special: SpecialIds,
    vocabulary_size: usize,
    sampler: Option<Arc<Sampler>>,
}

impl Tokenizer {
    /// Learns a vocabulary from `lines`. The same lines give the same tokenizer, to the byte.
    ///
    /// # Errors
    ///
    /// A configuration that does not [validate](TokenizerConfig::validate), or lines without a word
    /// in them.
    pub fn train<'a>(
        config: &TokenizerConfig,
        lines: impl Iterator<Item = &'a str>,
    ) -> Result<Self, TextError> {
        let lines: Vec<&str> = lines.collect();
        let mut counter = PieceCounter::new(config)?;
        counter.add(&lines)?;
        counter.finish()
    }

    /// Reads a `tokenizer.json`, ours or one that Hugging Face's library wrote.
    ///
    /// # Errors
    ///
    /// A file that is missing, holds no tokenizer, or a tokenizer without special tokens of the
    /// usual names.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, TextError> {
        Self::load_as(path, &TokenizerConfig::default())
    }

    /// Reads a `tokenizer.json` whose special tokens may have the names that `config` gives them.
    /// One without a token for the start starts with padding, unless `config` names one.
    ///
    /// # Errors
    ///
    /// A file that is missing, holds no tokenizer, or a tokenizer without a special token.
    pub fn load_as(path: impl AsRef<Path>, config: &TokenizerConfig) -> Result<Self, TextError> {
        let (inner, special) = given::read(path.as_ref(), config)?;
        Ok(Self::assemble(inner, special))
    }

    /// The same of what such a file holds; `path` stands for it in errors.
    ///
    /// # Errors
    ///
    /// No tokenizer, or one without a special token.
    pub fn from_json(
        json: &str,
        path: impl AsRef<Path>,
        config: &TokenizerConfig,
    ) -> Result<Self, TextError> {
        let (inner, special) = given::parse(json.as_bytes(), path.as_ref(), config)?;
        Ok(Self::assemble(inner, special))
    }

    /// What [`save`](Self::save) writes.
    ///
    /// # Panics
    ///
    /// Never: what was read or trained can be written.
    pub fn to_json(&self) -> String {
        self.inner.to_string(true).expect("a tokenizer is JSON")
    }

    /// Writes a `tokenizer.json`, beside its place first and then renamed.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), TextError> {
        files::write(&self.to_json(), path.as_ref())
    }

    fn assemble(mut inner: tokenizers::Tokenizer, special: SpecialIds) -> Self {
        // Batches are cut, padded and framed by `corpus` and `batch`; a file made elsewhere may ask
        // for it here, too.
        inner.with_padding(None);
        inner
            .with_truncation(None)
            .expect("no truncation is always possible");
        // Text that happens to spell `</s>` is text.
        inner.set_encode_special_tokens(true);
        // Vocabularies made elsewhere may leave ids out.
        let largest = inner.get_vocab(true).into_values().max();
        Self {
            vocabulary_size: largest.map_or(0, |id| id as usize + 1),
            inner,
            special,
            sampler: None,
        }
    }

    /// This tokenizer, with [`encode_sampled`](Self::encode_sampled) doing what `config` asks for.
    ///
    /// A file does not say how text was cut in training, and inference has no use for it: so no
    /// tokenizer samples unless it went through here.
    ///
    /// # Errors
    ///
    /// A configuration that does not [validate](TokenizerConfig::validate), or that asks for what
    /// the model of this tokenizer cannot do.
    pub fn sampled(mut self, config: &TokenizerConfig) -> Result<Self, TextError> {
        config.validate()?;
        self.sampler = Sampler::new(config, &self.inner, self.special)?.map(Arc::new);
        Ok(self)
    }

    /// Whether [`encode_sampled`](Self::encode_sampled) differs from [`encode`](Self::encode).
    pub fn is_sampled(&self) -> bool {
        self.sampler.is_some()
    }

    /// The ids of a text, without special ids. What the vocabulary cannot spell becomes
    /// [`SpecialIds::unknown`].
    pub fn encode(&self, text: &str) -> Vec<u32> {
        match self.inner.encode_fast(text, false) {
            Ok(encoding) => self.text_only(encoding.get_ids().to_vec()),
            // A vocabulary made elsewhere may lack what it needs to say "unknown".
            Err(_) => vec![self.special.unknown],
        }
    }

    /// The ids of a text, cut at random as far as the configuration [asks for it](Self::sampled). A
    /// function of `text` and `key`: use another key each time the text is read.
    ///
    /// Whatever the cut, it spells the same text. Of a tokenizer that does not sample, this is
    /// [`encode`](Self::encode).
    ///
    /// # Example
    ///
    /// ```
    /// use regard_text::{Tokenizer, TokenizerConfig};
    ///
    /// let config = TokenizerConfig { dropout: 0.5, ..TokenizerConfig::default() };
    /// let tokenizer = Tokenizer::train(&config, ["low lower lowest"; 9].into_iter())?.sampled(&config)?;
    /// assert_eq!(tokenizer.encode("lowest").len(), 1);
    /// let cuts: Vec<_> = (0..9).map(|key| tokenizer.encode_sampled("lowest", key)).collect();
    /// assert!(cuts.iter().any(|ids| ids.len() > 1));
    /// assert!(cuts.iter().all(|ids| tokenizer.decode(ids) == "lowest"));
    /// # Ok::<(), regard_text::TextError>(())
    /// ```
    pub fn encode_sampled(&self, text: &str, key: u64) -> Vec<u32> {
        let Some(sampler) = &self.sampler else {
            return self.encode(text);
        };
        match sampler.encode(&self.inner, text, key) {
            Ok(ids) => self.text_only(ids),
            Err(_) => vec![self.special.unknown],
        }
    }

    /// Text that spells a special token is text, and if a vocabulary made elsewhere has no other
    /// piece for it, unknown.
    fn text_only(&self, mut ids: Vec<u32>) -> Vec<u32> {
        for id in &mut ids {
            if self.special.is_silent(*id) {
                *id = self.special.unknown;
            }
        }
        ids
    }

    /// [`encode`](Self::encode) of each text, in parallel; the result is in the order of the texts.
    pub fn encode_batch(&self, texts: &[&str]) -> Vec<Vec<u32>> {
        texts.par_iter().map(|text| self.encode(text)).collect()
    }

    /// For each id of [`encode`](Self::encode), which word of the text it is of, counted from 0: words are what white space
    /// parts. White space that has an id of its own goes with the word behind it.
    ///
    /// ```
    /// use regard_text::{Tokenizer, TokenizerConfig, TokenizerKind};
    ///
    /// let config = TokenizerConfig { kind: TokenizerKind::Byte, vocabulary: 260, ..TokenizerConfig::default() };
    /// let bytes = Tokenizer::train(&config, ["a"].into_iter())?;
    /// assert_eq!(bytes.words("on it"), [0, 0, 1, 1, 1]);
    /// # Ok::<(), regard_text::TextError>(())
    /// ```
    pub fn words(&self, text: &str) -> Vec<usize> {
        let Ok(encoding) = self.inner.encode(text, false) else {
            return vec![0];
        };
        let ends = word_ends(text);
        let spans = encoding.get_offsets().iter();
        let word = |&(start, end): &(usize, usize)| {
            // A mark for the beginning of a word may cover nothing.
            let last = end.max(start + 1) - 1;
            let word = ends.partition_point(|&end| end <= last);
            word.min(ends.len().saturating_sub(1))
        };
        spans.map(word).collect()
    }

    /// The text of `ids`. Padding, start and end are skipped, and so are ids outside the
    /// vocabulary; the unknown token shows.
    pub fn decode(&self, ids: &[u32]) -> String {
        let heard: Vec<u32> = ids
            .iter()
            .copied()
            .filter(|&id| !self.special.is_silent(id))
            .collect();
        self.inner.decode(&heard, false).unwrap_or_default()
    }

    /// Each id as a reader should see it under an attention map: without the mark that begins a
    /// word. Special tokens show as they are spelled, a space on its own as the mark.
    pub fn tokens(&self, ids: &[u32]) -> Vec<String> {
        ids.iter().map(|&id| self.token(id)).collect()
    }

    fn token(&self, id: u32) -> String {
        let token = self
            .inner
            .id_to_token(id)
            .unwrap_or_else(|| format!("#{id}"));
        if bytes::are_written(self.inner.get_decoder()) {
            return bytes::shown(&token);
        }
        match token
            .strip_prefix(WORD_START)
            .or_else(|| token.strip_prefix(train::CONTINUATION))
        {
            Some(rest) if !rest.is_empty() => rest.to_owned(),
            _ => token,
        }
    }

    /// Which tokenizer this is: tokenizers of equal digest cut every text alike.
    ///
    /// # Panics
    ///
    /// Never: what was read or trained can be written.
    pub fn digest(&self) -> String {
        let json = self.inner.to_string(false).expect("a tokenizer is JSON");
        digest(json.into_bytes())
    }

    /// The id of a token, spelled as in the vocabulary.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// Number of ids, special ids included: the width of an embedding. One more than the largest id.
    pub fn vocabulary_size(&self) -> usize {
        self.vocabulary_size
    }

    /// The special ids of this vocabulary.
    pub fn special(&self) -> SpecialIds {
        self.special
    }
}

/// The byte behind each word.
fn word_ends(text: &str) -> Vec<usize> {
    let mut ends = Vec::new();
    let mut is_inside = false;
    for (place, sign) in text.char_indices() {
        let is_space = sign.is_whitespace();
        ends.extend((is_space && is_inside).then_some(place));
        is_inside = !is_space;
    }
    ends.extend(is_inside.then_some(text.len()));
    ends
}
