//! Shares of gold in scheduled sampling, as pure functions of the step.

use serde::{Deserialize, Serialize};

/// How the share of true tokens among what the decoder reads falls with the step i, counted from 1 (Bengio et al. 2015,
/// section 2.4, <https://arxiv.org/abs/1506.03099>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SamplingDecay {
    /// Not at all: teacher forcing.
    None,
    /// `max(floor, k - slope i)`
    Linear,
    /// `k^i`
    Exponential,
    /// `k / (k + exp(i / k))`
    InverseSigmoid,
}

/// The constants of a [`SamplingDecay`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SamplingConstants {
    /// k.
    pub k: f64,
    /// By how much a linear share falls at each step.
    pub slope: f64,
    /// Where a linear share stops.
    pub floor: f64,
}

impl SamplingDecay {
    /// What k is unless it is said.
    pub fn default_k(self) -> f64 {
        match self {
            Self::None | Self::Linear => 1.0,
            Self::Exponential => 0.9999,
            Self::InverseSigmoid => 1000.0,
        }
    }

    /// The share of step `step`, in `[0, 1]`.
    pub fn gold(self, step: u64, constants: SamplingConstants) -> f64 {
        let SamplingConstants { k, slope, floor } = constants;
        let i = step as f64;
        let share = match self {
            Self::None => 1.0,
            Self::Linear => (k - slope * i).max(floor),
            Self::Exponential => k.powf(i),
            Self::InverseSigmoid => k / (k + (i / k).exp()),
        };
        share.clamp(0.0, 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn constants(k: f64) -> SamplingConstants {
        SamplingConstants {
            k,
            slope: 0.001,
            floor: 0.25,
        }
    }

    #[test]
    fn shares_of_gold() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a}, expected {b}");
        near(SamplingDecay::None.gold(10_000, constants(1.0)), 1.0);
        near(SamplingDecay::Linear.gold(100, constants(1.0)), 0.9);
        near(SamplingDecay::Linear.gold(100, constants(2.0)), 1.0);
        near(SamplingDecay::Linear.gold(5000, constants(1.0)), 0.25);
        near(SamplingDecay::Exponential.gold(2, constants(0.9)), 0.81);
        // At i = k ln k it is a half.
        let k = std::f64::consts::E;
        let half = SamplingDecay::InverseSigmoid.gold(1, constants(k));
        near(half, k / (k + (1.0 / k).exp()));
        near(
            SamplingDecay::InverseSigmoid.gold(u64::MAX, constants(9.0)),
            0.0,
        );
    }

    #[test]
    fn shares_only_fall() {
        for decay in [
            SamplingDecay::Linear,
            SamplingDecay::Exponential,
            SamplingDecay::InverseSigmoid,
        ] {
            let k = decay.default_k();
            let shares: Vec<f64> = (1..2000).map(|i| decay.gold(i, constants(k))).collect();
            assert!(
                shares.windows(2).all(|pair| pair[1] <= pair[0]),
                "{decay:?}"
            );
            assert!(shares[0] > 0.99, "{decay:?}");
        }
    }
}
