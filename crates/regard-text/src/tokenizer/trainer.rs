use super::{PieceCounter, TokenizerConfig, Tokenizers};
use crate::corpus::Pair;
use crate::error::TextError;

/// Learns the tokenizers of both sides from pairs that come chunk by chunk, in one pass and in the
/// memory of [`PieceCounter`].
///
/// # Example
///
/// ```
/// use regard_text::TokenizerConfig;
/// use regard_text::corpus::Pair;
/// use regard_text::tokenizer::TokenizerTrainer;
///
/// let config = TokenizerConfig { sample: 2, ..TokenizerConfig::default() };
/// let pair = |source: &str, target: &str| Pair { source: source.into(), target: target.into() };
/// let pairs = [pair("one", "un"), pair("two", "deux"), pair("three", "trois")];
/// let mut trainer = TokenizerTrainer::new(&config)?;
/// for (index, pair) in pairs.iter().enumerate() {
///     if config.takes(index, pairs.len()) {
///         trainer.add(std::slice::from_ref(pair))?;
///     }
/// }
/// assert!(trainer.finish()?.is_shared());
/// # Ok::<(), regard_text::TextError>(())
/// ```
#[derive(Debug)]
pub struct TokenizerTrainer {
    source: PieceCounter,
    /// `None` if both sides count together.
    target: Option<PieceCounter>,
}

impl TokenizerTrainer {
    /// A trainer that has seen no pair.
    ///
    /// # Errors
    ///
    /// A configuration that does not [validate](TokenizerConfig::validate).
    pub fn new(config: &TokenizerConfig) -> Result<Self, TextError> {
        let separate = !config.shared;
        Ok(Self {
            source: PieceCounter::new(config)?,
            target: separate.then(|| PieceCounter::new(config)).transpose()?,
        })
    }

    /// Counts the words of `pairs`, in parallel. All of them: whoever has more pairs than
    /// `tokenizer.sample` asks [`TokenizerConfig::takes`] first.
    ///
    /// # Errors
    ///
    /// Those of [`PieceCounter::add`].
    pub fn add(&mut self, pairs: &[Pair]) -> Result<(), TextError> {
        let sources: Vec<&str> = pairs.iter().map(|pair| pair.source.as_str()).collect();
        let targets: Vec<&str> = pairs.iter().map(|pair| pair.target.as_str()).collect();
        self.source.add(&sources)?;
        self.target
            .as_mut()
            .unwrap_or(&mut self.source)
            .add(&targets)
    }

    /// The tokenizers of all pairs so far.
    ///
    /// # Errors
    ///
    /// If no pair had a word in it.
    pub fn finish(self) -> Result<Tokenizers, TextError> {
        let source = self.source.finish()?;
        Ok(match self.target {
            None => Tokenizers::shared(source),
            Some(target) => Tokenizers::separate(source, target.finish()?),
        })
    }
}
