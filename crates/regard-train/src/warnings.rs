//! What a user should look at while a run goes on.

use std::collections::BTreeMap;
use std::fmt;

/// Something that is not an error, but seldom what was wanted.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Warning {
    /// Different sentences are translated alike.
    Collapse {
        /// What they become.
        hypothesis: String,
        /// How many of them.
        same: usize,
        /// Out of how many.
        sentences: usize,
    },
    /// The loss has been far above its minimum for long.
    Divergence {
        /// Its mean of late, nats per token.
        nats: f64,
        /// The lowest mean before.
        minimum: f64,
        /// Where that was.
        step: u64,
    },
    /// There is nothing to validate on.
    NoValidation,
    /// No validation will be made.
    ValidationNeverDue {
        /// `train.validate_every`.
        validate_every: u64,
        /// `train.steps`.
        steps: u64,
    },
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Collapse {
                hypothesis,
                same,
                sentences,
            } => write!(
                f,
                "{same} of {sentences} different sentences are all translated as `{hypothesis}`; a model that ignores its source does that: \
                 lower `train.learning_rate`, lengthen `train.warmup`, or look whether sources and targets belong together"
            ),
            Self::Divergence {
                nats,
                minimum,
                step,
            } => write!(
                f,
                "the training loss, {nats:.3} nats per token of late, has been far above the {minimum:.3} of step {step} for long; \
                 go back to a checkpoint before, with a lower `train.learning_rate` or a longer `train.warmup`"
            ),
            Self::NoValidation => write!(
                f,
                "there is nothing to validate on, so that no checkpoint will be called the best; give `data.valid`"
            ),
            Self::ValidationNeverDue {
                validate_every,
                steps,
            } => write!(
                f,
                "no validation will be made: `train.validate_every` is {validate_every}, `train.steps` is {steps}"
            ),
        }
    }
}

/// A translation beside what it should be.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// What was translated.
    pub source: &'a str,
    /// What would be right.
    pub reference: &'a str,
    /// What the model said.
    pub hypothesis: &'a str,
}

/// Fewer sentences than that may well be translated alike.
const FEWEST: usize = 3;

/// Whether more than half of sources that differ, three at least, are translated by the very same words, which for more than
/// half of them are not the reference: where few answers are right, many may well be the same.
pub fn collapse(sentences: &[Said<'_>]) -> Option<Warning> {
    // By source and in order, so that repeated lines count once.
    let by_source: BTreeMap<&str, &Said<'_>> =
        sentences.iter().map(|said| (said.source, said)).collect();
    let mut by_hypothesis: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for said in by_source.values() {
        let (same, wrong) = by_hypothesis.entry(said.hypothesis).or_default();
        *same += 1;
        *wrong += usize::from(said.hypothesis != said.reference);
    }
    let sentences = by_source.len();
    by_hypothesis
        .into_iter()
        .find(|(_, (same, wrong))| *same >= FEWEST && 2 * same > sentences && 2 * wrong > *same)
        .map(|(hypothesis, (same, _))| Warning::Collapse {
            hypothesis: hypothesis.to_owned(),
            same,
            sentences,
        })
}

/// Weight of a new line in the mean of the loss: about the last ten lines count.
const WEIGHT: f64 = 0.1;

/// How far above its minimum the mean is too far: half as much again, and by half a nat.
const FACTOR: f64 = 1.5;
const DISTANCE: f64 = 0.5;

/// For how many lines in a row.
const LONG: usize = 20;

/// Watches the lines of the log for a loss that rises and stays up.
///
/// # Formula
///
/// With the mean `m = 0.9 m + 0.1 nats` over the lines, from the first line's nats on, and its minimum `l` so far: a line is
/// high where `m > 1.5 l` and `m > l + 0.5`. The twentieth high line in a row warns; another warning takes a line that is not high in
/// between.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LossWatch {
    mean: Option<f64>,
    /// The lowest mean and its step.
    minimum: Option<(f64, u64)>,
    high: usize,
}

impl LossWatch {
    /// Takes a line of the log: its step and its loss, nats per token.
    pub fn see(&mut self, step: u64, nats: f64) -> Option<Warning> {
        let mean = self
            .mean
            .map_or(nats, |mean| (1.0 - WEIGHT) * mean + WEIGHT * nats);
        self.mean = Some(mean);
        let (minimum, at) = self.minimum.unwrap_or((mean, step));
        if mean <= minimum {
            self.minimum = Some((mean, step));
            self.high = 0;
            return None;
        }
        let is_high = mean > FACTOR * minimum && mean > minimum + DISTANCE;
        self.high = if is_high { self.high + 1 } else { 0 };
        (self.high == LONG).then_some(Warning::Divergence {
            nats: mean,
            minimum,
            step: at,
        })
    }
}

/// Whether a run of so many steps will go without validation.
pub fn idle_validation(pairs: usize, validate_every: u64, steps: u64) -> Option<Warning> {
    if pairs == 0 {
        return Some(Warning::NoValidation);
    }
    (validate_every > steps).then_some(Warning::ValidationNeverDue {
        validate_every,
        steps,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(hypotheses: &[&str]) -> Option<Warning> {
        let names: Vec<String> = (0..hypotheses.len()).map(|i| i.to_string()).collect();
        let sentences: Vec<Said<'_>> = names
            .iter()
            .zip(hypotheses)
            .map(|(name, hypothesis)| Said {
                source: name,
                reference: name,
                hypothesis,
            })
            .collect();
        collapse(&sentences)
    }

    #[test]
    fn different_sentences_said_alike_are_a_collapse() {
        let warning = said(&["a", "b", "a", "a", "c"]).unwrap();
        let expected = Warning::Collapse {
            hypothesis: "a".into(),
            same: 3,
            sentences: 5,
        };
        assert_eq!(warning, expected);
        assert!(warning.to_string().starts_with(
            "3 of 5 different sentences are all translated as `a`; a model that ignores"
        ));
        assert!(said(&["", "", ""]).is_some(), "silence is a collapse, too");
        for fine in [
            &["a", "a"] as &[&str],
            &["a", "a", "b"],
            &["a", "a", "a", "b", "b", "c"],
            &[],
        ] {
            assert_eq!(said(fine), None, "{fine:?}");
        }
    }

    #[test]
    fn the_same_answer_to_the_same_question_is_no_collapse() {
        let said = |source, reference| Said {
            source,
            reference,
            hypothesis: "on",
        };
        let repeated = ["x", "x", "x", "y"].map(|source| said(source, "off"));
        assert_eq!(collapse(&repeated), None, "two sources");
        let right = [said("a", "on"), said("b", "on"), said("c", "off")];
        assert_eq!(collapse(&right), None, "most are right");
    }

    /// The line at which a loss warns first, counted from 1.
    fn first_warning(losses: impl IntoIterator<Item = f64>) -> Option<(usize, Warning)> {
        let mut watch = LossWatch::default();
        let warning = |(line, nats): (usize, f64)| Some((line, watch.see(line as u64 * 50, nats)?));
        (1..).zip(losses).find_map(warning)
    }

    #[test]
    fn a_loss_that_rises_and_stays_up_is_divergence() {
        let falling = (0..100).map(|line| 6.0 / (1.0 + f64::from(line) / 10.0));
        assert_eq!(first_warning(falling.clone()), None);
        let (line, warning) = first_warning(falling.chain([7.0; 60])).unwrap();
        // The mean, 0.601 at its lowest, is above 1.101 with the first line of 7, and the twentieth of these warns.
        assert_eq!(line, 120);
        let Warning::Divergence {
            nats,
            minimum,
            step,
        } = warning
        else {
            panic!("{warning}");
        };
        assert_eq!(step, 5_000);
        assert!(nats > 6.0 && minimum < 0.7, "{nats} {minimum}");
    }

    #[test]
    fn noise_and_short_peaks_are_no_divergence() {
        let noisy = (0..1_000).map(|line| if line % 2 == 0 { 1.0 } else { 1.9 });
        assert_eq!(first_warning(noisy), None);
        let peak = [2.0; 50].into_iter().chain([9.0; 3]).chain([2.0; 50]);
        assert_eq!(first_warning(peak), None);
        // Tiny losses may double: they are still tiny.
        let tiny = [0.01; 50].into_iter().chain([0.04; 100]);
        assert_eq!(first_warning(tiny), None);
        let overfit = (0..500).map(|line| 1.5 + f64::from(line) / 1_000.0);
        assert_eq!(first_warning(overfit), None);
    }

    #[test]
    fn a_validation_that_cannot_be_is_told_of() {
        assert_eq!(idle_validation(0, 1, 9), Some(Warning::NoValidation));
        assert_eq!(idle_validation(3, 9, 9), None);
        let warning = idle_validation(3, 500, 60).unwrap().to_string();
        assert_eq!(
            warning,
            "no validation will be made: `train.validate_every` is 500, `train.steps` is 60"
        );
    }
}
