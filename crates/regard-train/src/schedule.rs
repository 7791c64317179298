//! Learning rates as pure functions of the step, and of what validations have said.

use serde::{Deserialize, Serialize};

/// What the learning rate does after the warm-up, in which it grows linearly from 0 to its peak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// `peak * sqrt(warmup / step)`, as in Vaswani et al. 2017, section 5.3.
    InverseSqrt,
    /// Half a cosine from the peak down to the least rate at step `horizon`.
    Cosine,
    /// A straight line from the peak down to the least rate at step `horizon`.
    Linear,
    /// The peak up to step `decay_start`, then down to the least rate at step `horizon`: warm-up, stable, decay (Hu et
    /// al. 2024, <https://arxiv.org/abs/2404.06395>).
    Wsd,
    /// The peak, multiplied by `plateau_factor` each time that validations stop improving: see [`Plateau`].
    Plateau,
    /// The peak.
    Constant,
}

/// How the rate of [`Schedule::Wsd`] falls; x grows from 0 at `decay_start` to 1 at `horizon`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecayShape {
    /// `1 - x`
    Linear,
    /// `1 - sqrt(x)`, which Haegele et al. 2024, <https://arxiv.org/abs/2405.18392>, found better.
    OneMinusSqrt,
}

/// The constants of a [`Schedule`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateConstants {
    /// The largest rate.
    pub peak: f64,
    /// Steps over which the rate grows to it.
    pub warmup: u64,
    /// Step at which `cosine`, `linear` and `wsd` reach the least rate.
    pub horizon: u64,
    /// The least rate after the warm-up: where these three end, and below which the others do not fall.
    pub least: f64,
    /// Step from which `wsd` falls.
    pub decay_start: u64,
    /// How `wsd` falls.
    pub decay_shape: DecayShape,
    /// What `plateau` multiplies the rate by.
    pub plateau_factor: f64,
}

impl Schedule {
    /// The rate of step `step`, counted from 1, after `reductions` of `plateau`.
    ///
    /// Nothing here knows when training ends: a run may be prolonged without changing what it did.
    pub fn rate(self, step: u64, constants: &RateConstants, reductions: u32) -> f64 {
        let &RateConstants {
            peak,
            warmup,
            horizon,
            least,
            ..
        } = constants;
        let peak = if self == Self::Plateau {
            let power = i32::try_from(reductions).unwrap_or(i32::MAX);
            (peak * constants.plateau_factor.powi(power)).max(least)
        } else {
            peak
        };
        if step < warmup {
            return peak * step as f64 / warmup as f64;
        }
        // From 0 at step `from` to 1 at the horizon.
        let done = |from: u64| {
            let span = horizon.saturating_sub(from).max(1) as f64;
            (step.saturating_sub(from) as f64 / span).min(1.0)
        };
        let falling = |share: f64| least + (peak - least) * share;
        match self {
            Self::InverseSqrt => (peak * (warmup.max(1) as f64 / step as f64).sqrt()).max(least),
            Self::Cosine => falling(0.5 * (1.0 + (std::f64::consts::PI * done(warmup)).cos())),
            Self::Linear => falling(1.0 - done(warmup)),
            Self::Wsd => {
                let x = done(constants.decay_start);
                falling(match constants.decay_shape {
                    DecayShape::Linear => 1.0 - x,
                    DecayShape::OneMinusSqrt => 1.0 - x.sqrt(),
                })
            }
            Self::Plateau | Self::Constant => peak,
        }
    }
}

/// What [`Schedule::Plateau`] knows of the validations so far: part of a run's state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    /// How often the rate was reduced.
    pub reductions: u32,
    /// The lowest loss so far, nats per token.
    pub best: Option<f64>,
    /// Validations since then, or since the last reduction.
    pub waited: u64,
}

impl Plateau {
    /// Whether nothing has happened yet.
    pub fn is_new(&self) -> bool {
        *self == Self::default()
    }

    /// What it knows after one more validation. The rate is reduced after `patience` of them in a row that were not better
    /// than the best before.
    ///
    /// # Differences
    ///
    /// PyTorch's `ReduceLROnPlateau` waits for one more than its patience, and takes an improvement of less than a
    /// ten-thousandth for none.
    #[must_use]
    pub fn observe(mut self, nats: f64, patience: u64) -> Self {
        if self.best.is_none_or(|best| nats < best) {
            self.best = Some(nats);
            self.waited = 0;
            return self;
        }
        self.waited += 1;
        if self.waited >= patience {
            self.waited = 0;
            self.reductions = self.reductions.saturating_add(1);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Schedule; 6] = [
        Schedule::InverseSqrt,
        Schedule::Cosine,
        Schedule::Linear,
        Schedule::Wsd,
        Schedule::Plateau,
        Schedule::Constant,
    ];

    const CONSTANTS: RateConstants = RateConstants {
        peak: 2.0,
        warmup: 100,
        horizon: 1000,
        least: 0.0,
        decay_start: 600,
        decay_shape: DecayShape::Linear,
        plateau_factor: 0.5,
    };

    fn assert_rates(schedule: Schedule, constants: &RateConstants, rates: &[(u64, f64)]) {
        for &(step, expected) in rates {
            let rate = schedule.rate(step, constants, 0);
            assert!(
                (rate - expected).abs() < 1e-12,
                "{schedule:?} at {step}: {rate}, expected {expected}"
            );
        }
    }

    #[test]
    fn every_schedule_meets_its_peak_at_the_end_of_the_warm_up() {
        for schedule in ALL {
            assert_rates(schedule, &CONSTANTS, &[(1, 0.02), (50, 1.0), (100, 2.0)]);
            let at_once = RateConstants {
                warmup: 0,
                ..CONSTANTS
            };
            assert!(schedule.rate(1, &at_once, 0) > 0.0, "no warm-up");
        }
    }

    #[test]
    fn rates_after_the_warm_up() {
        use Schedule::{Constant, Cosine, InverseSqrt, Linear, Plateau, Wsd};
        assert_rates(InverseSqrt, &CONSTANTS, &[(900, 2.0 / 3.0), (10_000, 0.2)]);
        assert_rates(Cosine, &CONSTANTS, &[(550, 1.0), (1000, 0.0), (5000, 0.0)]);
        assert_rates(Linear, &CONSTANTS, &[(325, 1.5), (1000, 0.0), (5000, 0.0)]);
        let wsd = [(599, 2.0), (600, 2.0), (700, 1.5), (1000, 0.0), (5000, 0.0)];
        assert_rates(Wsd, &CONSTANTS, &wsd);
        assert_rates(Plateau, &CONSTANTS, &[(5000, 2.0)]);
        assert_rates(Constant, &CONSTANTS, &[(5000, 2.0)]);
        let sqrt = RateConstants {
            decay_shape: DecayShape::OneMinusSqrt,
            ..CONSTANTS
        };
        assert_rates(Wsd, &sqrt, &[(600, 2.0), (700, 1.0), (1000, 0.0)]);
    }

    #[test]
    fn rates_only_fall_after_the_warm_up_and_never_below_the_least() {
        let constants = RateConstants {
            least: 0.5,
            ..CONSTANTS
        };
        for schedule in ALL {
            let rates: Vec<f64> = (100..3000)
                .map(|step| schedule.rate(step, &constants, 0))
                .collect();
            assert!(
                rates.windows(2).all(|pair| pair[1] <= pair[0]),
                "{schedule:?}"
            );
            let ends = !matches!(schedule, Schedule::Plateau | Schedule::Constant);
            let last = if ends { 0.5 } else { 2.0 };
            assert!((rates[2899] - last).abs() < 1e-12, "{schedule:?}");
        }
        // Those that end at the horizon bend towards the least rate; the line is half way down in the middle.
        assert_rates(Schedule::Linear, &constants, &[(550, 1.25)]);
        assert_rates(Schedule::Cosine, &constants, &[(550, 1.25)]);
    }

    #[test]
    fn a_plateau_multiplies_the_rate_and_its_warm_up() {
        let rate = |step, reductions| Schedule::Plateau.rate(step, &CONSTANTS, reductions);
        assert!((rate(500, 3) - 0.25).abs() < 1e-12);
        assert!((rate(50, 1) - 0.5).abs() < 1e-12);
        assert_eq!(rate(500, u32::MAX).to_bits(), 0.0_f64.to_bits());
        let constants = RateConstants {
            least: 0.3,
            ..CONSTANTS
        };
        assert!((Schedule::Plateau.rate(500, &constants, 9) - 0.3).abs() < 1e-12);
        // The others take no notice.
        assert_eq!(
            Schedule::Cosine.rate(500, &CONSTANTS, 3).to_bits(),
            Schedule::Cosine.rate(500, &CONSTANTS, 0).to_bits()
        );
    }

    #[test]
    fn the_rate_is_reduced_when_patience_is_at_an_end() {
        let reductions = |patience: u64, nats: &[f64]| -> Vec<u32> {
            let mut plateau = Plateau::default();
            let observed = nats.iter().map(|&nats| {
                plateau = plateau.observe(nats, patience);
                plateau.reductions
            });
            observed.collect()
        };
        let nats = [3.0, 2.0, 2.0, 2.5, 1.9, 2.0, 2.0, 2.0, 2.0];
        assert_eq!(reductions(2, &nats), [0, 0, 0, 1, 1, 1, 2, 2, 3]);
        assert_eq!(reductions(1, &nats), [0, 0, 1, 2, 2, 3, 4, 5, 6]);
        assert_eq!(reductions(5, &nats), [0; 9]);
    }

    #[test]
    fn what_a_plateau_knows_survives_being_written() {
        let plateau = Plateau::default().observe(2.1, 2).observe(2.2, 2);
        let text = serde_json::to_string(&plateau).unwrap();
        assert_eq!(text, r#"{"reductions":0,"best":2.1,"waited":1}"#);
        assert_eq!(serde_json::from_str::<Plateau>(&text).unwrap(), plateau);
        assert!(!plateau.is_new() && Plateau::default().is_new());
    }
}
