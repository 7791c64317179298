//! The `[train]` section.

use regard_nn::Precision;
use serde::{Deserialize, Serialize};

use crate::{
    Best, DecayShape, OptimizerKind, ParameterGroup, SamplingConstants, SamplingDecay, Schedule,
};

/// The `[train]` section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Number of updates after which training ends, at least 1. Default 10,000.
    pub steps: u64,
    /// Every random draw of the run comes from it. At most 2^63 - 1, since TOML has no larger integer. Default 1.
    pub seed: u64,
    /// How gradients become updates. Default `adam`, as in the transformer paper.
    pub optimizer: OptimizerKind,
    /// Peak of the learning rate, above 0. Default 0.001 for `adam` and `adamw`, which works for widths up to 512 with
    /// pre-norm; 0.0001 for `lion`, whose elements all move by the rate; 0.01 for `adafactor`, as in PyTorch, and 0.001 with
    /// `relative_rate = false`; 0.1 for `sgd`.
    pub learning_rate: Option<f64>,
    /// What the rate does after the warm-up. Default `inverse_sqrt`, as in the transformer paper.
    pub schedule: Schedule,
    /// Steps over which the rate grows from 0 to its peak. Default 1,000.
    pub warmup: u64,
    /// Step at which `cosine`, `linear` and `wsd` end; the other schedules do not read it. Default 10,000.
    pub horizon: u64,
    /// The least rate after the warm-up, from 0 to `learning_rate`: where `cosine`, `linear` and `wsd` end, and below which
    /// `inverse_sqrt` and `plateau` do not fall; not with `constant`. Default 0.
    pub min_rate: Option<f64>,
    /// Step from which the rate falls, from `warmup` to below `horizon`; with `wsd`. Default nine tenths of `horizon`.
    pub decay_start: Option<u64>,
    /// How the rate falls; with `wsd`. Default `one_minus_sqrt`.
    pub decay_shape: Option<DecayShape>,
    /// What the rate is multiplied by when validations stop improving, in `(0, 1)`; with `plateau`. Default 0.5.
    pub plateau_factor: Option<f64>,
    /// Validations in a row without improvement before that, at least 1; with `plateau`. Default 3.
    pub plateau_patience: Option<u64>,
    /// Decay of the first moment, in `[0, 1)`, or with `lion` its share in the direction; not with `adafactor` and `sgd`.
    /// Default 0.9.
    pub beta1: Option<f64>,
    /// Decay of the second moment, in `[0, 1)`, or with `lion` of the momentum; not with `adafactor` and `sgd`. Default
    /// 0.98, as in the transformer paper; 0.99 for `lion`, as in its paper.
    pub beta2: Option<f64>,
    /// Added to the root of the second moment, above 0; with `adam` and `adamw`. Default 1e-9, as in the transformer paper.
    pub epsilon: Option<f64>,
    /// Decay of the weights per update, as a share of the rate, from 0; not with `adam`. Default 0.01 for `adamw`, as in
    /// PyTorch, 0.1 for `lion`, whose rate is a tenth, and 0 for the others.
    pub weight_decay: Option<f64>,
    /// Parameters that do not decay; not with `adam`. Default norms and biases.
    pub decay_exclude: Option<Vec<ParameterGroup>>,
    /// Decay of the velocity, in `[0, 1)`; with `sgd`. Default 0.9.
    pub momentum: Option<f64>,
    /// Whether the gradient is followed from where the velocity leads; with `sgd`, and a momentum above 0. Default false.
    pub nesterov: Option<bool>,
    /// Whether the rate is a share of each parameter's root mean square; with `adafactor`. Default true, as in the paper.
    pub relative_rate: Option<bool>,
    /// Largest root mean square of an update before the rate, above 0; with `adafactor`. Default 1, as in the paper.
    pub update_clip: Option<f64>,
    /// Gradients whose global norm is larger are scaled down to it; above 0. Default 1.
    pub clip_norm: f64,
    /// Share of the target's probability that is spread over all classes, in `[0, 1)`. Default 0.1.
    pub label_smoothing: f64,
    /// Weight of the divergence between two passes with different dropout (R-Drop), from 0; 0 makes one pass, above it a step
    /// costs twice as much. Default 0.
    pub r_drop: f64,
    /// How the share of true tokens among what the decoder reads falls: scheduled sampling. Default `none`: teacher forcing.
    pub scheduled_sampling: SamplingDecay,
    /// k of the decay; with a decay. Default 1 for `linear`, 0.9999 for `exponential`, 1,000 for `inverse_sigmoid`.
    pub sampling_k: Option<f64>,
    /// By how much the share falls at each step, from 0; with `linear`. Default 0.0001.
    pub sampling_slope: Option<f64>,
    /// Where the share stops falling, in `[0, 1]`; with `linear`. Default 0.
    pub sampling_floor: Option<f64>,
    /// Batches whose gradients are summed for one update, at least 1. Default 1.
    pub accumulate: usize,
    /// Which activations are computed again in the backward pass instead of kept. Default `none`.
    pub recompute: Recompute,
    /// Float type of activations; parameters, norms, softmax, loss and what the optimiser keeps are f32. `bf16` is for transformers on
    /// devices that have it. Default `f32`.
    pub precision: Precision,
    /// Steps between two lines of the log, at least 1. Default 50.
    pub log_every: u64,
    /// Steps between two validations, at least 1. Default 500.
    pub validate_every: u64,
    /// Steps between two checkpoints, at least 1. Default 500.
    pub checkpoint_every: u64,
    /// What makes a validation the best, and its checkpoint the one to translate with. Default `loss`.
    pub best: Best,
    /// Validations without a better one after which training ends; 0 never ends it. Default 0.
    pub patience: u64,
    /// Checkpoints that are kept, at least 1; the best is kept besides. Default 3.
    pub keep: usize,
    /// Sentences of the validation set that are translated at each validation, into `samples/` and `attention/`; none with 0.
    /// Default 3.
    pub samples: usize,
    /// Whether event files for `TensorBoard` are written, into `tensorboard/`. Default false.
    pub tensorboard: bool,
    /// Last checkpoints whose weights are averaged when training ends, at most `keep`; 0 averages none. Default 0.
    pub average: usize,
    /// Decay of a moving average of the parameters, in `[0, 1)`, which is then what is validated and translated with; 0
    /// keeps none. Default 0.
    pub ema: f64,
}

/// Which activations are computed again in the backward pass instead of kept: less memory for more time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recompute {
    /// All are kept.
    None,
    /// Of each layer of encoder and decoder only what it reads is kept.
    Layers,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            steps: 10_000,
            seed: 1,
            optimizer: OptimizerKind::Adam,
            learning_rate: None,
            schedule: Schedule::InverseSqrt,
            warmup: 1_000,
            horizon: 10_000,
            min_rate: None,
            decay_start: None,
            decay_shape: None,
            plateau_factor: None,
            plateau_patience: None,
            beta1: None,
            beta2: None,
            epsilon: None,
            weight_decay: None,
            decay_exclude: None,
            momentum: None,
            nesterov: None,
            relative_rate: None,
            update_clip: None,
            clip_norm: 1.0,
            label_smoothing: 0.1,
            r_drop: 0.0,
            scheduled_sampling: SamplingDecay::None,
            sampling_k: None,
            sampling_slope: None,
            sampling_floor: None,
            accumulate: 1,
            recompute: Recompute::None,
            precision: Precision::F32,
            log_every: 50,
            validate_every: 500,
            checkpoint_every: 500,
            best: Best::Loss,
            patience: 0,
            keep: 3,
            samples: 3,
            tensorboard: false,
            average: 0,
            ema: 0.0,
        }
    }
}

impl TrainConfig {
    /// The same with every key said that its choices read.
    #[must_use]
    pub fn resolved(self) -> Self {
        let constants = self.sampling();
        let decay = self.scheduled_sampling;
        let is_linear = decay == SamplingDecay::Linear;
        Self {
            sampling_k: (decay != SamplingDecay::None).then_some(constants.k),
            sampling_slope: is_linear.then_some(constants.slope),
            sampling_floor: is_linear.then_some(constants.floor),
            ..self
        }
        .with_optimization()
    }

    fn sampling(&self) -> SamplingConstants {
        SamplingConstants {
            k: self
                .sampling_k
                .unwrap_or(self.scheduled_sampling.default_k()),
            slope: self.sampling_slope.unwrap_or(1e-4),
            floor: self.sampling_floor.unwrap_or(0.0),
        }
    }

    /// The share of true tokens that the decoder reads at step `step`, counted from 1.
    pub fn gold(&self, step: u64) -> f64 {
        self.scheduled_sampling.gold(step, self.sampling())
    }

    /// Everything that is wrong, one sentence each, beginning with the key.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (key, value) in [
            ("steps", self.steps),
            ("accumulate", self.accumulate as u64),
            ("log_every", self.log_every),
            ("validate_every", self.validate_every),
            ("checkpoint_every", self.checkpoint_every),
            ("keep", self.keep as u64),
        ] {
            if value == 0 {
                problems.push(format!("{key}: expected at least 1, got 0"));
            }
        }
        let clip_norm = self.clip_norm;
        if !(clip_norm > 0.0 && clip_norm.is_finite()) {
            problems.push(format!(
                "clip_norm: expected a number above 0, got {clip_norm}"
            ));
        }
        for (key, value) in [("label_smoothing", self.label_smoothing), ("ema", self.ema)] {
            if !(0.0..1.0).contains(&value) {
                problems.push(format!("{key}: expected a number in [0, 1), got {value}"));
            }
        }
        if !(self.r_drop >= 0.0 && self.r_drop.is_finite()) {
            problems.push(format!(
                "r_drop: expected a number from 0, got {}",
                self.r_drop
            ));
        }
        if self.average > self.keep {
            problems.push(format!(
                "average: expected at most keep = {}, got {}",
                self.keep, self.average
            ));
        }
        problems.extend(self.optimization_problems());
        problems.extend(self.sampling_problems());
        if i64::try_from(self.seed).is_err() {
            problems.push(format!(
                "seed: expected at most {}, got {}",
                i64::MAX,
                self.seed
            ));
        }
        problems
    }
}

impl TrainConfig {
    fn sampling_problems(&self) -> Vec<String> {
        use SamplingDecay::{Exponential, InverseSigmoid, Linear};
        let decay = self.scheduled_sampling;
        let mut problems = Vec::new();
        let keys = [
            (
                "sampling_k",
                self.sampling_k,
                &[Linear, Exponential, InverseSigmoid][..],
            ),
            ("sampling_slope", self.sampling_slope, &[Linear]),
            ("sampling_floor", self.sampling_floor, &[Linear]),
        ];
        for (key, value, readers) in keys {
            if value.is_some() && !readers.contains(&decay) {
                let reader = match readers {
                    [_] => "`scheduled_sampling = \"linear\"`",
                    _ => "scheduled sampling",
                };
                problems.push(format!("{key}: is read with {reader} only"));
            }
        }
        let (range, is_sound): (_, fn(f64) -> bool) = match decay {
            SamplingDecay::None | Linear => ("a number above 0", |k| k > 0.0 && k.is_finite()),
            Exponential => ("a number in (0, 1)", |k| k > 0.0 && k < 1.0),
            InverseSigmoid => ("a number from 1", |k| k >= 1.0 && k.is_finite()),
        };
        if let Some(k) = self.sampling_k.filter(|&k| !is_sound(k)) {
            problems.push(format!("sampling_k: expected {range}, got {k}"));
        }
        if let Some(slope) = self
            .sampling_slope
            .filter(|slope| slope.is_nan() || *slope < 0.0)
        {
            problems.push(format!(
                "sampling_slope: expected a number from 0, got {slope}"
            ));
        }
        if let Some(floor) = self
            .sampling_floor
            .filter(|floor| !(0.0..=1.0).contains(floor))
        {
            problems.push(format!(
                "sampling_floor: expected a number in [0, 1], got {floor}"
            ));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_scheduled_sampling_fit_their_decay() {
        let train = |change: &dyn Fn(&mut TrainConfig)| {
            let mut train = TrainConfig::default();
            change(&mut train);
            train.problems()
        };
        let none = train(&|train| train.sampling_k = Some(0.5));
        assert_eq!(none, ["sampling_k: is read with scheduled sampling only"]);
        let exponential = train(&|train| {
            train.scheduled_sampling = SamplingDecay::Exponential;
            train.sampling_k = Some(1.0);
            train.sampling_floor = Some(0.1);
        });
        assert_eq!(
            exponential,
            [
                "sampling_floor: is read with `scheduled_sampling = \"linear\"` only",
                "sampling_k: expected a number in (0, 1), got 1",
            ]
        );
        let linear = train(&|train| {
            train.scheduled_sampling = SamplingDecay::Linear;
            train.sampling_slope = Some(f64::NAN);
            train.sampling_floor = Some(1.5);
        });
        assert_eq!(
            linear,
            [
                "sampling_slope: expected a number from 0, got NaN",
                "sampling_floor: expected a number in [0, 1], got 1.5",
            ]
        );
    }
}
