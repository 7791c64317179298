//! What scores are made of: counts that add up over lines, and what resampling makes of their sums.

use std::iter::Sum;

use super::{Run, Scores, TestSet};
use crate::bleu::{self, Bleu};
use crate::bootstrap::{Bootstrap, interval};
use crate::chrf::{self, Chrf};

/// Counts of one line or many; every score is made of them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    bleu: bleu::Statistics,
    chrf: chrf::Statistics,
    lines: usize,
    equal: usize,
    nats: f64,
    tokens: usize,
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Self>>(lines: I) -> Self {
        lines.fold(Self::default(), |sum, line| Self {
            bleu: [sum.bleu, line.bleu].into_iter().sum(),
            chrf: [sum.chrf, line.chrf].into_iter().sum(),
            lines: sum.lines + line.lines,
            equal: sum.equal + line.equal,
            nats: sum.nats + line.nats,
            tokens: sum.tokens + line.tokens,
        })
    }
}

impl Counts {
    pub(super) fn bleu(&self) -> f64 {
        Bleu::default().score(&self.bleu).score
    }

    pub(super) fn chrf(&self) -> f64 {
        self.chrf.score()
    }

    fn exact_match(&self) -> f64 {
        100.0 * self.equal as f64 / self.lines as f64
    }

    fn perplexity(&self) -> f64 {
        (self.nats / self.tokens as f64).exp().min(f64::MAX)
    }
}

/// The counts of each line, of lower-cased text if `lowercase`.
pub(super) fn count(run: &Run, test: TestSet<'_>, lowercase: bool) -> Vec<Counts> {
    let bleu = Bleu::default().with_lowercase(lowercase);
    let chrf = Chrf::default().with_lowercase(lowercase);
    let is_equal = |hypothesis: &str, reference: &str| {
        hypothesis == reference
            || lowercase && hypothesis.to_lowercase() == reference.to_lowercase()
    };
    run.sentences
        .iter()
        .zip(test.references)
        .map(|(sentence, reference)| Counts {
            bleu: bleu.line(&sentence.hypothesis, &[reference]),
            chrf: chrf.line(&sentence.hypothesis, reference),
            lines: 1,
            equal: usize::from(is_equal(&sentence.hypothesis, reference)),
            nats: sentence.nats,
            tokens: sentence.tokens,
        })
        .collect()
}

/// The counts of some lines, and of as many drawn from them, many times.
pub(super) struct Resampled {
    pub(super) whole: Counts,
    pub(super) drawn: Vec<Counts>,
}

impl Resampled {
    pub(super) fn new(counts: &[Counts], lines: &[usize], bootstrap: Bootstrap) -> Self {
        let chosen: Vec<Counts> = lines.iter().map(|&line| counts[line]).collect();
        Self {
            whole: chosen.iter().copied().sum(),
            drawn: bootstrap.sums(&chosen).collect(),
        }
    }

    pub(super) fn scores(&self) -> Scores {
        let with_interval = |score: fn(&Counts) -> f64| {
            let drawn: Vec<f64> = self.drawn.iter().map(score).collect();
            (score(&self.whole), interval(&drawn))
        };
        let (bleu, bleu_interval) = with_interval(Counts::bleu);
        let (chrf, chrf_interval) = with_interval(Counts::chrf);
        let (exact_match, exact_match_interval) = with_interval(Counts::exact_match);
        let (perplexity, perplexity_interval) = with_interval(Counts::perplexity);
        Scores {
            bleu,
            bleu_interval,
            chrf,
            chrf_interval,
            exact_match,
            exact_match_interval,
            perplexity,
            perplexity_interval,
        }
    }
}
