//! What the scores amount to, said in a sentence that the numbers write.

use super::numbers;
use crate::bootstrap::interval;

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
    /// One for each run.
    pub(super) scores: Vec<f64>,
    /// For each run, its scores on resampled sentences.
    pub(super) drawn: Vec<Vec<f64>>,
}

/// A number and the interval that holds 95 % of what resampling makes of it.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Estimate {
    value: f64,
    interval: [f64; 2],
}

impl Estimate {
    fn difference(value: f64, left: &[f64], right: &[f64]) -> Self {
        let drawn: Vec<f64> = left.iter().zip(right).map(|(a, b)| a - b).collect();
        Self {
            value,
            interval: interval(&drawn),
        }
    }

    /// Whether the interval lies on one side of 0.
    fn is_sure(&self) -> bool {
        self.interval[0] > 0.0 || self.interval[1] < 0.0
    }

    /// `3.2 BLEU [1.0, 5.1]`
    fn text(&self, measure: &str) -> String {
        let interval = numbers::interval(self.interval, numbers::score);
        format!("{} {measure} {interval}", numbers::score(self.value))
    }

    fn negated(&self) -> Self {
        let [low, high] = self.interval;
        Self {
            value: -self.value,
            interval: [-high, -low],
        }
    }
}

/// The best and the worst run of a bucket, and what is between them.
struct Gap<'a> {
    best: &'a str,
    worst: &'a str,
    between: Estimate,
}

impl Gap<'_> {
    fn names(&self) -> (&str, &str) {
        (self.best, self.worst)
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
        let measure = self.measure.name();
        if self.spans.len() == 1 {
            let words = numbers::words(shortest.from, shortest.to);
            let begin =
                format!("All sources are in one bucket of {words}, so length shows nothing");
            return format!("{begin}; {}.", self.without_length(shortest));
        }
        let begin = format!(
            "From the shortest sources ({}) to the longest ({})",
            numbers::words(shortest.from, shortest.to),
            numbers::words(longest.from, longest.to)
        );
        let losses: Vec<Estimate> = (0..self.names.len())
            .map(|run| loss(run, shortest, longest))
            .collect();
        if let [only] = losses.as_slice() {
            let (from, to) = (shortest.scores[0], longest.scores[0]);
            let change = changes(&self.names[0], only, measure);
            return format!("{begin}, {change}: it goes from {from:.1} to {to:.1}.");
        }
        format!(
            "{begin}, {}; {}.",
            self.losses(&losses, shortest, longest),
            self.gaps(shortest, longest)
        )
    }

    fn without_length(&self, span: &Span) -> String {
        let measure = self.measure.name();
        if self.names.len() == 1 {
            let scores = interval(&span.drawn[0]);
            let interval = numbers::interval(scores, numbers::score);
            return format!(
                "{} has {:.1} {measure} {interval}",
                self.names[0], span.scores[0]
            );
        }
        let Gap {
            best,
            worst,
            between,
        } = self.gap(span);
        if between.is_sure() {
            format!("{best} is {} above {worst}", between.text(measure))
        } else {
            format!("no two runs differ in {measure} beyond the intervals")
        }
    }

    /// Who loses most, who least.
    fn losses(&self, losses: &[Estimate], shortest: &Span, longest: &Span) -> String {
        let measure = self.measure.name();
        let (most, least) = extremes(losses.iter().map(|loss| loss.value));
        let spread = {
            let drawn = |run: usize| -> Vec<f64> {
                let pairs = shortest.drawn[run].iter().zip(&longest.drawn[run]);
                pairs.map(|(short, long)| short - long).collect()
            };
            let value = losses[most].value - losses[least].value;
            Estimate::difference(value, &drawn(most), &drawn(least))
        };
        let [first, last] =
            [most, least].map(|run| changes(&self.names[run], &losses[run], measure));
        if !spread.is_sure() {
            let each = self
                .names
                .iter()
                .zip(losses)
                .map(|(name, loss)| changes(name, loss, measure));
            return format!(
                "no run loses more than another beyond the intervals ({})",
                each.collect::<Vec<_>>().join(", ")
            );
        }
        if losses.len() == 2 {
            format!("{first} and {last}")
        } else {
            format!("{first}, the most, and {last}, the least")
        }
    }

    /// What is between best and worst at both ends.
    fn gaps(&self, shortest: &Span, longest: &Span) -> String {
        let measure = self.measure.name();
        let (short, long) = (self.gap(shortest), self.gap(longest));
        let above = |gap: &Gap| {
            format!(
                "{} is {} above {}",
                gap.best,
                gap.between.text(measure),
                gap.worst
            )
        };
        match (short.between.is_sure(), long.between.is_sure()) {
            (false, false) => format!(
                "no two runs differ in {measure} beyond the intervals, neither among the shortest nor among the longest"
            ),
            (false, true) => format!(
                "among the shortest no two runs differ beyond the intervals, among the longest {}",
                above(&long)
            ),
            (true, false) => format!(
                "among the shortest {}, among the longest no two runs differ beyond the intervals",
                above(&short)
            ),
            (true, true) if short.names() == long.names() => format!(
                "{} is {} above {} among the shortest and {} among the longest",
                short.best,
                short.between.text(measure),
                short.worst,
                long.between.text(measure)
            ),
            (true, true) => format!(
                "among the shortest {}, among the longest {}",
                above(&short),
                above(&long)
            ),
        }
    }

    fn gap(&self, span: &Span) -> Gap<'_> {
        let (best, worst) = extremes(span.scores.iter().copied());
        Gap {
            best: &self.names[best],
            worst: &self.names[worst],
            between: Estimate::difference(
                span.scores[best] - span.scores[worst],
                &span.drawn[best],
                &span.drawn[worst],
            ),
        }
    }
}

fn loss(run: usize, shortest: &Span, longest: &Span) -> Estimate {
    Estimate::difference(
        shortest.scores[run] - longest.scores[run],
        &shortest.drawn[run],
        &longest.drawn[run],
    )
}

/// What happens to a run's score on the way.
fn changes(name: &str, loss: &Estimate, measure: &str) -> String {
    if loss.value >= 0.0 {
        format!("{name} loses {}", loss.text(measure))
    } else {
        format!("{name} gains {}", loss.negated().text(measure))
    }
}

/// Places of the largest and the smallest value; the earlier of equal ones.
fn extremes(values: impl Iterator<Item = f64>) -> (usize, usize) {
    let values: Vec<f64> = values.collect();
    let (mut most, mut least) = (0, 0);
    for (i, &value) in values.iter().enumerate() {
        if value > values[most] {
            most = i;
        }
        if value < values[least] {
            least = i;
        }
    }
    (most, least)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Buckets with `scores[bucket][run]`; resampling moves each score by up to `doubt`, each run in its own way.
    fn sentence(names: &[&str], scores: &[&[f64]], doubt: f64) -> String {
        let spans = scores.iter().enumerate().map(|(bucket, scores)| Span {
            from: 1 + 10 * bucket,
            to: 10 + 10 * bucket,
            scores: scores.to_vec(),
            drawn: scores
                .iter()
                .enumerate()
                .map(|(run, score)| {
                    (0..1_000)
                        .map(|i| {
                            let turn = (i * (2 * bucket + run + 3)) % 1_000;
                            score + doubt * (turn as f64 / 500.0 - 1.0)
                        })
                        .collect()
                })
                .collect(),
        });
        let names = names.iter().map(|&name| name.to_owned()).collect();
        Evidence::new(Measure::Bleu, names, spans.collect()).sentence()
    }

    #[test]
    fn a_growing_gap_is_told_with_both_ends() {
        let said = sentence(
            &["bottleneck", "bahdanau", "transformer"],
            &[
                &[97.0, 98.0, 99.5],
                &[80.0, 97.0, 98.0],
                &[45.0, 95.0, 98.25],
            ],
            0.4,
        );
        assert_eq!(
            said,
            "From the shortest sources (1 to 10 words) to the longest (21 to 30 words), \
             bottleneck loses 52.0 BLEU [51.4, 52.6], the most, and \
             transformer loses 1.2 BLEU [0.6, 1.9], the least; \
             transformer is 2.5 BLEU [1.9, 3.1] above bottleneck among the shortest and \
             53.2 BLEU [52.6, 53.9] among the longest."
        );
    }

    #[test]
    fn other_numbers_give_another_sentence() {
        // The same runs, the other way round: the bottleneck is best throughout and gains.
        let said = sentence(
            &["bottleneck", "bahdanau"],
            &[&[60.0, 59.9], &[75.0, 40.0]],
            0.5,
        );
        for part in [
            "bahdanau loses 19.9 BLEU",
            "and bottleneck gains 15.0 BLEU",
            "among the shortest no two runs differ beyond the intervals",
            "among the longest bottleneck is 35.0 BLEU",
        ] {
            assert!(said.contains(part), "no `{part}` in {said}");
        }
        assert!(!said.contains("the most"), "{said}");
    }

    #[test]
    fn equal_runs_do_not_differ() {
        let said = sentence(&["a", "b"], &[&[50.0, 50.0], &[40.0, 40.0]], 1.0);
        assert!(
            said.contains("no run loses more than another beyond the intervals (a loses 10.0 BLEU"),
            "{said}"
        );
        assert!(
            said.ends_with(
                "no two runs differ in BLEU beyond the intervals, \
                 neither among the shortest nor among the longest."
            ),
            "{said}"
        );
        // Without any doubt, too.
        let same = sentence(&["a", "b"], &[&[50.0, 50.0], &[50.0, 50.0]], 0.0);
        assert!(
            same.contains("(a loses 0.0 BLEU [0.0, 0.0], b loses 0.0 BLEU [0.0, 0.0])"),
            "{same}"
        );
    }

    #[test]
    fn wide_intervals_leave_no_difference() {
        let scores: [&[f64]; 2] = [&[50.0, 52.0], &[45.0, 42.0]];
        let wide = sentence(&["a", "b"], &scores, 20.0);
        assert!(
            wide.contains("no run loses more than another beyond the intervals")
                && wide.contains("a loses 5.0 BLEU [-"),
            "{wide}"
        );
        let narrow = sentence(&["a", "b"], &scores, 0.1);
        assert!(
            narrow.contains("b loses 10.0 BLEU") && narrow.contains("a is 3.0 BLEU"),
            "{narrow}"
        );
    }

    #[test]
    fn best_and_worst_may_change_places() {
        let said = sentence(&["a", "b"], &[&[90.0, 50.0], &[30.0, 70.0]], 0.5);
        for part in [
            "among the shortest a is 40.0 BLEU",
            "among the longest b is 40.0 BLEU",
        ] {
            assert!(said.contains(part), "no `{part}` in {said}");
        }
    }

    #[test]
    fn a_gap_may_close() {
        let said = sentence(&["a", "b"], &[&[90.0, 50.0], &[30.0, 30.0]], 0.5);
        assert!(
            said.contains("among the shortest a is 40.0 BLEU")
                && said.ends_with("among the longest no two runs differ beyond the intervals."),
            "{said}"
        );
    }

    #[test]
    fn one_run_is_compared_with_itself() {
        let said = sentence(&["only"], &[&[90.0], &[70.0]], 0.5);
        assert!(
            said.contains("only loses 20.0 BLEU") && said.ends_with("it goes from 90.0 to 70.0."),
            "{said}"
        );
        assert_eq!(
            sentence(&["only"], &[&[90.0]], 0.0),
            "All sources are in one bucket of 1 to 10 words, so length shows nothing; \
             only has 90.0 BLEU [90.0, 90.0]."
        );
    }

    #[test]
    fn one_bucket_still_tells_the_runs_apart() {
        let said = sentence(&["a", "b"], &[&[90.0, 80.0]], 0.5);
        assert!(
            said.contains("length shows nothing; a is 10.0 BLEU") && said.ends_with("above b."),
            "{said}"
        );
        let said = sentence(&["a", "b"], &[&[80.0, 80.0]], 0.5);
        assert!(
            said.ends_with("no two runs differ in BLEU beyond the intervals."),
            "{said}"
        );
    }
}
