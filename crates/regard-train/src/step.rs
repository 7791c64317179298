//! One update.

use burn::tensor::Device;
use regard_kernels::{Key, profiled};
use regard_nn::Pass;

use crate::replicas::compute;
use crate::{Objective, Optimizer, Part, Plateau, Recompute, TrainConfig, TrainError};

/// A model in training: parameters, what optimiser and schedule remember, and the number of updates made.
#[derive(Debug)]
pub struct Trainer<O: Objective> {
    objective: O,
    config: TrainConfig,
    model: O::Model,
    optimizer: Optimizer,
    plateau: Plateau,
    step: u64,
    /// Of the replicas beside the model itself.
    copies: Vec<Device>,
}

/// What one update did.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepOutcome {
    /// Number of the update, from 1.
    pub step: u64,
    /// Loss without smoothing, summed over the tokens, in nats.
    pub nats: f64,
    /// Real target tokens.
    pub tokens: usize,
    /// Learning rate.
    pub learning_rate: f64,
    /// Norm of the gradient of the mean loss, before clipping.
    pub gradient_norm: f64,
}

impl<O: Objective> Trainer<O> {
    /// `model` with `step` updates made, on its own device.
    pub fn new(
        objective: O,
        config: TrainConfig,
        model: O::Model,
        optimizer: Optimizer,
        step: u64,
    ) -> Self {
        Self {
            objective,
            config,
            model,
            optimizer,
            plateau: Plateau::default(),
            step,
            copies: Vec::new(),
        }
    }

    /// The same with a copy of the model on each of `devices` for every update, a device of the model's or another one: replicas 1
    /// and on. Replica 0 is the model itself.
    #[must_use]
    pub fn with_copies(self, devices: &[Device]) -> Self {
        let copies = devices.to_vec();
        Self { copies, ..self }
    }

    /// The same after the validations that `plateau` knows of.
    #[must_use]
    pub fn with_plateau(self, plateau: Plateau) -> Self {
        Self { plateau, ..self }
    }

    /// The model as it is now.
    pub fn model(&self) -> &O::Model {
        &self.model
    }

    /// The same with the model that `change` makes of it.
    #[must_use]
    pub fn map_model(self, change: impl FnOnce(O::Model) -> O::Model) -> Self {
        Self {
            model: change(self.model),
            ..self
        }
    }

    /// The optimiser's state.
    pub fn optimizer(&self) -> &Optimizer {
        &self.optimizer
    }

    /// What the schedule knows of validations.
    pub fn plateau(&self) -> Plateau {
        self.plateau
    }

    /// Tells the schedule of a validation, of `nats` per token.
    pub fn observe(&mut self, nats: f64) {
        self.plateau = self.config.observe(self.plateau, nats);
    }

    /// What is minimised.
    pub fn objective(&self) -> &O {
        &self.objective
    }

    /// Number of updates made.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Passes through `parts` and back without an update: what an update needs of memory is asked for, and given back.
    pub fn probe(&self, parts: &[Part<O::Batch>]) {
        let key = Key::new(self.config.seed).at("probe");
        let pass = |first_row| self.pass(key, first_row);
        compute(&self.objective, &self.model, &self.copies, parts, pass);
    }

    /// The pass of the rows from `first_row` on in the next update.
    fn pass(&self, key: Key, first_row: u64) -> Pass {
        Pass::training(key, first_row)
            .with_gold(self.config.gold(self.step + 1))
            .with_recompute(self.config.recompute == Recompute::Layers)
            .with_precision(self.config.precision)
    }

    /// Makes one update from the sum over `parts`.
    ///
    /// Loss and gradient are divided once, by the tokens of all parts, so cutting the same rows into other parts, or giving
    /// them to other replicas, changes the result only by rounding.
    ///
    /// # Errors
    ///
    /// [`TrainError::NotFinite`] if the loss or the gradient is not; nothing is updated then.
    ///
    /// # Panics
    ///
    /// If a part is for a replica that is not there.
    pub fn update(self, parts: &[Part<O::Batch>]) -> Result<(Self, StepOutcome), TrainError> {
        let step = self.step + 1;
        let key = Key::new(self.config.seed).at("pass").nth(step);
        let pass = |first_row| self.pass(key, first_row);
        let computed = compute(&self.objective, &self.model, &self.copies, parts, pass);
        let (gradients, nats, tokens) = (computed.gradients, computed.nats, computed.tokens);
        let tokens_or_one = tokens.max(1) as f64;
        let gradient_norm = profiled("gradient norm", || gradients.norm()) / tokens_or_one;
        if !(nats.is_finite() && gradient_norm.is_finite()) {
            return Err(TrainError::NotFinite {
                step,
                batch: computed.broken.unwrap_or(parts.len()),
                nats: nats / tokens_or_one,
                gradient_norm,
            });
        }
        let clip = (self.config.clip_norm / gradient_norm.max(f64::MIN_POSITIVE)).min(1.0);
        let learning_rate = self.config.rate(step, &self.plateau);
        let mut optimizer = self.optimizer;
        let scale = clip / tokens_or_one;
        let model = profiled(self.config.optimizer.title(), || {
            optimizer.update(self.model, gradients, step, learning_rate, scale)
        });
        let outcome = StepOutcome {
            step,
            nats,
            tokens,
            learning_rate,
            gradient_norm,
        };
        let trainer = Self {
            model,
            optimizer,
            step,
            ..self
        };
        Ok((trainer, outcome))
    }
}
