//! How well a model predicts text it was not trained on.

use burn::module::Module;
use burn::tensor::Device;
use regard_nn::{Model, Pass};
use regard_text::SpecialIds;
use regard_text::batch::{HostBatch, plan_in_order};
use regard_text::corpus::Example;
use serde::{Deserialize, Serialize};

use crate::data::device_batch;
use crate::log::numbers;
use crate::{Objective, TeacherForcing};

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
}

impl Validation {
    /// Every score it has, by its key: `nats`, `perplexity` and what else was measured.
    pub fn scores(&self) -> Vec<(String, f64)> {
        let (_, mut scores) = numbers(self);
        scores.retain(|(key, _)| key != "tokens");
        scores
    }
}

/// Mean loss over `examples`, without dropout and without smoothing.
pub(crate) fn validate(
    model: &Model,
    examples: &[Example],
    special: SpecialIds,
    batch_tokens: usize,
    step: u64,
    device: &Device,
) -> Validation {
    let model = model.valid();
    let objective = TeacherForcing {
        smoothing: 0.0,
        r_drop: 0.0,
    };
    let lengths: Vec<_> = examples.iter().map(Example::lengths).collect();
    let (mut nats, mut tokens) = (0.0, 0);
    for indices in plan_in_order(&lengths, batch_tokens) {
        let batch = HostBatch::gather(examples, &indices, special);
        let loss = objective.loss(&model, &device_batch(&batch, device), &Pass::evaluation());
        nats += f64::from(loss.nats.into_scalar::<f32>());
        tokens += loss.tokens;
    }
    let nats = nats / tokens as f64;
    Validation {
        step,
        nats,
        perplexity: nats.exp().min(f64::MAX),
        tokens,
    }
}
