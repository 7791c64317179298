//! What the scores amount to, said in a sentence that the numbers write.

mod ranking;

use super::buckets;
use crate::drawing::numbers;
use ranking::{Estimate, Ranking};

/// Which score the sentence speaks of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Measure {
    Bleu,
    Chrf,
}

impl Measure {
    fn name(self) -> &'static str {
        match self {
            Self::Bleu => "BLEU",
            Self::Chrf => "chrF",
        }
    }
}

/// The scores of all runs in one bucket.
#[derive(Debug, Clone)]
pub(super) struct Span {
    pub(super) from: usize,
    pub(super) to: usize,
    pub(super) sentences: usize,
    /// One for each run.
    pub(super) scores: Vec<f64>,
    /// For each run, its scores on resampled sentences.
    pub(super) drawn: Vec<Vec<f64>>,
}

impl Span {
    fn words(&self) -> String {
        numbers::words(self.from, self.to)
    }

    fn ranking(&self) -> Ranking {
        Ranking {
            values: self.scores.clone(),
            drawn: self.drawn.clone(),
            is_enough: self.sentences >= buckets::FEWEST,
        }
    }
}

/// What the sentence is made from.
pub(super) struct Evidence {
    measure: Measure,
    names: Vec<String>,
    spans: Vec<Span>,
}

impl Evidence {
    /// `spans` are the buckets, shortest first; there must be one, and a run.
    pub(super) fn new(measure: Measure, names: Vec<String>, spans: Vec<Span>) -> Self {
        Self {
            measure,
            names,
            spans,
        }
    }

    /// What length does to quality, and what it does to the gap between the runs.
    pub(super) fn sentence(&self) -> String {
        let (shortest, longest) = (&self.spans[0], &self.spans[self.spans.len() - 1]);
        let (short, long) = (shortest.ranking(), longest.ranking());
        if self.spans.len() == 1 {
            let begin = format!(
                "All sources are in one bucket of {}, so length shows nothing",
                shortest.words()
            );
            return format!("{begin}; {}.", self.without_length(&short));
        }
        let begin = format!(
            "From the shortest sources ({}) to the longest ({})",
            shortest.words(),
            longest.words()
        );
        let losses = short.minus(&long);
        if self.names.len() == 1 {
            let (from, to) = (short.values[0], long.values[0]);
            let change = self.change(&losses, 0);
            return format!("{begin}, {change}: it goes from {from:.1} to {to:.1}.");
        }
        let (losses, gaps) = (self.losses(&losses), self.gaps(&short, &long));
        format!("{begin}, {losses}; {gaps}.")
    }

    fn without_length(&self, scores: &Ranking) -> String {
        if let [name] = self.names.as_slice() {
            let score = scores.estimate(0).text(self.measure.name());
            return format!("{name} has {score}");
        }
        self.gap(scores)
    }

    /// Who loses most, who least.
    fn losses(&self, losses: &Ranking) -> String {
        let change = |run| self.change(losses, run);
        let Some((most, least)) = losses.furthest() else {
            let each: Vec<String> = (0..self.names.len()).map(change).collect();
            let verdict = if losses.is_enough {
                "no run loses more than another beyond the intervals"
            } else {
                "an end has too few sentences to say which run loses more"
            };
            return format!("{verdict} ({})", each.join(", "));
        };
        let between = losses.difference(most, least).text(self.measure.name());
        if self.names.len() == 2 {
            let (most, least) = (change(most), change(least));
            return format!("{most} and {least}, a difference of {between}");
        }
        let ranked = |run: usize, other: usize, is_extreme: bool, is_loss_extreme: bool| {
            // Who gains is the furthest from losing.
            let rank = match (is_extreme, is_loss_extreme == (losses.values[run] >= 0.0)) {
                (false, _) => "",
                (true, true) => ", the most",
                (true, false) => ", the least",
            };
            format!("{}{rank}{}", change(run), self.ties(losses, run, other))
        };
        format!(
            "{}, and {}, a difference of {between}",
            ranked(most, least, losses.is_highest(most), true),
            ranked(least, most, losses.is_lowest(least), false)
        )
    }

    /// What is between the runs at both ends.
    fn gaps(&self, shortest: &Ranking, longest: &Ranking) -> String {
        let measure = self.measure.name();
        let is_enough = shortest.is_enough && longest.is_enough;
        match (shortest.furthest(), longest.furthest()) {
            (None, None) if is_enough => format!(
                "no two runs differ in {measure} beyond the intervals, neither among the shortest nor among the longest"
            ),
            (Some((best, worst)), Some(pair))
                if pair == (best, worst)
                    && [shortest, longest].iter().all(|scores| {
                        scores.like(best, worst).is_empty() && scores.like(worst, best).is_empty()
                    }) =>
            {
                format!(
                    "{} is {} above {} among the shortest and {} among the longest",
                    self.names[best],
                    shortest.difference(best, worst).text(measure),
                    self.names[worst],
                    longest.difference(best, worst).text(measure)
                )
            }
            _ => format!(
                "among the shortest {}, among the longest {}",
                self.gap(shortest),
                self.gap(longest)
            ),
        }
    }

    /// The best run above the worst, and who cannot be told from either.
    fn gap(&self, scores: &Ranking) -> String {
        let measure = self.measure.name();
        match scores.furthest() {
            Some((best, worst)) => format!(
                "{}{} is {} above {}{}",
                self.names[best],
                self.ties(scores, best, worst),
                scores.difference(best, worst).text(measure),
                self.names[worst],
                self.ties(scores, worst, best)
            ),
            None if scores.is_enough => {
                format!("no two runs differ in {measure} beyond the intervals")
            }
            None => "there are too few sentences to tell the runs apart".into(),
        }
    }

    /// What happens to a run's score on the way.
    fn change(&self, losses: &Ranking, run: usize) -> String {
        let (name, loss): (_, Estimate) = (&self.names[run], losses.estimate(run));
        if loss.value >= 0.0 {
            format!("{name} loses {}", loss.text(self.measure.name()))
        } else {
            format!("{name} gains {}", loss.negated().text(self.measure.name()))
        }
    }

    /// ` (b and c cannot be told from it)`; nothing where all others but `other` can.
    fn ties(&self, numbers: &Ranking, run: usize, other: usize) -> String {
        let like = numbers.like(run, other);
        let names: Vec<&str> = like.iter().map(|&run| self.names[run].as_str()).collect();
        match names.as_slice() {
            [] => String::new(),
            [one] => format!(" ({one} cannot be told from it)"),
            [first @ .., last] => {
                format!(" ({} and {last} cannot be told from it)", first.join(", "))
            }
        }
    }
}

#[cfg(test)]
mod tests;
