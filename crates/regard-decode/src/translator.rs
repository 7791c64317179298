//! Text to text.

use std::path::Path;

use burn::module::Module;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor};
use regard_nn::{AttentionKind, Decoded, Model, Output, Pass, Seq2Seq, Tokens, each_model};
use regard_text::batch::{HostBatch, SourceBatch, plan_in_order};
use regard_text::corpus::Example;
use regard_text::{SpecialIds, Tokenizers};

use crate::{
    Bundle, DecodeConfig, DecodeError, Hypothesis, Request, RunDirectory, TargetLength, beam_search,
};

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
    /// The log-probability over the length penalty; what the translation was chosen by.
    pub score: f64,
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
    /// One row for each target token, one column for each source token; each row sums to at most 1, to less where local
    /// attention weakens what is far from its window's middle. `None` if the model has no cross-attention.
    pub weights: Option<Vec<f32>>,
    /// Whether the sentence was longer than `decode.max_source_length`, or than the model has positions, and cut.
    pub truncated: bool,
}

/// How well a model predicts a given translation.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Likelihood {
    /// Minus the log-probability of the translation and its end; nats, without smoothing.
    pub nats: f64,
    /// Tokens of the translation, the end token included.
    pub tokens: usize,
    /// Whether source or translation was longer than the model takes, and cut.
    pub truncated: bool,
}

/// Rows of logits that exist at one time while pairs are scored.
const SCORED_ROWS: usize = 512;

impl Translator {
    /// Loads the [preferred](crate::RunDirectory::preferred) checkpoint of a run.
    ///
    /// # Errors
    ///
    /// See [`Bundle::load`].
    pub fn from_run(run: impl AsRef<Path>, device: &Device) -> Result<Self, DecodeError> {
        let preferred = RunDirectory::open(run.as_ref())?.preferred()?;
        Ok(Self::new(Bundle::load(run, preferred, device)?, device))
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

    /// As configured, but with a beam or a `decode.length_penalty` of its own where one is given.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Search`] if the beam is 0 or wider than the target vocabulary, or the penalty is out of range.
    pub fn with_beam(
        mut self,
        beam: Option<usize>,
        length_penalty: Option<f64>,
    ) -> Result<Self, DecodeError> {
        let config = &mut self.config;
        config.beam = beam.unwrap_or(config.beam);
        config.length_penalty = length_penalty.unwrap_or(config.length_penalty);
        let mut problems = config.problems();
        // The configured one was a bound on a vocabulary that was yet to be made.
        let vocabulary = self.tokenizers.target().vocabulary_size();
        problems.extend(beam.and_then(|_| config.beam_problem(vocabulary)));
        if problems.is_empty() {
            Ok(self)
        } else {
            Err(DecodeError::Search { problems })
        }
    }

    /// Numbers the model has learned.
    pub fn parameters(&self) -> usize {
        self.model.num_params()
    }

    /// What cuts its text into tokens.
    pub fn tokenizers(&self) -> &Tokenizers {
        &self.tokenizers
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
                translation.score = hypothesis.score;
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
        // Whether there is attention shows in a step, which is therefore made even where nothing was said.
        let rows = target_in.len();
        if rows == 0 {
            target_in.push(special.start);
        }
        let target_in = Tokens::new(&target_in, &[target_in.len()], &self.device);
        let pass = Pass::evaluation().with_attention();
        let (decoded, _) = self.forward(&self.source(&[&ids]), &target_in, &pass);
        let mut maps = decoded.attention.into_iter().rev();
        let last = maps.find(|map| map.kind == AttentionKind::Cross);

        let end = SpecialIds::TOKENS[3].to_string();
        let mut source = self.tokenizers.source().tokens(&ids);
        source.push(end.clone());
        let mut target = self.tokenizers.target().tokens(&hypothesis.ids);
        target.extend(hypothesis.ended.then_some(end));
        let weights = last.map(|map| {
            let weights = map.weights.mean_dim(1).into_data(); // [1, 1, T, S]
            weights.iter::<f32>().take(rows * source.len()).collect()
        });
        Ok(Alignment {
            source,
            target,
            weights,
            truncated,
        })
    }

    /// How well the model predicts the translation in each `(source, translation)`, in order, given its true beginning.
    ///
    /// Sources are cut as they are for translating, translations at the model's positions. An empty translation is its end
    /// token.
    ///
    /// # Errors
    ///
    /// None today, as [`translate_batch`](Self::translate_batch).
    pub fn score<S: AsRef<str>, T: AsRef<str>>(
        &self,
        pairs: &[(S, T)],
    ) -> Result<Vec<Likelihood>, DecodeError> {
        let (sources, targets): (Vec<&str>, Vec<&str>) = pairs
            .iter()
            .map(|(source, target)| (source.as_ref().trim(), target.as_ref().trim()))
            .unzip();
        let sources = self.tokenizers.source().encode_batch(&sources);
        let targets = self.tokenizers.target().encode_batch(&targets);
        let mut examples = Vec::new();
        let mut likelihoods = Vec::new();
        for (mut source, mut target) in sources.into_iter().zip(targets) {
            // The decoder reads the start token besides.
            let most = self.max_positions.map_or(usize::MAX, |most| most - 1);
            let truncated = self.truncate(&mut source) | (target.len() > most);
            target.truncate(most);
            likelihoods.push(Likelihood {
                nats: 0.0,
                tokens: target.len() + 1,
                truncated,
            });
            examples.push(Example { source, target });
        }
        let lengths: Vec<_> = examples.iter().map(Example::lengths).collect();
        let special = self.tokenizers.target().special();
        for indices in plan_in_order(&lengths, self.config.batch_tokens) {
            let batch = HostBatch::gather(&examples, &indices, special);
            let mut nats = self.nats(&batch).into_iter();
            for &i in &indices {
                let likelihood = &mut likelihoods[i];
                likelihood.nats = nats.by_ref().take(likelihood.tokens).sum();
            }
        }
        Ok(likelihoods)
    }

    /// Minus the log-probability of each real target token, row by row.
    fn nats(&self, batch: &HostBatch) -> Vec<f64> {
        let device = &self.device;
        let source = Tokens::new(&batch.source.ids, &batch.source.lengths, device);
        let target_in = Tokens::new(&batch.target_in, &batch.target_lengths, device);
        let target_out = Tokens::new(&batch.target_out, &batch.target_lengths, device).ids;
        let (decoded, output) = self.forward(&source, &target_in, &Pass::evaluation());
        let Output { weight, bias } = output;
        let mut nats = Vec::new();
        // Logits [N, V] of a whole batch would be the largest thing in memory.
        for first in (0..batch.target_tokens()).step_by(SCORED_ROWS) {
            let rows = first..batch.target_tokens().min(first + SCORED_ROWS);
            let output = Output {
                weight: weight.clone(),
                bias: bias.clone(),
            };
            let logits = output.logits(decoded.hidden.clone().slice(rows.clone())); // [rows, V]
            let targets: Tensor<2, Int> = target_out.clone().slice(rows).unsqueeze_dim(1);
            let chosen = log_softmax(logits, 1).gather(1, targets); // [rows, 1]
            nats.extend(chosen.into_data().iter::<f64>().map(|chosen| -chosen));
        }
        nats
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
            let width = (sources[i].len() + 1).saturating_mul(self.config.beam);
            match batches.last_mut() {
                Some(batch)
                    if width.saturating_mul(batch.len() + 1) <= self.config.batch_tokens =>
                {
                    batch.push(i);
                }
                _ => batches.push(vec![i]),
            }
        }
        batches
    }

    /// The best hypothesis of each source.
    fn search(&self, sources: &[&[u32]]) -> Vec<Hypothesis> {
        let request = |ids: &&[u32]| {
            let positions = self.max_positions.unwrap_or(usize::MAX);
            Request::from(TargetLength {
                least: 0,
                most: self.config.target_limit(ids.len()).min(positions),
            })
        };
        let requests: Vec<Request> = sources.iter().map(request).collect();
        let special = self.tokenizers.target().special();
        let source = self.source(sources);
        let options = self.config.beam_options();
        let found = each_model!(&self.model, model => {
            beam_search(model, &source, &requests, special, &options)
        });
        found
            .into_iter()
            .map(|mut hypotheses| hypotheses.swap_remove(0))
            .collect()
    }

    fn forward(&self, source: &Tokens, target_in: &Tokens, pass: &Pass) -> (Decoded, Output) {
        each_model!(&self.model, model => {
            (model.forward(source, target_in, pass), model.output())
        })
    }

    fn source(&self, sources: &[&[u32]]) -> Tokens {
        let batch = SourceBatch::new(sources, self.tokenizers.source().special());
        Tokens::new(&batch.ids, &batch.lengths, &self.device)
    }
}
