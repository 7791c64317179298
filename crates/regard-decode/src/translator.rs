//! Text to text.

mod alignment;
mod asked;
mod likelihood;
mod rerank;
mod stream;
mod unknown;

use std::path::Path;

use burn::module::Module;
use burn::tensor::Device;
use regard_nn::{Decoded, Model, ModelConfig, Output, Pass, Seq2Seq, Tokens, each_model};
use regard_text::batch::SourceBatch;
use regard_text::{SpecialIds, Tokenizers};

use self::rerank::least_risk;
use crate::{
    Bundle, DecodeConfig, DecodeError, Ensemble, Hypothesis, Request, SearchKind, Steps,
    TargetLength, beam_search, sample, sample_distinct,
};

pub use alignment::{Alignment, WordLinks, most_attended};
pub use asked::TextRequest;
pub use likelihood::Likelihood;
pub use stream::TokenStream;

/// Translates raw text with a trained model.
///
/// It changes nothing while it works: threads can share one, and each finds what one alone would.
#[derive(Debug)]
pub struct Translator {
    model: Model,
    /// Models that are asked together with it.
    members: Vec<Model>,
    model_config: ModelConfig,
    tokenizers: Tokenizers,
    config: DecodeConfig,
    /// The ids of `decode.suppress`.
    suppressed: Vec<u32>,
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

/// The best translations of one line.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NBest {
    /// The ids that were translated, end excluded.
    pub source: Vec<u32>,
    /// The same as tokens.
    pub source_tokens: Vec<String>,
    /// The best first; a line without a word has one, which is empty.
    pub hypotheses: Vec<TextHypothesis>,
    /// As that of a [`Translation`].
    pub truncated: bool,
}

/// What search found, as text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TextHypothesis {
    /// As search hands it out.
    pub found: Hypothesis,
    /// Its text.
    pub text: String,
    /// Its tokens, end token excluded.
    pub tokens: Vec<String>,
}

impl From<NBest> for Translation {
    /// The best of them.
    fn from(mut line: NBest) -> Self {
        let best = if line.hypotheses.is_empty() {
            TextHypothesis::default()
        } else {
            line.hypotheses.swap_remove(0)
        };
        Self {
            text: best.text,
            source_tokens: line.source_tokens,
            tokens: best.tokens,
            log_probability: best.found.log_probability,
            score: best.found.score,
            truncated: line.truncated,
        }
    }
}

impl Translator {
    /// Loads a run's [preferred](crate::RunDirectory::preferred) checkpoint, or a [pack](crate::Pack).
    ///
    /// # Errors
    ///
    /// See [`Bundle::load`].
    pub fn from_run(run: impl AsRef<Path>, device: &Device) -> Result<Self, DecodeError> {
        Self::new(Bundle::load(run, None, device)?, device)
    }

    /// From a loaded run.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Search`] if `decode.suppress` names what is no token of the target vocabulary.
    pub fn new(bundle: Bundle, device: &Device) -> Result<Self, DecodeError> {
        let translator = Self {
            model: bundle.model,
            members: Vec::new(),
            tokenizers: bundle.tokenizers,
            max_positions: bundle.config.model.max_positions(),
            model_config: bundle.config.model,
            config: DecodeConfig::default(),
            suppressed: Vec::new(),
            device: device.clone(),
        };
        translator.configured(bundle.config.decode)
    }

    /// One that asks another model, too: what is searched is the mean of their distributions, see [`Ensemble`]. Attention, and
    /// [`score`](Self::score), remain those of the first.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Search`] if the other has other tokenizers.
    pub fn with_member(mut self, other: Bundle) -> Result<Self, DecodeError> {
        let digests =
            |tokenizers: &Tokenizers| [tokenizers.source().digest(), tokenizers.target().digest()];
        if digests(&self.tokenizers) != digests(&other.tokenizers) {
            return Err(DecodeError::Search {
                problems: vec![
                    "ensemble: expected runs with the same tokenizers, got others; train one with `--init` of the other".into(),
                ],
            });
        }
        let positions = [self.max_positions, other.config.model.max_positions()];
        self.max_positions = positions.into_iter().flatten().min();
        self.members.push(other.model);
        Ok(self)
    }

    /// How it translates.
    pub fn config(&self) -> &DecodeConfig {
        &self.config
    }

    /// One that translates otherwise.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Search`] with all [problems](DecodeConfig::problems), a beam wider than the target vocabulary, and names
    /// in `decode.suppress` that are no tokens.
    pub fn with_config(self, config: DecodeConfig) -> Result<Self, DecodeError> {
        let mut problems = config.problems();
        // The configured one was a bound on a vocabulary that was yet to be made.
        let vocabulary = self.tokenizers.target().vocabulary_size();
        let is_wider = config.beam != self.config.beam;
        problems.extend(is_wider.then(|| config.beam_problem(vocabulary)).flatten());
        if problems.is_empty() {
            self.configured(config)
        } else {
            Err(DecodeError::Search { problems })
        }
    }

    fn configured(mut self, config: DecodeConfig) -> Result<Self, DecodeError> {
        let (mut suppressed, mut problems) = (Vec::new(), Vec::new());
        for token in &config.suppress {
            match self.tokenizers.target().id(token) {
                Some(id) => suppressed.push(id),
                None => problems.push(format!(
                    "suppress: `{token}` is no token of the target vocabulary"
                )),
            }
        }
        if !problems.is_empty() {
            return Err(DecodeError::Search { problems });
        }
        self.config = config;
        self.suppressed = suppressed;
        Ok(self)
    }

    /// As configured, but with a beam or a `decode.length_penalty` of its own where one is given.
    ///
    /// # Errors
    ///
    /// As [`with_config`](Self::with_config).
    pub fn with_beam(
        self,
        beam: Option<usize>,
        length_penalty: Option<f64>,
    ) -> Result<Self, DecodeError> {
        let mut config = self.config.clone();
        config.beam = beam.unwrap_or(config.beam);
        config.length_penalty = length_penalty.unwrap_or(config.length_penalty);
        self.with_config(config)
    }

    /// Numbers the model has learned.
    pub fn parameters(&self) -> usize {
        self.model.num_params()
    }

    /// What kind of model it is, and its sizes.
    pub fn model_config(&self) -> &ModelConfig {
        &self.model_config
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
        let lines = self.n_best(lines, 1)?;
        Ok(lines.into_iter().map(Translation::from).collect())
    }

    /// The translation of one line.
    ///
    /// # Errors
    ///
    /// None today, as [`translate_batch`](Self::translate_batch).
    pub fn translate(&self, line: &str) -> Result<Translation, DecodeError> {
        Ok(self.n_best(&[line], 1)?.swap_remove(0).into())
    }

    /// The `n` best translations of each line, in order, all different as sequences of tokens; there are fewer where search
    /// found fewer. Lines are read as [`translate_batch`](Self::translate_batch) reads them.
    ///
    /// # Errors
    ///
    /// Those of [`check_n_best`](Self::check_n_best).
    pub fn n_best<S: AsRef<str>>(&self, lines: &[S], n: usize) -> Result<Vec<NBest>, DecodeError> {
        let lines = lines.iter().zip(0..);
        let asked = lines.map(|(line, number)| TextRequest::new(line.as_ref(), number));
        self.answer(&asked.collect::<Vec<_>>(), n)
    }

    /// The `n` best translations of each line that are what is asked for, likewise. Of a line without a word it is the empty one,
    /// whatever is asked. What is drawn at random is sorted like what is searched, and may be the same twice but for
    /// `decode.search = "gumbel"`.
    ///
    /// With a `decode.coverage_penalty` beta, what the beam found is ranked by
    ///
    /// ```text
    /// score + beta sum over source positions s of ln min(1, sum over target positions t of a[t][s])
    /// ```
    ///
    /// with the cross-attention `a` of the last layer, mean over heads (Wu et al. 2016, equation 14); with
    /// `decode.search = "mbr"`, what was drawn is ranked by its mean `decode.utility`, chrF or BLEU, with every sample as the
    /// reference (Eikema, Aziz 2020).
    ///
    /// # Errors
    ///
    /// [`DecodeError::Request`] for the first line of which something impossible is asked, and those of
    /// [`check_n_best`](Self::check_n_best).
    pub fn answer(&self, asked: &[TextRequest], n: usize) -> Result<Vec<NBest>, DecodeError> {
        self.check_n_best(n)?;
        let texts: Vec<&str> = asked.iter().map(|asked| asked.text.trim()).collect();
        let mut sources = self.tokenizers.source().encode_batch(&texts);
        let truncated: Vec<bool> = sources.iter_mut().map(|ids| self.truncate(ids)).collect();
        let wanted = asked.iter().zip(&sources);
        let requests: Vec<Request> = wanted
            .map(|(asked, ids)| self.request(asked, ids.len()))
            .collect::<Result<_, _>>()?;
        let mut found = vec![vec![TextHypothesis::default()]; asked.len()];
        for batch in self.batches(&sources) {
            let ids: Vec<&[u32]> = batch.iter().map(|&i| sources[i].as_slice()).collect();
            let wanted: Vec<Request> = batch.iter().map(|&i| requests[i].clone()).collect();
            for (&i, hypotheses) in batch.iter().zip(self.search(&ids, &wanted)) {
                let said = hypotheses.into_iter().map(|found| self.text(found));
                found[i] = self.ranked(&sources[i], said.collect());
                found[i].truncate(n);
                if self.config.replace_unknown {
                    for hypothesis in &mut found[i] {
                        self.replace_unknown(texts[i], &sources[i], hypothesis);
                    }
                }
            }
        }
        let lines = sources.into_iter().zip(truncated).zip(found);
        let line = |((source, truncated), hypotheses): ((Vec<u32>, bool), _)| NBest {
            source_tokens: self.tokenizers.source().tokens(&source),
            source,
            hypotheses,
            truncated,
        };
        Ok(lines.map(line).collect())
    }

    /// Whether search keeps so many hypotheses.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Search`] if not.
    pub fn check_n_best(&self, n: usize) -> Result<(), DecodeError> {
        let most = self.config.hypotheses();
        if (1..=most).contains(&n) {
            return Ok(());
        }
        let whose = match self.config.search {
            SearchKind::Beam => "the hypotheses of the beam",
            SearchKind::Sample | SearchKind::Gumbel | SearchKind::Mbr => "the samples",
        };
        Err(DecodeError::Search {
            problems: vec![format!("n_best: expected 1 to {most}, {whose}, got {n}")],
        })
    }

    /// What search found, sorted by all that counts.
    fn ranked(&self, source: &[u32], mut hypotheses: Vec<TextHypothesis>) -> Vec<TextHypothesis> {
        match self.config.search {
            SearchKind::Mbr => return least_risk(hypotheses, self.config.utility),
            SearchKind::Beam if self.config.coverage_penalty > 0.0 => {
                self.cover(source, &mut hypotheses);
            }
            SearchKind::Beam | SearchKind::Sample | SearchKind::Gumbel => {}
        }
        hypotheses
    }

    fn text(&self, found: Hypothesis) -> TextHypothesis {
        let tokenizer = self.tokenizers.target();
        TextHypothesis {
            text: tokenizer.decode(&found.ids),
            tokens: tokenizer.tokens(&found.ids),
            found,
        }
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
            let width = (sources[i].len() + 1).saturating_mul(self.config.hypotheses());
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

    /// The hypotheses of each source, the best first; one at least.
    fn search(&self, sources: &[&[u32]], requests: &[Request]) -> Vec<Vec<Hypothesis>> {
        let special = self.tokenizers.target().special();
        let source = self.source(sources);
        if !self.members.is_empty() {
            return self.search_with(&self.ensemble(), &source, requests, special);
        }
        each_model!(&self.model, model => self.search_with(model, &source, requests, special))
    }

    /// All models that are asked.
    fn ensemble(&self) -> Ensemble<'_> {
        let models = std::iter::once(&self.model).chain(&self.members);
        Ensemble::new(models.collect())
    }

    fn search_with<M: Steps>(
        &self,
        model: &M,
        source: &Tokens,
        requests: &[Request],
        special: SpecialIds,
    ) -> Vec<Vec<Hypothesis>> {
        match self.config.search {
            SearchKind::Beam => {
                let options = self.config.beam_options(&self.suppressed);
                beam_search(model, source, requests, special, &options)
            }
            SearchKind::Sample | SearchKind::Gumbel | SearchKind::Mbr => {
                let options = self.config.sample_options(&self.suppressed);
                let mut found = match self.config.search {
                    SearchKind::Gumbel => {
                        sample_distinct(model, source, requests, special, &options)
                    }
                    _ => sample(model, source, requests, special, &options),
                };
                for hypotheses in &mut found {
                    hypotheses.sort_by(|a, b| b.score.total_cmp(&a.score));
                }
                found
            }
        }
    }

    /// How many tokens a translation of so many source tokens may have.
    fn target_length(&self, source_length: usize) -> TargetLength {
        let TargetLength { least, most } = self.config.target_length(source_length);
        let most = most.min(self.max_positions.unwrap_or(usize::MAX));
        TargetLength {
            least: least.min(most),
            most,
        }
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
