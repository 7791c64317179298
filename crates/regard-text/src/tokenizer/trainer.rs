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
pub struct TokenizerTrainer(Sides);

#[derive(Debug)]
enum Sides {
    Given(Tokenizers),
    Together(Box<PieceCounter>),
    Apart(Box<[PieceCounter; 2]>),
}

impl TokenizerTrainer {
    /// A trainer that has seen no pair. If `config` names files, they are read now.
    ///
    /// # Errors
    ///
    /// A configuration that does not [validate](TokenizerConfig::validate), or a file that is no
    /// tokenizer.
    pub fn new(config: &TokenizerConfig) -> Result<Self, TextError> {
        let counter = || PieceCounter::new(config);
        Ok(Self(match Tokenizers::given(config)? {
            Some(given) => Sides::Given(given),
            None if config.shared => Sides::Together(Box::new(counter()?)),
            None => Sides::Apart(Box::new([counter()?, counter()?])),
        }))
    }

    /// Whether pairs make a difference: not where the tokenizers are given as files, nor for `byte`.
    pub fn needs_pairs(&self) -> bool {
        match &self.0 {
            Sides::Given(_) => false,
            Sides::Together(counter) => counter.needs_lines(),
            Sides::Apart(counters) => counters[0].needs_lines(),
        }
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
        match &mut self.0 {
            Sides::Given(_) => Ok(()),
            Sides::Together(counter) => {
                counter.add(&sources)?;
                counter.add(&targets)
            }
            Sides::Apart(counters) => {
                let [source, target] = counters.as_mut();
                source.add(&sources)?;
                target.add(&targets)
            }
        }
    }

    /// The tokenizers of all pairs so far.
    ///
    /// # Errors
    ///
    /// If pairs are needed, and none had a word in it.
    pub fn finish(self) -> Result<Tokenizers, TextError> {
        Ok(match self.0 {
            Sides::Given(tokenizers) => tokenizers,
            Sides::Together(counter) => Tokenizers::shared(counter.finish()?),
            Sides::Apart(counters) => {
                let [source, target] = *counters;
                Tokenizers::separate(source.finish()?, target.finish()?)
            }
        })
    }
}
