//! What makes hypotheses of different lengths comparable.

/// What the log-probability of a hypothesis is divided by.
///
/// ```text
/// score = log p / ((5 + n) / 6)^alpha          n tokens, the end one of them
/// ```
///
/// Every token makes a hypothesis less probable, so that without a penalty the shortest wins. `alpha` 0 is none, 1 nearly
/// the mean over tokens; below 0 short ones are preferred all the more.
///
/// # References
///
/// Wu et al. Google's Neural Machine Translation System. 2016. <https://arxiv.org/abs/1609.08144>, section 7.
///
/// # Example
///
/// ```
/// use regard_decode::LengthPenalty;
///
/// let penalty = LengthPenalty { alpha: 1.0 };
/// assert_eq!(penalty.score(-3.0, 1), -3.0);
/// assert_eq!(penalty.score(-3.0, 13), -1.0);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LengthPenalty {
    /// The exponent.
    pub alpha: f64,
}

impl LengthPenalty {
    /// The score of a hypothesis of `length` tokens.
    pub fn score(self, log_probability: f64, length: usize) -> f64 {
        log_probability / ((5.0 + length as f64) / 6.0).powf(self.alpha)
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

    #[test]
    fn hand_computed() {
        let score =
            |alpha, log_probability, length| LengthPenalty { alpha }.score(log_probability, length);
        // 7 tokens: (12 / 6)^alpha.
        for (alpha, expected) in [(0.0, -8.0), (1.0, -4.0), (2.0, -2.0), (-1.0, -16.0)] {
            assert!((score(alpha, -8.0, 7) - expected).abs() < 1e-12);
        }
        assert!((score(0.6, -8.0, 7) + 8.0 / 1.515_716_566_510_398).abs() < 1e-12);
    }

    #[test]
    fn nothing_that_may_come_beats_the_bound() {
        for alpha in [-2.0, -0.3, 0.0, 0.6, 1.0, 3.0] {
            let penalty = LengthPenalty { alpha };
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
