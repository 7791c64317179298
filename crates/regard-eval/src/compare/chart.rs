//! Curves with their intervals, as SVG inside a page. Colours are those of the page.

mod scale;

use maud::{Markup, html};
use scale::Scale;

use crate::terminal::label::{fit, visible};

/// Styles there are in the page: colours, markers and dashes come round after so many, each on its own turn.
const COLOURS: usize = 6;
const MARKERS: usize = 5;
const DASHES: [&str; 4] = ["none", "7 3", "2 3", "8 3 2 3"];

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 270.0;
const LEFT: f64 = 42.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;
/// Room for one character of a label, and for a line of them.
const CHARACTER: f64 = 6.6;
const LINE: f64 = 14.0;
const LONGEST_LABEL: usize = 16;

/// A value at a length, and the interval around it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) interval: [f64; 2],
}

/// The points of one run.
pub(super) struct Curve<'a> {
    pub(super) name: &'a str,
    pub(super) points: Vec<Point>,
}

/// One score of all runs against length.
pub(super) struct Chart<'a> {
    /// Unique in the page.
    pub(super) id: &'a str,
    pub(super) title: &'a str,
    pub(super) curves: Vec<Curve<'a>>,
    /// Least and most the score can be.
    pub(super) bounds: [f64; 2],
    /// Shows a value in words.
    pub(super) number: fn(f64) -> String,
}

impl Chart<'_> {
    pub(super) fn draw(&self) -> Markup {
        let points = || self.curves.iter().flat_map(|curve| &curve.points);
        let longest = self
            .curves
            .iter()
            .map(|curve| label(curve.name).chars().count());
        let right = 20.0 + CHARACTER * longest.max().unwrap_or(0) as f64;
        let x = Scale::lengths(points().map(|point| point.x), [LEFT + 8.0, WIDTH - right]);
        let y = Scale::values(
            points().flat_map(|point| [point.interval[0], point.interval[1], point.y]),
            self.bounds,
            [HEIGHT - BOTTOM, TOP],
        );
        let last = points().map(|point| x.place(point.x)).fold(0.0, f64::max);
        let labels_at = last + self.aside(self.curves.len() - 1);
        let (title, description) = (format!("{}-title", self.id), format!("{}-desc", self.id));
        let [floor, edge] = [HEIGHT - BOTTOM, WIDTH - right + 8.0];
        html! {
            svg.chart viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img"
                aria-labelledby=(format!("{title} {description}")) {
                title id=(title) { (self.title) " against source length" }
                desc id=(description) { (self.description()) }
                @for tick in &y.ticks {
                    @let place = number(y.place(*tick));
                    line.grid x1=(LEFT) x2=(number(edge)) y1=(place) y2=(place) {}
                    text.tick x=(LEFT - 6.0) y=(place) dy="0.35em" text-anchor="end" { (y.label(*tick)) }
                }
                @for tick in &x.ticks {
                    @let place = number(x.place(*tick));
                    line.axis x1=(place) x2=(place) y1=(floor) y2=(floor + 4.0) {}
                    text.tick x=(place) y=(floor + 16.0) text-anchor="middle" { (x.label(*tick)) }
                }
                line.axis x1=(LEFT) x2=(number(edge)) y1=(floor) y2=(floor) {}
                text.tick x=(number(f64::midpoint(LEFT, edge))) y=(HEIGHT - 6.0) text-anchor="middle" {
                    "source length, words"
                }
                @for (run, curve) in self.curves.iter().enumerate() {
                    (band(run, curve, |point| x.place(point.x) + self.aside(run), &y))
                }
                @for (run, curve) in self.curves.iter().enumerate() {
                    (line(run, curve, |point| x.place(point.x) + self.aside(run), &y))
                }
                @for (run, place, from) in self.labels(&y) {
                    @let begin = last + self.aside(run) + 6.0;
                    path class=(class("leader", run))
                        d=(format!("M{} {}L{} {}", number(begin), number(from), number(labels_at + 13.0), number(place))) {}
                    text.label x=(number(labels_at + 16.0)) y=(number(place)) dy="0.35em" {
                        (label(self.curves[run].name))
                    }
                }
            }
        }
    }

    /// The numbers, for who cannot see them.
    fn description(&self) -> String {
        let curves = self.curves.iter().map(|curve| {
            let points = curve
                .points
                .iter()
                .map(|point| format!("{} at {:.0} words", (self.number)(point.y), point.x));
            format!("{}: {}.", curve.name, points.collect::<Vec<_>>().join(", "))
        });
        curves.collect::<Vec<_>>().join(" ")
    }

    /// How far the points of a run stand aside: where all have but one, none is to hide another.
    fn aside(&self, run: usize) -> f64 {
        let alone = self.curves.iter().all(|curve| curve.points.len() == 1);
        let middle = (self.curves.len() - 1) as f64 / 2.0;
        if alone {
            12.0 * (run as f64 - middle)
        } else {
            0.0
        }
    }

    /// Each run with the height of its label, far enough from the others, and that of its last point.
    fn labels(&self, y: &Scale) -> Vec<(usize, f64, f64)> {
        let mut labels: Vec<(usize, f64, f64)> = self
            .curves
            .iter()
            .enumerate()
            .filter_map(|(run, curve)| {
                let place = y.place(curve.points.last()?.y);
                Some((run, place, place))
            })
            .collect();
        labels.sort_by(|a, b| a.1.total_cmp(&b.1));
        for i in 1..labels.len() {
            labels[i].1 = labels[i].1.max(labels[i - 1].1 + LINE);
        }
        // What was pushed out at the bottom goes up again, and pushes what is above it.
        let mut lowest = HEIGHT - BOTTOM;
        for label in labels.iter_mut().rev() {
            label.1 = label.1.min(lowest);
            lowest = label.1 - LINE;
        }
        labels
    }
}

/// A line with its marker, as a key to the charts.
pub(super) fn sample(run: usize) -> Markup {
    html! {
        svg.sample viewBox="0 0 36 14" aria-hidden="true" {
            path class=(class("curve", run)) stroke-dasharray=(DASHES[run % DASHES.len()]) d="M1 7H35" {}
            (marker(run, 18.0, 7.0))
        }
    }
}

fn label(name: &str) -> String {
    fit(&visible(name), LONGEST_LABEL)
}

fn class(part: &str, run: usize) -> String {
    format!("{part} run-{}", run % COLOURS)
}

/// What lies between the ends of the intervals.
fn band(run: usize, curve: &Curve<'_>, x: impl Fn(&Point) -> f64, y: &Scale) -> Markup {
    let end = |point: &Point, end: usize| {
        format!(
            "{} {}",
            number(x(point)),
            number(y.place(point.interval[end]))
        )
    };
    let high = curve.points.iter().map(|point| end(point, 1));
    let low = curve.points.iter().rev().map(|point| end(point, 0));
    let outline: Vec<String> = high.chain(low).collect();
    html! {
        path class=(class("band", run)) d=(format!("M{}Z", outline.join("L"))) {}
        @for point in &curve.points {
            path class=(class("whisker", run)) d=(format!("M{}L{}", end(point, 0), end(point, 1))) {}
        }
    }
}

fn line(run: usize, curve: &Curve<'_>, x: impl Fn(&Point) -> f64, y: &Scale) -> Markup {
    let places: Vec<(f64, f64)> = curve
        .points
        .iter()
        .map(|point| (x(point), y.place(point.y)))
        .collect();
    let path: Vec<String> = places
        .iter()
        .map(|(x, y)| format!("{} {}", number(*x), number(*y)))
        .collect();
    html! {
        path class=(class("curve", run)) stroke-dasharray=(DASHES[run % DASHES.len()])
            d=(format!("M{}", path.join("L"))) {}
        @for (x, y) in places { (marker(run, x, y)) }
    }
}

/// A circle, a square, a triangle, a diamond or a triangle on its head.
fn marker(run: usize, x: f64, y: f64) -> Markup {
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

/// Two decimals, and none where there are none.
fn number(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_equal_curves_do_not_overlap() {
        for y in [0.0, 50.0, 100.0] {
            let point = Point {
                x: 3.0,
                y,
                interval: [y, y],
            };
            let curve = |name| Curve {
                name,
                points: vec![point, Point { x: 9.0, ..point }],
            };
            let chart = Chart {
                id: "c",
                title: "t",
                curves: ["a", "b", "c", "d"].map(curve).into(),
                bounds: [0.0, 100.0],
                number: crate::compare::numbers::score,
            };
            let scale = Scale::values([y].into_iter(), [0.0, 100.0], [HEIGHT - BOTTOM, TOP]);
            let labels = chart.labels(&scale);
            assert_eq!(labels.len(), 4);
            for pair in labels.windows(2) {
                assert!(pair[1].1 - pair[0].1 >= LINE - 1e-9, "{labels:?}");
            }
            assert!(
                labels.iter().all(|label| label.1 <= HEIGHT - BOTTOM),
                "{labels:?}"
            );
        }
    }
}
