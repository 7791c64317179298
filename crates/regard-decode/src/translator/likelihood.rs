//! How probable given translations are.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor};
use regard_nn::{Output, Pass, Tokens};
use regard_text::batch::{HostBatch, plan_in_order};
use regard_text::corpus::Example;

use super::Translator;
use crate::DecodeError;

/// How well a model predicts a given translation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Likelihood {
    /// The log-probability of each token of the translation and of its end, given all before; nats, without smoothing.
    pub token_log_probabilities: Vec<f64>,
    /// Whether source or translation was longer than the model takes, and cut.
    pub truncated: bool,
}

impl Likelihood {
    /// Tokens of the translation, the end token included.
    pub fn tokens(&self) -> usize {
        self.token_log_probabilities.len()
    }

    /// The log-probability of the translation and its end, in nats.
    pub fn log_probability(&self) -> f64 {
        self.token_log_probabilities.iter().sum()
    }

    /// Minus the [log-probability](Self::log_probability).
    pub fn nats(&self) -> f64 {
        -self.log_probability()
    }

    /// `exp(nats / tokens)`: between how many tokens, as it were, the model had to choose at each place.
    pub fn perplexity(&self) -> f64 {
        (self.nats() / self.tokens() as f64).exp()
    }
}

/// Rows of logits that exist at one time while pairs are scored.
const SCORED_ROWS: usize = 512;

impl Translator {
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
        let examples = sources.into_iter().zip(targets);
        let examples = examples.map(|(source, target)| Example { source, target });
        self.score_ids(examples.collect())
    }

    /// [`score`](Self::score) of ids without special ones, such as [`NBest`](super::NBest) has them: the text of a hypothesis
    /// need not be cut into the tokens that it was made of.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Ids`] if an id is none of the vocabulary.
    pub fn score_ids(&self, mut examples: Vec<Example>) -> Result<Vec<Likelihood>, DecodeError> {
        let mut likelihoods = vec![Likelihood::default(); examples.len()];
        for (example, likelihood) in examples.iter_mut().zip(&mut likelihoods) {
            self.check_ids(example)?;
            // The decoder reads the start token besides.
            let most = self.max_positions.map_or(usize::MAX, |most| most - 1);
            let target = &mut example.target;
            likelihood.truncated = self.truncate(&mut example.source) | (target.len() > most);
            target.truncate(most);
        }
        let lengths: Vec<_> = examples.iter().map(Example::lengths).collect();
        let special = self.tokenizers.target().special();
        for indices in plan_in_order(&lengths, self.config.batch_tokens) {
            let batch = HostBatch::gather(&examples, &indices, special);
            let mut chosen = self.log_probabilities(&batch).into_iter();
            for &i in &indices {
                let tokens = examples[i].target.len() + 1;
                likelihoods[i].token_log_probabilities = chosen.by_ref().take(tokens).collect();
            }
        }
        Ok(likelihoods)
    }

    fn check_ids(&self, example: &Example) -> Result<(), DecodeError> {
        let sides = [
            (&example.source, self.tokenizers.source()),
            (&example.target, self.tokenizers.target()),
        ];
        for (ids, tokenizer) in sides {
            let vocabulary = tokenizer.vocabulary_size();
            if let Some(&id) = ids.iter().find(|&&id| id as usize >= vocabulary) {
                return Err(DecodeError::Ids { id, vocabulary });
            }
        }
        Ok(())
    }

    /// The log-probability of each real target token, row by row.
    fn log_probabilities(&self, batch: &HostBatch) -> Vec<f64> {
        let device = &self.device;
        let source = Tokens::new(&batch.source.ids, &batch.source.lengths, device);
        let target_in = Tokens::new(&batch.target_in, &batch.target_lengths, device);
        let target_out = Tokens::new(&batch.target_out, &batch.target_lengths, device).ids;
        let (decoded, output) = self.forward(&source, &target_in, &Pass::evaluation());
        let Output { weight, bias } = output;
        let mut found = Vec::new();
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
            found.extend(chosen.into_data().iter::<f64>());
        }
        found
    }
}
