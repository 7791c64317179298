//! One number of every run, and which runs differ in it.

use crate::bootstrap::interval;
use crate::drawing::numbers;

/// A number and the interval that holds 95 % of what resampling makes of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Estimate {
    pub(super) value: f64,
    interval: [f64; 2],
}

impl Estimate {
    /// `3.2 BLEU [1.0, 5.1]`
    pub(super) fn text(&self, measure: &str) -> String {
        let interval = numbers::interval(self.interval, numbers::score);
        format!("{} {measure} {interval}", numbers::score(self.value))
    }

    pub(super) fn negated(&self) -> Self {
        let [low, high] = self.interval;
        Self {
            value: -self.value,
            interval: [-high, -low],
        }
    }
}

/// One number of every run.
pub(super) struct Ranking {
    pub(super) values: Vec<f64>,
    /// For each run, the number on resampled sentences.
    pub(super) drawn: Vec<Vec<f64>>,
    /// Whether it is made from sentences enough to conclude anything.
    pub(super) is_enough: bool,
}

impl Ranking {
    /// `self - other`, run by run.
    pub(super) fn minus(&self, other: &Self) -> Self {
        let runs = self.drawn.iter().zip(&other.drawn);
        Self {
            values: differences(&self.values, &other.values),
            drawn: runs.map(|(left, right)| differences(left, right)).collect(),
            is_enough: self.is_enough && other.is_enough,
        }
    }

    pub(super) fn estimate(&self, run: usize) -> Estimate {
        Estimate {
            value: self.values[run],
            interval: interval(&self.drawn[run]),
        }
    }

    pub(super) fn difference(&self, high: usize, low: usize) -> Estimate {
        Estimate {
            value: self.values[high] - self.values[low],
            interval: interval(&differences(&self.drawn[high], &self.drawn[low])),
        }
    }

    /// Of the runs that differ beyond the intervals the two with most between them, the higher first.
    pub(super) fn furthest(&self) -> Option<(usize, usize)> {
        let runs = self.values.len();
        let pairs = (0..runs).flat_map(|high| (0..runs).map(move |low| (high, low)));
        let between = |&(high, low): &(usize, usize)| self.values[high] - self.values[low];
        pairs
            .filter(|&(high, low)| self.is_above(high, low))
            .max_by(|a, b| between(a).total_cmp(&between(b)))
    }

    /// Runs that cannot be told from `run`; `other` is left out.
    pub(super) fn like(&self, run: usize, other: usize) -> Vec<usize> {
        (0..self.values.len())
            .filter(|&third| third != run && third != other)
            .filter(|&third| !self.is_above(run, third) && !self.is_above(third, run))
            .collect()
    }

    pub(super) fn is_highest(&self, run: usize) -> bool {
        self.values.iter().all(|value| *value <= self.values[run])
    }

    pub(super) fn is_lowest(&self, run: usize) -> bool {
        self.values.iter().all(|value| *value >= self.values[run])
    }

    /// Whether the interval of the difference lies above 0.
    fn is_above(&self, high: usize, low: usize) -> bool {
        self.is_enough && self.difference(high, low).interval[0] > 0.0
    }
}

fn differences(left: &[f64], right: &[f64]) -> Vec<f64> {
    left.iter().zip(right).map(|(a, b)| a - b).collect()
}
