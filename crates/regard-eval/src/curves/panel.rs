//! Which charts some runs make.

use super::{Point, Run};
use crate::drawing::scale::Extent;

/// Which end of a scale is the good one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Better {
    Higher,
    Lower,
}

/// How a curve came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// Every so many steps of training, with all their noise.
    Training,
    /// At each validation.
    Validation,
}

/// One thing of one run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Curve<'a> {
    /// Place of the run.
    pub(super) run: usize,
    pub(super) origin: Origin,
    /// At least one.
    pub(super) points: &'a [Point],
}

/// One chart.
#[derive(Debug)]
pub(super) struct Panel<'a> {
    pub(super) title: String,
    pub(super) better: Option<Better>,
    pub(super) extent: Extent,
    /// Whether the scale begins at 0: a rate, whose differences should not look larger than they are.
    pub(super) from_zero: bool,
    /// Whether what training logs of it jumps from line to line, so that its mean tells more.
    pub(super) noisy: bool,
    /// At least one.
    pub(super) curves: Vec<Curve<'a>>,
}

impl Panel<'_> {
    /// What is drawn in words.
    pub(super) fn note(&self) -> &'static str {
        match self.better {
            Some(Better::Higher) => ", higher is better",
            Some(Better::Lower) => ", lower is better",
            None => "",
        }
    }
}

/// What is known about a score by its name in the log.
struct Known {
    title: String,
    better: Option<Better>,
    extent: Extent,
}

fn known(name: &str) -> Known {
    let (title, better, extent) = match name {
        "nats" => (
            "Loss, nats per token",
            Some(Better::Lower),
            Extent::POSITIVE,
        ),
        "perplexity" => ("Perplexity", Some(Better::Lower), Extent::PERPLEXITY),
        "bleu" => ("BLEU", Some(Better::Higher), Extent::PERCENT),
        "chrf" => ("chrF", Some(Better::Higher), Extent::PERCENT),
        "chrf++" => ("chrF++", Some(Better::Higher), Extent::PERCENT),
        "ter" => ("TER", Some(Better::Lower), Extent::AMOUNT),
        "accuracy" => ("Accuracy", Some(Better::Higher), Extent::AMOUNT),
        "exact_match" => ("Exact match, %", Some(Better::Higher), Extent::PERCENT),
        other => {
            return Known {
                title: other.replace('_', " "),
                better: None,
                extent: Extent::ANY,
            };
        }
    };
    Known {
        title: title.to_owned(),
        better,
        extent,
    }
}

/// The name of the loss among the scores.
const LOSS: &str = "nats";

type Pick = fn(&Run) -> &[Point];

/// Loss first, then the scores of validations, then what explains them; a chart of which no run has a point is left out.
pub(super) fn panels(runs: &[Run]) -> Vec<Panel<'_>> {
    let mut names: Vec<&str> = vec![LOSS];
    for score in runs.iter().flat_map(|run| &run.validation) {
        if !names.contains(&score.name.as_str()) {
            names.push(&score.name);
        }
    }
    let scores = names.into_iter().map(|name| {
        let Known {
            title,
            better,
            extent,
        } = known(name);
        let mut curves = Vec::new();
        for (place, run) in runs.iter().enumerate() {
            if name == LOSS {
                curves.extend(curve(place, Origin::Training, &run.loss));
            }
            let score = run.validation.iter().find(|score| score.name == name);
            curves.extend(score.and_then(|score| curve(place, Origin::Validation, &score.points)));
        }
        Panel {
            title,
            better,
            extent,
            from_zero: false,
            noisy: true,
            curves,
        }
    });
    let logged: [(&str, Extent, [bool; 2], Pick); 3] = [
        ("Gradient norm", Extent::POSITIVE, [false, true], |run| {
            &run.gradient_norm
        }),
        ("Learning rate", Extent::AMOUNT, [true, false], |run| {
            &run.learning_rate
        }),
        (
            "Target tokens per second",
            Extent::AMOUNT,
            [true, true],
            |run| &run.speed,
        ),
    ];
    let logged = logged
        .into_iter()
        .map(|(title, extent, [from_zero, noisy], pick)| {
            let runs = runs.iter().enumerate();
            Panel {
                title: title.to_owned(),
                better: None,
                extent,
                from_zero,
                noisy,
                curves: runs
                    .filter_map(|(place, run)| curve(place, Origin::Training, pick(run)))
                    .collect(),
            }
        });
    scores
        .chain(logged)
        .filter(|panel| !panel.curves.is_empty())
        .collect()
}

fn curve(run: usize, origin: Origin, points: &[Point]) -> Option<Curve<'_>> {
    (!points.is_empty()).then_some(Curve {
        run,
        origin,
        points,
    })
}
