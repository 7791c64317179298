//! What an order without a match counts as.

use std::fmt;

use crate::error::EvalError;

/// How the precision of an order without a match is kept from making the whole score 0.
///
/// None of them lifts a score in which nothing matches at all: that is 0.
///
/// # References
///
/// Chen, Cherry. A Systematic Comparison of Smoothing Techniques for Sentence-Level BLEU. WMT 2014.
/// <https://aclanthology.org/W14-3346>
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Smoothing {
    /// The `k`-th order without a match counts `1 / 2^k` matches.
    #[default]
    Exponential,
    /// An order without a match counts this many; sacreBLEU's value is [`FLOOR`](Self::FLOOR).
    Floor(f64),
    /// Matches and n-grams of every order from 2 are this many more; sacreBLEU's value is [`ADD_K`](Self::ADD_K).
    AddK(f64),
    /// An order without a match makes the score 0.
    None,
}

impl Smoothing {
    /// sacreBLEU's value for [`Floor`](Self::Floor), as in the paper.
    pub const FLOOR: f64 = 0.1;

    /// sacreBLEU's value for [`AddK`](Self::AddK), as in the paper.
    pub const ADD_K: f64 = 1.0;

    /// Refuses values that make no score.
    pub(super) fn check(self) -> Result<(), EvalError> {
        match self {
            Self::Floor(value) | Self::AddK(value) if !value.is_finite() || value < 0.0 => {
                Err(EvalError::Smoothing {
                    method: self.method(),
                    value: value.to_string(),
                })
            }
            _ => Ok(()),
        }
    }

    fn method(self) -> &'static str {
        match self {
            Self::Exponential => "exp",
            Self::Floor(_) => "floor",
            Self::AddK(_) => "add-k",
            Self::None => "none",
        }
    }
}

/// As in a signature: `exp`, `floor[0.10]`.
impl fmt::Display for Smoothing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.method())?;
        match self {
            Self::Floor(value) | Self::AddK(value) => write!(f, "[{value:.2}]"),
            Self::Exponential | Self::None => Ok(()),
        }
    }
}
