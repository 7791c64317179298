//! Text to text.

use std::path::Path;

use burn::tensor::Device;
use regard_nn::{AttentionKind, AttentionMap, Model, Pass, Seq2Seq, Tokens, each_model};
use regard_text::batch::SourceBatch;
use regard_text::{SpecialIds, Tokenizers};

use crate::{Bundle, Checkpoint, DecodeConfig, DecodeError, Hypothesis, TargetLength, greedy};

/// Translates raw text with a trained model.
#[derive(Debug)]
pub struct Translator {
    model: Model,
    tokenizers: Tokenizers,
    config: DecodeConfig,
    /// Most positions of a source or a target; `None` where there is no limit.
    max_positions: Option<usize>,
    device: Device,
}

/// What became of one line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Translation {
    /// The translation; empty where the line was.
    pub text: String,
    /// The tokens that were translated, end token excluded.
    pub source_tokens: Vec<String>,
    /// The tokens of the translation, end token excluded.
    pub tokens: Vec<String>,
    /// Sum of the log-probabilities of the tokens, in nats.
    pub log_probability: f64,
    /// Whether the line was longer than `decode.max_source_length`, or than the model has positions, and cut.
    pub truncated: bool,
}

/// Where a translation looked: cross-attention of one layer, averaged over heads.
#[derive(Clone, Debug)]
pub struct Alignment {
    /// Tokens of the source, the end token included.
    pub source: Vec<String>,
    /// Tokens of the translation, the end token included if search reached it.
    pub target: Vec<String>,
    /// One row for each target token, one column for each source token; each row sums to 1.
    pub weights: Vec<f32>,
    /// Whether the sentence was longer than `decode.max_source_length`, or than the model has positions, and cut.
    pub truncated: bool,
}

impl Translator {
    /// Loads the best checkpoint of a run, or the last where none is known to be best.
    ///
    /// # Errors
    ///
    /// See [`Bundle::load`].
    pub fn from_run(run: impl AsRef<Path>, device: &Device) -> Result<Self, DecodeError> {
        let bundle = match Bundle::load(&run, Checkpoint::Best, device) {
            Err(DecodeError::NoCheckpoint { .. }) => Bundle::load(&run, Checkpoint::Last, device)?,
            loaded => loaded?,
        };
        Ok(Self::new(bundle, device))
    }

    /// From a loaded run.
    pub fn new(bundle: Bundle, device: &Device) -> Self {
        Self {
            model: bundle.model,
            tokenizers: bundle.tokenizers,
            max_positions: bundle.config.model.max_positions(),
            config: bundle.config.decode,
            device: device.clone(),
        }
    }

    /// The translation of each line, in order. Lines are sorted by length into batches on the way.
    ///
    /// A line without a word gives an empty translation; one that is too long is cut, and says so.
    ///
    /// # Errors
    ///
    /// None today; the signature leaves room for models that can refuse a text.
    pub fn translate_batch<S: AsRef<str>>(
        &self,
        lines: &[S],
    ) -> Result<Vec<Translation>, DecodeError> {
        let lines: Vec<&str> = lines.iter().map(|line| line.as_ref().trim()).collect();
        let mut sources = self.tokenizers.source().encode_batch(&lines);
        let mut translations = vec![Translation::default(); lines.len()];
        for (ids, translation) in sources.iter_mut().zip(&mut translations) {
            translation.truncated = self.truncate(ids);
            translation.source_tokens = self.tokenizers.source().tokens(ids);
        }
        for batch in self.batches(&sources) {
            let ids: Vec<&[u32]> = batch.iter().map(|&i| sources[i].as_slice()).collect();
            for (&i, hypothesis) in batch.iter().zip(self.search(&ids)) {
                let translation = &mut translations[i];
                translation.text = self.tokenizers.target().decode(&hypothesis.ids);
                translation.tokens = self.tokenizers.target().tokens(&hypothesis.ids);
                translation.log_probability = hypothesis.log_probability;
            }
        }
        Ok(translations)
    }

    /// Translates one sentence and tells where each token of the translation looked, in the last decoder layer.
    ///
    /// # Errors
    ///
    /// None today, as [`translate_batch`](Self::translate_batch).
    pub fn align(&self, sentence: &str) -> Result<Alignment, DecodeError> {
        let mut ids = self.tokenizers.source().encode(sentence.trim());
        let truncated = self.truncate(&mut ids);
        let hypothesis = self.search(&[&ids]).swap_remove(0);

        // The decoder reads one token behind what it says.
        let special = self.tokenizers.target().special();
        let mut target_in = vec![special.start];
        target_in.extend(&hypothesis.ids);
        if !hypothesis.ended {
            target_in.pop();
        }
        let maps = if target_in.is_empty() {
            Vec::new()
        } else {
            self.attention(&ids, &target_in)
        };
        let last = maps
            .into_iter()
            .rev()
            .find(|map| map.kind == AttentionKind::Cross)
            .map(|map| map.weights.mean_dim(1).into_data().iter::<f32>().collect());

        let end = SpecialIds::TOKENS[3].to_string();
        let mut source = self.tokenizers.source().tokens(&ids);
        source.push(end.clone());
        let mut target = self.tokenizers.target().tokens(&hypothesis.ids);
        target.extend(hypothesis.ended.then_some(end));
        Ok(Alignment {
            source,
            target,
            weights: last.unwrap_or_default(),
            truncated,
        })
    }

    /// Cuts a source that is too long, and says so.
    fn truncate(&self, ids: &mut Vec<u32>) -> bool {
        // Every source has its end besides.
        let positions = self.max_positions.map_or(usize::MAX, |most| most - 1);
        let most = self.config.max_source_length.min(positions);
        let is_longer = ids.len() > most;
        ids.truncate(most);
        is_longer
    }

    /// Places of the lines that have tokens, cut into batches of similar length.
    fn batches(&self, sources: &[Vec<u32>]) -> Vec<Vec<usize>> {
        let mut order: Vec<usize> = (0..sources.len())
            .filter(|&i| !sources[i].is_empty())
            .collect();
        order.sort_by_key(|&i| sources[i].len());
        let mut batches: Vec<Vec<usize>> = Vec::new();
        for i in order {
            // Sorted, so the newcomer is the longest; one more token ends each source.
            let width = sources[i].len() + 1;
            match batches.last_mut() {
                Some(batch) if (batch.len() + 1) * width <= self.config.batch_tokens => {
                    batch.push(i);
                }
                _ => batches.push(vec![i]),
            }
        }
        batches
    }

    fn search(&self, sources: &[&[u32]]) -> Vec<Hypothesis> {
        let lengths: Vec<TargetLength> = sources
            .iter()
            .map(|ids| TargetLength {
                least: 0,
                most: self
                    .config
                    .target_limit(ids.len())
                    .min(self.max_positions.unwrap_or(usize::MAX)),
            })
            .collect();
        let special = self.tokenizers.target().special();
        let source = self.source(sources);
        each_model!(&self.model, model => greedy(model, &source, &lengths, special))
    }

    fn attention(&self, source: &[u32], target_in: &[u32]) -> Vec<AttentionMap> {
        let source = self.source(&[source]);
        let target_in = Tokens::new(target_in, &[target_in.len()], &self.device);
        let pass = Pass::evaluation().with_attention();
        each_model!(&self.model, model => model.forward(&source, &target_in, &pass).attention)
    }

    fn source(&self, sources: &[&[u32]]) -> Tokens {
        let batch = SourceBatch::new(sources, self.tokenizers.source().special());
        Tokens::new(&batch.ids, &batch.lengths, &self.device)
    }
}
