//! What makes hypotheses of different lengths comparable.

use serde::{Deserialize, Serialize};

/// What the log-probability of a hypothesis is divided by.
///
/// ```text
/// score = log p / ((5 + n) / 6)^alpha          n tokens, the end one of them
/// score = log p / n^alpha                      in the plain form
/// ```
///
/// Every token makes a hypothesis less probable, so that without a penalty the shortest wins. `alpha` 0 is none, 1 nearly
/// the mean over tokens, in the plain form the very mean; below 0 short ones are preferred all the more.
///
/// # References
///
/// Wu et al. Google's Neural Machine Translation System. 2016. <https://arxiv.org/abs/1609.08144>, section 7. Plain: Murray,
/// Chiang. Correcting Length Bias in Neural Machine Translation. 2018. <https://arxiv.org/abs/1808.10006>, section 3.
///
/// # Example
///
/// ```
/// use regard_decode::{LengthForm, LengthPenalty};
///
/// let penalty = LengthPenalty { alpha: 1.0, ..LengthPenalty::default() };
/// assert_eq!(penalty.score(-3.0, 1), -3.0);
/// assert_eq!(penalty.score(-3.0, 13), -1.0);
/// let plain = LengthPenalty { form: LengthForm::Plain, ..penalty };
/// assert_eq!(plain.score(-3.0, 3), -1.0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LengthPenalty {
    /// The exponent.
    pub alpha: f64,
    /// What it is the exponent of.
    pub form: LengthForm,
}

/// What stands under the exponent of a [`LengthPenalty`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LengthForm {
    /// `(5 + n) / 6`
    #[default]
    Gnmt,
    /// `n`
    Plain,
}

impl LengthPenalty {
    /// The score of a hypothesis of `length` tokens; of none, as of one.
    pub fn score(self, log_probability: f64, length: usize) -> f64 {
        let length = length.max(1) as f64;
        let base = match self.form {
            LengthForm::Gnmt => (5.0 + length) / 6.0,
            LengthForm::Plain => length,
        };
        log_probability / base.powf(self.alpha)
    }

    /// The highest score that what has this log-probability can still reach with `lengths` tokens, from the least to the most:
    /// more tokens add no probability, and the penalty grows with the length or falls with it.
    pub(super) fn best(self, log_probability: f64, [least, most]: [usize; 2]) -> f64 {
        let scores = [least, most].map(|length| self.score(log_probability, length));
        scores[0].max(scores[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn penalty(form: LengthForm, alpha: f64) -> LengthPenalty {
        LengthPenalty { alpha, form }
    }

    #[test]
    fn hand_computed() {
        let score = |alpha, log_probability, length| {
            penalty(LengthForm::Gnmt, alpha).score(log_probability, length)
        };
        // 7 tokens: (12 / 6)^alpha.
        for (alpha, expected) in [(0.0, -8.0), (1.0, -4.0), (2.0, -2.0), (-1.0, -16.0)] {
            assert!((score(alpha, -8.0, 7) - expected).abs() < 1e-12);
        }
        assert!((score(0.6, -8.0, 7) + 8.0 / 1.515_716_566_510_398).abs() < 1e-12);
        for (alpha, expected) in [(0.0, -8.0), (1.0, -2.0), (0.5, -4.0), (-1.0, -32.0)] {
            let plain = penalty(LengthForm::Plain, alpha);
            assert!((plain.score(-8.0, 4) - expected).abs() < 1e-12);
            assert!((plain.score(-8.0, 0) + 8.0).abs() < 1e-12);
        }
    }

    #[test]
    fn nothing_that_may_come_beats_the_bound() {
        for (form, alpha) in [LengthForm::Gnmt, LengthForm::Plain]
            .into_iter()
            .flat_map(|form| [-2.0, -0.3, 0.0, 0.6, 1.0, 3.0].map(|alpha| (form, alpha)))
        {
            let penalty = penalty(form, alpha);
            for (least, most) in [(1, 1), (1, 9), (4, 30)] {
                let bound = penalty.best(-2.5, [least, most]);
                let reached: Vec<f64> = (least..=most)
                    .map(|length| penalty.score(-2.5, length))
                    .collect();
                assert!(reached.iter().all(|&score| score <= bound), "{alpha}");
                assert!(reached.contains(&bound), "{alpha}: it can be reached");
            }
        }
    }
}
