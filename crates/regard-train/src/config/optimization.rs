//! The keys of `[train]` that say how gradients become updates, and how large these are.

use super::TrainConfig;
use crate::optimizer::OptimizerKind::{Adafactor, Adam, Adamw, Lion, Sgd};
use crate::optimizer::{OptimizerConfig, ParameterGroup, UpdateRule};
use crate::{DecayShape, Plateau, RateConstants, Schedule};

impl TrainConfig {
    /// The learning rate of step `step`, counted from 1, after what `plateau` has seen.
    pub fn rate(&self, step: u64, plateau: &Plateau) -> f64 {
        self.schedule
            .rate(step, &self.rate_constants(), plateau.reductions)
    }

    /// What `plateau` knows after a validation of `nats` per token: nothing new, unless the schedule reads it.
    #[must_use]
    pub fn observe(&self, plateau: Plateau, nats: f64) -> Plateau {
        if self.schedule == Schedule::Plateau {
            plateau.observe(nats, self.plateau_patience.unwrap_or(3))
        } else {
            plateau
        }
    }

    /// The optimiser.
    pub fn optimizer(&self) -> OptimizerConfig {
        let kind = self.optimizer;
        let beta1 = self.beta1.unwrap_or(0.9);
        let beta2 = self.beta2.unwrap_or(if kind == Lion { 0.99 } else { 0.98 });
        let rule = match kind {
            Adam | Adamw => UpdateRule::Adam {
                beta1,
                beta2,
                epsilon: self.epsilon.unwrap_or(1e-9),
            },
            Lion => UpdateRule::Lion { beta1, beta2 },
            Adafactor => UpdateRule::Adafactor {
                relative: self.relative_rate.unwrap_or(true),
                update_clip: self.update_clip.unwrap_or(1.0),
            },
            Sgd => UpdateRule::Sgd {
                momentum: self.momentum.unwrap_or(0.9),
                nesterov: self.nesterov.unwrap_or(false),
            },
        };
        let default_decay = match kind {
            Adamw => 0.01,
            Lion => 0.1,
            Adam | Adafactor | Sgd => 0.0,
        };
        OptimizerConfig {
            rule,
            weight_decay: self.weight_decay.unwrap_or(default_decay),
            decay_exclude: self
                .decay_exclude
                .clone()
                .unwrap_or_else(|| vec![ParameterGroup::Norm, ParameterGroup::Bias]),
        }
    }

    fn peak(&self) -> f64 {
        let default = match self.optimizer {
            Adam | Adamw => 1e-3,
            Lion => 1e-4,
            Adafactor if self.relative_rate == Some(false) => 1e-3,
            Adafactor => 1e-2,
            Sgd => 0.1,
        };
        self.learning_rate.unwrap_or(default)
    }

    fn rate_constants(&self) -> RateConstants {
        RateConstants {
            peak: self.peak(),
            warmup: self.warmup,
            horizon: self.horizon,
            least: self.min_rate.unwrap_or(0.0),
            // In an order that no horizon overflows.
            decay_start: self
                .decay_start
                .unwrap_or(self.horizon - self.horizon.div_ceil(10)),
            decay_shape: self.decay_shape.unwrap_or(DecayShape::OneMinusSqrt),
            plateau_factor: self.plateau_factor.unwrap_or(0.5),
        }
    }

    /// The same with every key said that optimiser and schedule read.
    pub(super) fn with_optimization(mut self) -> Self {
        let (optimizer, rates) = (self.optimizer(), self.rate_constants());
        self.learning_rate = Some(rates.peak);
        match optimizer.rule {
            UpdateRule::Adam {
                beta1,
                beta2,
                epsilon,
            } => {
                (self.beta1, self.beta2) = (Some(beta1), Some(beta2));
                self.epsilon = Some(epsilon);
            }
            UpdateRule::Lion { beta1, beta2 } => {
                (self.beta1, self.beta2) = (Some(beta1), Some(beta2));
            }
            UpdateRule::Adafactor {
                relative,
                update_clip,
            } => {
                self.relative_rate = Some(relative);
                self.update_clip = Some(update_clip);
            }
            UpdateRule::Sgd { momentum, nesterov } => {
                (self.momentum, self.nesterov) = (Some(momentum), Some(nesterov));
            }
        }
        if self.optimizer != Adam {
            self.weight_decay = Some(optimizer.weight_decay);
            self.decay_exclude = Some(optimizer.decay_exclude);
        }
        match self.schedule {
            Schedule::Wsd => {
                self.decay_start = Some(rates.decay_start);
                self.decay_shape = Some(rates.decay_shape);
            }
            Schedule::Plateau => {
                self.plateau_factor = Some(rates.plateau_factor);
                self.plateau_patience = Some(self.plateau_patience.unwrap_or(3));
            }
            Schedule::InverseSqrt | Schedule::Cosine | Schedule::Linear | Schedule::Constant => {}
        }
        if self.schedule != Schedule::Constant {
            self.min_rate = Some(rates.least);
        }
        self
    }

    pub(super) fn optimization_problems(&self) -> Vec<String> {
        let mut problems = self.unread_keys();
        let mut demand = |key: &str, value: Option<f64>, range: &str, is_sound: fn(f64) -> bool| {
            if let Some(value) = value.filter(|&value| !is_sound(value)) {
                problems.push(format!("{key}: expected {range}, got {value}"));
            }
        };
        for (key, value) in [
            ("learning_rate", self.learning_rate),
            ("epsilon", self.epsilon),
            ("update_clip", self.update_clip),
        ] {
            demand(key, value, "a number above 0", |value| {
                value > 0.0 && value.is_finite()
            });
        }
        for (key, value) in [
            ("beta1", self.beta1),
            ("beta2", self.beta2),
            ("momentum", self.momentum),
        ] {
            demand(key, value, "a number in [0, 1)", |value| {
                (0.0..1.0).contains(&value)
            });
        }
        demand(
            "weight_decay",
            self.weight_decay,
            "a number from 0",
            |value| value >= 0.0 && value.is_finite(),
        );
        demand("min_rate", self.min_rate, "a number from 0", |value| {
            value >= 0.0 && value.is_finite()
        });
        demand(
            "plateau_factor",
            self.plateau_factor,
            "a number in (0, 1)",
            |value| value > 0.0 && value < 1.0,
        );
        problems.extend(self.schedule_problems());
        if self.nesterov == Some(true) && self.momentum == Some(0.0) {
            problems.push("nesterov: expected a momentum above 0, got momentum = 0".into());
        }
        problems
    }

    /// Keys that are said and that optimiser or schedule do not read.
    fn unread_keys(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let optimizer = self.optimizer;
        for (key, is_said, readers) in [
            ("beta1", self.beta1.is_some(), &[Adam, Adamw, Lion][..]),
            ("beta2", self.beta2.is_some(), &[Adam, Adamw, Lion]),
            ("epsilon", self.epsilon.is_some(), &[Adam, Adamw]),
            (
                "weight_decay",
                self.weight_decay.is_some(),
                &[Adamw, Adafactor, Lion, Sgd],
            ),
            (
                "decay_exclude",
                self.decay_exclude.is_some(),
                &[Adamw, Adafactor, Lion, Sgd],
            ),
            ("momentum", self.momentum.is_some(), &[Sgd]),
            ("nesterov", self.nesterov.is_some(), &[Sgd]),
            ("relative_rate", self.relative_rate.is_some(), &[Adafactor]),
            ("update_clip", self.update_clip.is_some(), &[Adafactor]),
        ] {
            if is_said && !readers.contains(&optimizer) {
                let names = readers.iter().map(|reader| reader.name());
                problems.push(read_with(key, "optimizer", names));
            }
        }
        let schedule = self.schedule;
        for (key, is_said, reader, name) in [
            (
                "decay_start",
                self.decay_start.is_some(),
                Schedule::Wsd,
                "wsd",
            ),
            (
                "decay_shape",
                self.decay_shape.is_some(),
                Schedule::Wsd,
                "wsd",
            ),
            (
                "plateau_factor",
                self.plateau_factor.is_some(),
                Schedule::Plateau,
                "plateau",
            ),
            (
                "plateau_patience",
                self.plateau_patience.is_some(),
                Schedule::Plateau,
                "plateau",
            ),
        ] {
            if is_said && schedule != reader {
                problems.push(read_with(key, "schedule", [name]));
            }
        }
        if self.min_rate.is_some() && schedule == Schedule::Constant {
            problems.push("min_rate: is not read with `schedule = \"constant\"`".into());
        }
        problems
    }

    fn schedule_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let (rates, warmup, horizon) = (self.rate_constants(), self.warmup, self.horizon);
        if rates.least > rates.peak {
            problems.push(format!(
                "min_rate: expected at most learning_rate = {}, got {}",
                rates.peak, rates.least
            ));
        }
        if self.plateau_patience == Some(0) {
            problems.push("plateau_patience: expected at least 1, got 0".into());
        }
        let ends = matches!(
            self.schedule,
            Schedule::Cosine | Schedule::Linear | Schedule::Wsd
        );
        if ends && horizon <= warmup {
            problems.push(format!(
                "horizon: expected more than warmup = {warmup}, got {horizon}"
            ));
        } else if self.schedule == Schedule::Wsd && !(warmup..horizon).contains(&rates.decay_start)
        {
            problems.push(format!(
                "decay_start: expected from warmup = {warmup} to below horizon = {horizon}, got {}",
                rates.decay_start
            ));
        }
        problems
    }
}

fn read_with<'a>(key: &str, of: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<String> = names
        .into_iter()
        .map(|name| format!("\"{name}\""))
        .collect();
    format!("{key}: is read with `{of} = {}` only", names.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(text: &str) -> Vec<String> {
        toml::from_str::<TrainConfig>(text).unwrap().problems()
    }

    fn resolved(text: &str) -> toml::Table {
        let config: TrainConfig = toml::from_str(text).unwrap();
        assert_eq!(config.problems(), Vec::<String>::new(), "{text}");
        toml::Table::try_from(config.resolved()).unwrap()
    }

    #[test]
    fn a_run_keeps_the_keys_that_its_optimizer_reads() {
        let all = [
            "beta1",
            "beta2",
            "epsilon",
            "weight_decay",
            "decay_exclude",
            "momentum",
            "nesterov",
            "relative_rate",
            "update_clip",
        ];
        for (optimizer, rate, expected) in [
            ("adam", 1e-3, &["beta1", "beta2", "epsilon"][..]),
            (
                "adamw",
                1e-3,
                &["beta1", "beta2", "epsilon", "weight_decay", "decay_exclude"],
            ),
            (
                "adafactor",
                1e-2,
                &[
                    "weight_decay",
                    "decay_exclude",
                    "relative_rate",
                    "update_clip",
                ],
            ),
            (
                "lion",
                1e-4,
                &["beta1", "beta2", "weight_decay", "decay_exclude"],
            ),
            (
                "sgd",
                0.1,
                &["weight_decay", "decay_exclude", "momentum", "nesterov"],
            ),
        ] {
            let table = resolved(&format!("optimizer = \"{optimizer}\""));
            let kept: Vec<&str> = all
                .into_iter()
                .filter(|key| table.contains_key(*key))
                .collect();
            assert_eq!(kept, expected, "{optimizer}");
            assert_eq!(table["learning_rate"].as_float(), Some(rate), "{optimizer}");
        }
        let lion = resolved("optimizer = \"lion\"");
        assert_eq!(lion["beta2"].as_float(), Some(0.99));
        assert_eq!(lion["weight_decay"].as_float(), Some(0.1));
        let explicit = resolved("optimizer = \"adafactor\"\nrelative_rate = false");
        assert_eq!(explicit["learning_rate"].as_float(), Some(1e-3));
        let adamw = resolved("optimizer = \"adamw\"\ndecay_exclude = [\"embedding\"]");
        assert_eq!(adamw["decay_exclude"].to_string(), "[\"embedding\"]");
    }

    #[test]
    fn a_run_keeps_the_keys_that_its_schedule_reads() {
        let wsd = resolved("schedule = \"wsd\"\nhorizon = 2000");
        assert_eq!(wsd["decay_start"].as_integer(), Some(1800));
        assert_eq!(wsd["decay_shape"].as_str(), Some("one_minus_sqrt"));
        assert_eq!(wsd["min_rate"].as_float(), Some(0.0));
        let plateau = resolved("schedule = \"plateau\"");
        assert_eq!(plateau["plateau_factor"].as_float(), Some(0.5));
        assert_eq!(plateau["plateau_patience"].as_integer(), Some(3));
        assert!(!resolved("schedule = \"constant\"").contains_key("min_rate"));
        assert!(!resolved("schedule = \"linear\"").contains_key("decay_start"));
    }

    #[test]
    fn keys_fit_their_optimizer() {
        assert_eq!(
            problems("weight_decay = 0.1\ndecay_exclude = [\"norm\"]\nmomentum = 0.9"),
            [
                "weight_decay: is read with `optimizer = \"adamw\" | \"adafactor\" | \"lion\" | \"sgd\"` only",
                "decay_exclude: is read with `optimizer = \"adamw\" | \"adafactor\" | \"lion\" | \"sgd\"` only",
                "momentum: is read with `optimizer = \"sgd\"` only",
            ]
        );
        assert_eq!(
            problems("optimizer = \"sgd\"\nbeta1 = 0.9\nepsilon = 1e-8\nrelative_rate = true"),
            [
                "beta1: is read with `optimizer = \"adam\" | \"adamw\" | \"lion\"` only",
                "epsilon: is read with `optimizer = \"adam\" | \"adamw\"` only",
                "relative_rate: is read with `optimizer = \"adafactor\"` only",
            ]
        );
    }

    #[test]
    fn keys_fit_their_schedule() {
        assert_eq!(
            problems("decay_start = 5\nplateau_patience = 2"),
            [
                "decay_start: is read with `schedule = \"wsd\"` only",
                "plateau_patience: is read with `schedule = \"plateau\"` only",
            ]
        );
        assert_eq!(
            problems("schedule = \"constant\"\nmin_rate = 1e-5"),
            ["min_rate: is not read with `schedule = \"constant\"`"]
        );
        for schedule in ["cosine", "linear", "wsd"] {
            assert_eq!(
                problems(&format!("schedule = \"{schedule}\"\nhorizon = 1000")),
                ["horizon: expected more than warmup = 1000, got 1000"]
            );
        }
        assert_eq!(
            problems("schedule = \"wsd\"\nhorizon = 1050"),
            ["decay_start: expected from warmup = 1000 to below horizon = 1050, got 945"]
        );
    }

    #[test]
    fn numbers_lie_in_their_ranges() {
        assert_eq!(
            problems("learning_rate = 0\nbeta1 = 1\nbeta2 = -0.1\nepsilon = inf\nmin_rate = -1"),
            [
                "learning_rate: expected a number above 0, got 0",
                "epsilon: expected a number above 0, got inf",
                "beta1: expected a number in [0, 1), got 1",
                "beta2: expected a number in [0, 1), got -0.1",
                "min_rate: expected a number from 0, got -1",
            ]
        );
        assert_eq!(
            problems("optimizer = \"sgd\"\nmomentum = 0\nnesterov = true\nweight_decay = nan"),
            [
                "weight_decay: expected a number from 0, got NaN",
                "nesterov: expected a momentum above 0, got momentum = 0",
            ]
        );
        assert_eq!(
            problems("optimizer = \"adafactor\"\nupdate_clip = 0\nmin_rate = 0.02"),
            [
                "update_clip: expected a number above 0, got 0",
                "min_rate: expected at most learning_rate = 0.01, got 0.02",
            ]
        );
        assert_eq!(
            problems("schedule = \"plateau\"\nplateau_factor = 1\nplateau_patience = 0"),
            [
                "plateau_factor: expected a number in (0, 1), got 1",
                "plateau_patience: expected at least 1, got 0",
            ]
        );
    }

    #[test]
    fn what_always_decays_cannot_be_excluded() {
        let refused = |text: &str| toml::from_str::<TrainConfig>(text).unwrap_err().to_string();
        let error = refused("optimizer = \"adamw\"\ndecay_exclude = [\"weight\"]");
        let expected = "unknown variant `weight`, expected one of `norm`, `bias`, `embedding`";
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn only_its_schedule_takes_notice_of_validations() {
        let observed = |text: &str| {
            let config: TrainConfig = toml::from_str(text).unwrap();
            let observe = |plateau, nats: &f64| config.observe(plateau, *nats);
            let plateau = [2.0, 3.0, 4.0].iter().fold(Plateau::default(), observe);
            config.rate(2000, &plateau)
        };
        let plateau = "schedule = \"plateau\"\nlearning_rate = 1.0\nplateau_patience = 2";
        assert!((observed(plateau) - 0.5).abs() < 1e-12);
        assert!((observed("schedule = \"constant\"\nlearning_rate = 1.0") - 1.0).abs() < 1e-12);
    }
}
