//! How one run is told from another: colour, dashes, markers, and a label at the end of its curve.

use maud::{Markup, html};

use super::sheet::RUN_COLOURS;
use crate::terminal::label::{fit, visible};

/// Styles there are: colours, markers and dashes come round after so many, each on its own turn.
const MARKERS: usize = 5;
const DASHES: [&str; 4] = ["none", "7 3", "2 3", "8 3 2 3"];

/// Room for one character of a label, and for a line of them.
pub(crate) const CHARACTER: f64 = 6.6;
pub(crate) const LINE: f64 = 14.0;
const LONGEST_LABEL: usize = 16;

/// A run's name behind its line and marker. Lines through many points are told apart without `dashes`.
pub(crate) fn key(run: usize, name: &str, dashes: &str) -> Markup {
    html! {
        span.key {
            svg.sample viewBox="0 0 36 14" aria-hidden="true" {
                path class=(class("curve", run)) stroke-dasharray=(dashes) d="M1 7H35" {}
                (marker(run, 18.0, 7.0))
            }
            bdi { (name) }
        }
    }
}

pub(crate) fn label(name: &str) -> String {
    fit(&visible(name), LONGEST_LABEL)
}

pub(crate) fn class(part: &str, run: usize) -> String {
    format!("{part} run-{}", run % RUN_COLOURS)
}

pub(crate) fn dashes(run: usize) -> &'static str {
    DASHES[run % DASHES.len()]
}

/// A circle, a square, a triangle, a diamond or a triangle on its head.
pub(crate) fn marker(run: usize, x: f64, y: f64) -> Markup {
    let at = |x: f64, y: f64| format!("{} {}", number(x), number(y));
    let polygon = |corners: &[(f64, f64)]| {
        let corners: Vec<String> = corners.iter().map(|(dx, dy)| at(x + dx, y + dy)).collect();
        format!("M{}Z", corners.join("L"))
    };
    let path = match run % MARKERS {
        0 => format!(
            "M{}a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0 -7.2 0Z",
            at(x - 3.6, y)
        ),
        1 => polygon(&[(-3.3, -3.3), (3.3, -3.3), (3.3, 3.3), (-3.3, 3.3)]),
        2 => polygon(&[(0.0, -4.4), (4.2, 3.2), (-4.2, 3.2)]),
        3 => polygon(&[(0.0, -4.8), (4.8, 0.0), (0.0, 4.8), (-4.8, 0.0)]),
        _ => polygon(&[(0.0, 4.4), (4.2, -3.2), (-4.2, -3.2)]),
    };
    html! { path class=(class("marker", run)) d=(path) {} }
}

/// A name, and the end of its curve.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Label {
    /// Place of the curve in its list.
    pub(crate) curve: usize,
    /// Height of the label.
    pub(crate) place: f64,
    /// Height of the end of the curve.
    pub(crate) from: f64,
}

/// A label for each curve, far enough from the others and above `floor`; `ends` are heights of the ends.
pub(crate) fn labels(ends: impl Iterator<Item = (usize, f64)>, floor: f64) -> Vec<Label> {
    let mut labels: Vec<Label> = ends
        .map(|(curve, end)| Label {
            curve,
            place: end,
            from: end,
        })
        .collect();
    labels.sort_by(|a, b| a.place.total_cmp(&b.place));
    for i in 1..labels.len() {
        labels[i].place = labels[i].place.max(labels[i - 1].place + LINE);
    }
    // What was pushed out at the bottom goes up again, and pushes what is above it.
    let mut lowest = floor;
    for label in labels.iter_mut().rev() {
        label.place = label.place.min(lowest);
        lowest = label.place - LINE;
    }
    labels
}

/// A name behind a line that leads to the end of its curve at `begin`.
pub(crate) fn lead(run: usize, name: &str, label: &Label, begin: f64, at: f64) -> Markup {
    let (from, place) = (number(label.from), number(label.place));
    html! {
        path class=(class("leader", run))
            d=(format!("M{} {from}L{} {place}", number(begin), number(at - 3.0))) {}
        text.label x=(number(at)) y=(place) dy="0.35em" { (self::label(name)) }
    }
}

/// Two decimals, and none where there are none.
pub(crate) fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_equal_curves_do_not_overlap() {
        for end in [0.0, 115.0, 230.0] {
            let labels = labels((0..4).map(|curve| (curve, end)), 230.0);
            assert_eq!(labels.len(), 4);
            for pair in labels.windows(2) {
                assert!(pair[1].place - pair[0].place >= LINE - 1e-9, "{labels:?}");
            }
            assert!(
                labels.iter().all(|label| label.place <= 230.0),
                "{labels:?}"
            );
        }
    }
}
