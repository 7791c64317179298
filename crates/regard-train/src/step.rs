//! One update.

use burn::tensor::{Device, Tensor};
use regard_kernels::{Key, is_gpu, profiled};
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

/// What an update did, as far as devices have computed it.
#[derive(Clone, Debug)]
pub struct PendingOutcome {
    step: u64,
    /// Of each part, `[1]`.
    nats: Vec<Tensor<1>>,
    tokens: usize,
    learning_rate: f64,
    /// `[1]`
    gradient_norm: Tensor<1>,
}

impl PendingOutcome {
    /// Waits for the devices.
    ///
    /// # Errors
    ///
    /// [`TrainError::NotFinite`] if the loss or the gradient is not.
    pub fn read(self) -> Result<StepOutcome, TrainError> {
        let gradient_norm: f64 = self.gradient_norm.into_scalar();
        let read = |nats: Tensor<1>| f64::from(nats.into_scalar::<f32>());
        let of_parts: Vec<f64> = self.nats.into_iter().map(read).collect();
        let nats: f64 = of_parts.iter().sum();
        if !(nats.is_finite() && gradient_norm.is_finite()) {
            let broken = of_parts.iter().position(|nats| !nats.is_finite());
            return Err(TrainError::NotFinite {
                step: self.step,
                batch: broken.map_or(of_parts.len(), |part| part + 1),
                nats: nats / self.tokens.max(1) as f64,
                gradient_norm,
            });
        }
        Ok(StepOutcome {
            step: self.step,
            nats,
            tokens: self.tokens,
            learning_rate: self.learning_rate,
            gradient_norm,
        })
    }
}

/// A gradient that is shorter is none, as far as clipping is concerned.
const SMALLEST_NORM: f64 = 1e-30;

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

    /// Passes through `parts` and back without an update: what an update needs of memory is asked for, and given back. Waits
    /// for the devices.
    pub fn probe(&self, parts: &[Part<O::Batch>]) {
        let key = Key::new(self.config.seed).at("probe");
        let pass = |first_row| self.pass(key, first_row);
        let computed = compute(&self.objective, &self.model, &self.copies, parts, pass);
        for nats in computed.nats {
            nats.into_data();
        }
    }

    /// The pass of the rows from `first_row` on in the next update.
    fn pass(&self, key: Key, first_row: u64) -> Pass {
        Pass::training(key, first_row)
            .with_gold(self.config.gold(self.step + 1))
            .with_recompute(self.config.recompute == Recompute::Layers)
            .with_precision(self.config.precision)
    }

    /// Makes one update from the sum over `parts`, and waits for its results.
    ///
    /// Loss and gradient are divided once, by the tokens of all parts, so cutting the same rows into other parts, or giving
    /// them to other replicas, changes the result only by rounding.
    ///
    /// # Errors
    ///
    /// [`TrainError::NotFinite`] if the loss or the gradient is not.
    ///
    /// # Panics
    ///
    /// If a part is for a replica that is not there.
    pub fn update(self, parts: &[Part<O::Batch>]) -> Result<(Self, StepOutcome), TrainError> {
        let (trainer, outcome) = self.begin_update(parts)?;
        Ok((trainer, outcome.read()?))
    }

    /// [`update`](Self::update) that does not wait for a GPU: what is read back of one update holds up the next.
    ///
    /// # Errors
    ///
    /// On the host, which has computed everything when an operation returns, [`TrainError::NotFinite`]; nothing is updated then. A
    /// GPU's results tell when they are read; what was updated since is worth nothing.
    ///
    /// # Panics
    ///
    /// As [`update`](Self::update).
    pub fn begin_update(
        self,
        parts: &[Part<O::Batch>],
    ) -> Result<(Self, PendingOutcome), TrainError> {
        let step = self.step + 1;
        let key = Key::new(self.config.seed).at("pass").nth(step);
        let pass = |first_row| self.pass(key, first_row);
        let mut computed = compute(&self.objective, &self.model, &self.copies, parts, pass);
        let tokens_or_one = computed.tokens.max(1) as f64;
        let learning_rate = self.config.rate(step, &self.plateau);
        let gradient_norm = profiled("gradient norm", || computed.gradients.norm()) / tokens_or_one;
        let outcome = PendingOutcome {
            step,
            nats: computed.nats,
            tokens: computed.tokens,
            learning_rate,
            gradient_norm: gradient_norm.clone(),
        };
        if !is_gpu(&gradient_norm.device()) {
            outcome.clone().read()?;
        }
        let clip =
            (gradient_norm.clamp_min(SMALLEST_NORM).recip() * self.config.clip_norm).clamp_max(1.0);
        let mut optimizer = self.optimizer;
        let model = profiled(self.config.optimizer.title(), || {
            let scale = clip / tokens_or_one;
            optimizer.update(self.model, computed.gradients, step, learning_rate, scale)
        });
        let trainer = Self {
            model,
            optimizer,
            step,
            ..self
        };
        Ok((trainer, outcome))
    }
}
