//! How well a model does on text it was not trained on.

use std::cmp::Reverse;

use burn::module::Module;
use burn::tensor::Device;
use regard_decode::{Bundle, BundleConfig, DecodeError, RunDirectory, Translator};
use regard_eval::bleu::Bleu;
use regard_eval::chrf::Chrf;
use regard_kernels::most_probable;
use regard_nn::{Batch, Model, Output, Pass, Seq2Seq, each_model, hidden_states};
use regard_text::batch::{HostBatch, plan_in_order};
use regard_text::corpus::Example;
use serde::{Deserialize, Serialize};

use crate::data::device_batch;
use crate::log::{numbers, read_lines};
use crate::{Corpora, Objective, RunConfig, TeacherForcing, TrainError};

/// The result of one validation; one line of `validation.jsonl`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Validation {
    /// After this update.
    pub step: u64,
    /// Loss without smoothing, nats per token.
    pub nats: f64,
    /// `exp(nats)`, or the largest number there is where that is larger.
    pub perplexity: f64,
    /// Real target tokens.
    pub tokens: usize,
    /// Percent of the target tokens that are the most probable ones, given the true ones before them; with
    /// `train.best = "accuracy"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<f64>,
    /// BLEU of the translations, as `[decode]` says; with `train.best = "bleu"` or `"chrf"`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bleu: Option<f64>,
    /// chrF of the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chrf: Option<f64>,
}

/// What makes a validation the best.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Best {
    /// The lowest loss.
    Loss,
    /// The lowest perplexity: the same order as by loss.
    Perplexity,
    /// The highest BLEU of translations.
    Bleu,
    /// The highest chrF of translations.
    Chrf,
    /// The highest share of tokens predicted right.
    Accuracy,
}

impl Best {
    /// Whether `new` is better than `old`; equals are not.
    pub fn prefers(self, new: &Validation, old: &Validation) -> bool {
        self.score(new) > self.score(old)
    }

    /// The higher, the better.
    fn score(self, validation: &Validation) -> f64 {
        let known = |score: Option<f64>| score.unwrap_or(f64::NEG_INFINITY);
        match self {
            Self::Loss => -validation.nats,
            Self::Perplexity => -validation.perplexity,
            Self::Bleu => known(validation.bleu),
            Self::Chrf => known(validation.chrf),
            Self::Accuracy => known(validation.accuracy),
        }
    }
}

impl Validation {
    /// The validations of a run, in order.
    ///
    /// # Errors
    ///
    /// [`TrainError::Damaged`] if the file cannot be read.
    pub fn read(run: &RunDirectory) -> Result<Vec<Self>, TrainError> {
        read_lines(&run.validation(), u64::MAX)
    }

    /// Every score it has, by its key: `nats`, `perplexity` and what else was measured.
    pub fn scores(&self) -> Vec<(String, f64)> {
        let (_, mut scores) = numbers(self);
        scores.retain(|(key, _)| key != "tokens");
        scores
    }
}

/// The last `n` checkpoints of a run, or all if there are fewer.
///
/// # Errors
///
/// If they cannot be listed.
pub fn last_steps(run: &RunDirectory, n: usize) -> Result<Vec<u64>, TrainError> {
    let steps = run.steps()?;
    Ok(steps[steps.len().saturating_sub(n)..].to_vec())
}

/// The `n` checkpoints of a run with the lowest validation losses, or all that were validated if there are fewer; by step.
///
/// # Errors
///
/// If checkpoints or validations cannot be read.
pub fn best_steps(run: &RunDirectory, n: usize) -> Result<Vec<u64>, TrainError> {
    let steps = run.steps()?;
    let mut validated = Validation::read(run)?;
    validated.retain(|validation| steps.contains(&validation.step));
    validated.sort_by(|a, b| a.nats.total_cmp(&b.nats));
    let mut best: Vec<u64> = validated.iter().take(n).map(|best| best.step).collect();
    best.sort_unstable();
    Ok(best)
}

/// The loss that validations tell.
const UNSMOOTHED: TeacherForcing = TeacherForcing {
    smoothing: 0.0,
    r_drop: 0.0,
};

/// Mean loss of `model`, without dropout and without smoothing, and what `train.best` asks for besides.
pub(crate) fn validate(
    model: &Model,
    config: &RunConfig,
    corpora: &Corpora,
    step: u64,
    device: &Device,
) -> Result<Validation, TrainError> {
    let best = config.train.best;
    let model = model.valid();
    let examples = &corpora.valid;
    let special = corpora.tokenizers.target().special();
    let most = config.model.max_positions();
    let lengths: Vec<_> = examples.iter().map(Example::lengths).collect();
    let (mut nats, mut tokens, mut right) = (0.0, 0, 0);
    for indices in plan_in_order(&lengths, config.data.batch_tokens) {
        let batch = device_batch(
            &HostBatch::gather(examples, &indices, special),
            most,
            device,
        );
        let loss = UNSMOOTHED.loss(&model, &batch, &Pass::evaluation());
        nats += f64::from(loss.nats.into_scalar::<f32>());
        tokens += loss.tokens;
        if best == Best::Accuracy {
            right += predicted(&model, &batch);
        }
    }
    let nats = nats / tokens as f64;
    let mut validation = Validation {
        step,
        nats,
        perplexity: nats.exp().min(f64::MAX),
        tokens,
        accuracy: (best == Best::Accuracy).then(|| 100.0 * right as f64 / tokens as f64),
        bleu: None,
        chrf: None,
    };
    if matches!(best, Best::Bleu | Best::Chrf) {
        let translations =
            translator(model, config, corpora, device)?.translate_batch(&sources(corpora))?;
        let hypotheses: Vec<&str> = translations.iter().map(|line| line.text.as_str()).collect();
        let references: Vec<&str> = corpora
            .valid_pairs
            .iter()
            .map(|pair| pair.target.as_str())
            .collect();
        validation.bleu = Some(Bleu::default().corpus(&hypotheses, &references)?.score);
        validation.chrf = Some(Chrf::default().corpus(&hypotheses, &references)?.score);
    }
    Ok(validation)
}

/// Does what a validation needs most memory for, and gives nothing back: the loss of its largest batch, and the translations
/// of its longest sentences, as many as are translated at a time.
pub(crate) fn rehearse(
    model: &Model,
    config: &RunConfig,
    corpora: &Corpora,
    device: &Device,
) -> Result<(), TrainError> {
    let model = model.valid();
    let examples = &corpora.valid;
    let special = corpora.tokenizers.target().special();
    let most = config.model.max_positions();
    let lengths: Vec<_> = examples.iter().map(Example::lengths).collect();
    let tokens = |indices: &Vec<usize>| -> usize {
        let lengths = indices.iter().map(|&index| lengths[index]);
        lengths.map(|(source, target)| source + target).sum()
    };
    let plan = plan_in_order(&lengths, config.data.batch_tokens).into_iter();
    let Some(largest) = plan.max_by_key(tokens) else {
        return Ok(());
    };
    let batch = device_batch(
        &HostBatch::gather(examples, &largest, special),
        most,
        device,
    );
    let _ = UNSMOOTHED.loss(&model, &batch, &Pass::evaluation());
    let translated = match config.train.best {
        Best::Bleu | Best::Chrf => largest.len(),
        Best::Loss | Best::Perplexity | Best::Accuracy => config.train.samples,
    };
    let mut longest = sources(corpora);
    longest.sort_by_key(|source| Reverse(source.len()));
    longest.truncate(translated);
    translator(model, config, corpora, device)?.translate_batch(&longest)?;
    Ok(())
}

/// A translator with the weights of a model in training.
pub(crate) fn translator(
    model: Model,
    config: &RunConfig,
    corpora: &Corpora,
    device: &Device,
) -> Result<Translator, DecodeError> {
    let bundle = Bundle {
        config: BundleConfig {
            tokenizer: config.tokenizer.clone(),
            model: config.model.clone(),
            decode: config.decode.clone(),
        },
        tokenizers: corpora.tokenizers.clone(),
        model,
        step: None,
    };
    Translator::new(bundle, device)
}

fn sources(corpora: &Corpora) -> Vec<&str> {
    let pairs = corpora.valid_pairs.iter();
    pairs.map(|pair| pair.source.as_str()).collect()
}

/// Rows of logits that exist at one time.
const ROWS: usize = 512;

/// Target tokens that are the most probable ones.
fn predicted(model: &Model, batch: &Batch) -> usize {
    let (hidden, output) = each_model!(model, model => {
        (hidden_states(model, batch, &Pass::evaluation()), model.output())
    });
    let targets = batch.target_out.clone().into_data();
    let targets: Vec<i64> = targets.iter::<i64>().collect();
    let mut right = 0;
    for (chunk, targets) in targets.chunks(ROWS).enumerate() {
        let Output { weight, bias } = &output;
        let output = Output {
            weight: weight.clone(),
            bias: bias.clone(),
        };
        let first = chunk * ROWS;
        let rows = hidden.clone().slice(first..first + targets.len());
        let chosen = most_probable(output.logits(rows), &vec![None; targets.len()]);
        let hits = chosen.iter().zip(targets);
        right += hits
            .filter(|&(&(id, _), &gold)| i64::from(id) == gold)
            .count();
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validation(nats: f64, bleu: Option<f64>) -> Validation {
        Validation {
            step: 1,
            nats,
            perplexity: nats.exp(),
            tokens: 1,
            accuracy: None,
            bleu,
            chrf: None,
        }
    }

    #[test]
    fn each_measure_has_its_own_best() {
        let (one, other) = (validation(1.0, Some(10.0)), validation(2.0, Some(20.0)));
        assert!(Best::Loss.prefers(&one, &other) && Best::Perplexity.prefers(&one, &other));
        assert!(Best::Bleu.prefers(&other, &one) && !Best::Bleu.prefers(&one, &other));
        for best in [Best::Loss, Best::Bleu, Best::Chrf] {
            assert!(!best.prefers(&one, &one), "{best:?}: an equal is no better");
        }
    }

    #[test]
    fn the_best_checkpoints_are_those_that_are_still_there() {
        let directory = tempfile::tempdir().unwrap();
        let run = RunDirectory::new(directory.path());
        let lines = [(2, 3.0), (4, 1.0), (6, 1.5), (8, 1.2)].map(|(step, nats)| {
            let validation = Validation {
                step,
                ..validation(nats, None)
            };
            serde_json::to_string(&validation).unwrap() + "\n"
        });
        std::fs::write(run.validation(), lines.concat()).unwrap();
        for step in [2, 6, 7, 8] {
            std::fs::create_dir_all(run.checkpoint(step)).unwrap();
        }
        assert_eq!(best_steps(&run, 2).unwrap(), [6, 8]);
        assert_eq!(best_steps(&run, 9).unwrap(), [2, 6, 8]);
        assert_eq!(last_steps(&run, 3).unwrap(), [6, 7, 8]);
    }
}
