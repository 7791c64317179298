//! Learning rates as pure functions of the step.

use serde::{Deserialize, Serialize};

/// What the learning rate does after the warm-up, in which it grows linearly from 0 to its peak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// `peak * sqrt(warmup / step)`, as in Vaswani et al. 2017, section 5.3.
    InverseSqrt,
    /// Half a cosine from the peak to 0 at step `horizon`, and 0 from there on.
    Cosine,
    /// The peak.
    Constant,
}

impl Schedule {
    /// The rate of step `step`, counted from 1.
    ///
    /// Nothing here knows when training ends: a run may be prolonged without changing what it did.
    pub fn rate(self, step: u64, peak: f64, warmup: u64, horizon: u64) -> f64 {
        if step < warmup {
            return peak * step as f64 / warmup as f64;
        }
        match self {
            Self::InverseSqrt => peak * (warmup.max(1) as f64 / step as f64).sqrt(),
            Self::Cosine => {
                let span = horizon.saturating_sub(warmup).max(1) as f64;
                let done = ((step - warmup) as f64 / span).min(1.0);
                peak * 0.5 * (1.0 + (std::f64::consts::PI * done).cos())
            }
            Self::Constant => peak,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schedule_meets_its_peak_at_the_end_of_the_warm_up() {
        for schedule in [Schedule::InverseSqrt, Schedule::Cosine, Schedule::Constant] {
            assert!((schedule.rate(50, 2.0, 100, 1000) - 1.0).abs() < 1e-12);
            assert!((schedule.rate(100, 2.0, 100, 1000) - 2.0).abs() < 1e-12);
            assert!(schedule.rate(1, 2.0, 0, 1000) > 0.0, "no warm-up");
        }
    }

    #[test]
    fn rates_after_the_warm_up() {
        assert!((Schedule::InverseSqrt.rate(900, 3.0, 100, 0) - 1.0).abs() < 1e-12);
        assert!((Schedule::Cosine.rate(550, 2.0, 100, 1000) - 1.0).abs() < 1e-12);
        assert!(Schedule::Cosine.rate(1000, 2.0, 100, 1000).abs() < 1e-12);
        assert!(Schedule::Cosine.rate(5000, 2.0, 100, 1000).abs() < 1e-12);
        assert!((Schedule::Constant.rate(5000, 2.0, 100, 1000) - 2.0).abs() < 1e-12);
    }
}
