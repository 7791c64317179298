//! What is minimised.

use burn::module::Module;
use regard_nn::{
    Batch, LossSum, Model, Pass, cross_entropy, each_model, r_drop, scheduled_sampling,
};

/// A model's loss on a batch. The trainer knows nothing else of what it trains.
pub trait Objective {
    /// What is trained.
    type Model: Module;
    /// What it is trained on.
    type Batch;

    /// Sums over a batch; `tokens` may be any number of items that a mean is to be taken over.
    fn loss(&self, model: &Self::Model, batch: &Self::Batch, pass: &Pass) -> LossSum;
}

/// The next token given the true ones before it, or, by scheduled sampling, some of the model's own; with label smoothing.
#[derive(Clone, Copy, Debug)]
pub struct TeacherForcing {
    /// Share of the target's probability spread over all classes, in `[0, 1)`.
    pub smoothing: f64,
    /// Weight of the divergence between two passes with different dropout (R-Drop), from 0; 0 makes one pass.
    pub r_drop: f64,
}

impl Objective for TeacherForcing {
    type Model = Model;
    type Batch = Batch;

    fn loss(&self, model: &Model, batch: &Batch, pass: &Pass) -> LossSum {
        each_model!(model, model => {
            let sampled = (pass.gold() < 1.0).then(|| Batch {
                target_in: scheduled_sampling(model, batch, pass),
                ..batch.clone()
            });
            let batch = sampled.as_ref().unwrap_or(batch);
            if self.r_drop > 0.0 {
                r_drop(model, batch, (self.smoothing, self.r_drop), pass)
            } else {
                cross_entropy(model, batch, self.smoothing, pass)
            }
        })
    }
}
