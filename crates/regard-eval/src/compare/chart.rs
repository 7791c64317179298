//! Curves with their intervals, as SVG inside a page. Colours are those of the page.

use maud::{Markup, html};

use crate::terminal::label::{fit, visible};

/// Styles there are in the page: colours, markers and dashes come round after so many, each on its own turn.
pub(super) const COLOURS: usize = 6;
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
                    (band(run, curve, self.curves.len(), &x, &y))
                }
                @for (run, curve) in self.curves.iter().enumerate() {
                    (line(run, curve, self.curves.len(), &x, &y))
                }
                @for (run, place, from) in self.labels(&y) {
                    @let last = self.curves[run].points.last().map_or(0.0, |point| x.place(point.x));
                    path class=(class("leader", run))
                        d=(format!("M{} {}L{} {}", number(last + 6.0), number(from), number(last + 13.0), number(place))) {}
                    text.label x=(number(last + 16.0)) y=(number(place)) dy="0.35em" {
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

/// Where a point stands; a single point of several runs is moved aside, that none hides another.
fn across(point: &Point, run: usize, runs: usize, alone: bool, x: &Scale) -> f64 {
    let aside = if alone {
        12.0 * (run as f64 - (runs - 1) as f64 / 2.0)
    } else {
        0.0
    };
    x.place(point.x) + aside
}

/// What lies between the ends of the intervals.
fn band(run: usize, curve: &Curve<'_>, runs: usize, x: &Scale, y: &Scale) -> Markup {
    let alone = curve.points.len() == 1;
    let end = |point: &Point, end: usize| {
        let across = across(point, run, runs, alone, x);
        format!(
            "{} {}",
            number(across),
            number(y.place(point.interval[end]))
        )
    };
    let high = curve.points.iter().map(|point| end(point, 1));
    let low = curve.points.iter().rev().map(|point| end(point, 0));
    let outline: Vec<String> = high.chain(low).collect();
    html! {
        @if !alone {
            path class=(class("band", run)) d=(format!("M{}Z", outline.join("L"))) {}
        }
        @for point in &curve.points {
            path class=(class("whisker", run)) d=(format!("M{}L{}", end(point, 0), end(point, 1))) {}
        }
    }
}

fn line(run: usize, curve: &Curve<'_>, runs: usize, x: &Scale, y: &Scale) -> Markup {
    let alone = curve.points.len() == 1;
    let places: Vec<(f64, f64)> = curve
        .points
        .iter()
        .map(|point| (across(point, run, runs, alone, x), y.place(point.y)))
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

/// From values to places in the picture.
struct Scale {
    values: [f64; 2],
    places: [f64; 2],
    logarithmic: bool,
    ticks: Vec<f64>,
}

impl Scale {
    fn lengths(lengths: impl Iterator<Item = f64>, places: [f64; 2]) -> Self {
        let [low, high] = range(lengths);
        let values = if low < high {
            [low, high]
        } else {
            [low - 1.0, high + 1.0]
        };
        let whole = ticks(values, 6)
            .into_iter()
            .filter(|tick| tick.fract() == 0.0);
        Self {
            values,
            places,
            logarithmic: false,
            ticks: whole.collect(),
        }
    }

    /// Logarithmic where the values have no upper bound and lie far apart.
    fn values(values: impl Iterator<Item = f64>, bounds: [f64; 2], places: [f64; 2]) -> Self {
        let unbounded = bounds[1].is_infinite();
        // Beyond this a perplexity is as bad as it gets.
        let [low, high] = range(values.map(|value| value.clamp(bounds[0], 1e9_f64.min(bounds[1]))));
        if unbounded && high > 5.0 * low {
            return Self::logarithmic(low, high, places);
        }
        // A few points at least, lest noise look like news.
        let least = if unbounded { 0.2 } else { 5.0 };
        let margin = (0.04 * (high - low)).max((least - (high - low)) / 2.0);
        let values = [
            (low - margin).max(bounds[0]),
            (high + margin).min(bounds[1]),
        ];
        Self {
            values,
            places,
            logarithmic: false,
            ticks: ticks(values, 5),
        }
    }

    fn logarithmic(low: f64, high: f64, places: [f64; 2]) -> Self {
        let decade = |exponent: i32| [1.0, 2.0, 5.0].map(|n| n * 10_f64.powi(exponent));
        let steps: Vec<f64> = (-1..10).flat_map(decade).collect();
        let below = steps
            .iter()
            .rev()
            .find(|&&step| step <= low)
            .unwrap_or(&low);
        let above = steps.iter().find(|&&step| step >= high).unwrap_or(&high);
        let within = |step: &f64| (below..=above).contains(&step);
        let mut ticks: Vec<f64> = steps.iter().copied().filter(within).collect();
        if ticks.len() > 7 {
            ticks.retain(|tick| tick.log10().fract() == 0.0);
        }
        Self {
            values: [*below, *above],
            places,
            logarithmic: true,
            ticks,
        }
    }

    fn place(&self, value: f64) -> f64 {
        let along = |value: f64| if self.logarithmic { value.ln() } else { value };
        let [low, high] = self.values;
        let share = (along(value.clamp(low, high)) - along(low)) / (along(high) - along(low));
        self.places[0] + share * (self.places[1] - self.places[0])
    }

    /// As many decimals as tell the ticks apart.
    fn label(&self, tick: f64) -> String {
        let step = match self.ticks.as_slice() {
            [first, second, ..] if !self.logarithmic => second - first,
            _ => tick,
        };
        match step {
            1.0.. => format!("{tick:.0}"),
            0.1..1.0 => format!("{tick:.1}"),
            _ => format!("{tick:.2}"),
        }
    }
}

/// The least and the largest; there must be one.
fn range(values: impl Iterator<Item = f64>) -> [f64; 2] {
    values.fold([f64::INFINITY, f64::NEG_INFINITY], |[low, high], value| {
        [low.min(value), high.max(value)]
    })
}

/// About `wanted` round numbers within.
fn ticks([low, high]: [f64; 2], wanted: usize) -> Vec<f64> {
    let rough = (high - low) / wanted as f64;
    let power = 10_f64.powf(rough.log10().floor());
    let factors = [1.0, 2.0, 5.0, 10.0];
    let factor = factors
        .iter()
        .find(|&&factor| factor * power >= rough * 0.999);
    let step = factor.unwrap_or(&10.0) * power;
    let (first, last) = ((low / step).ceil(), (high / step + 1e-9).floor());
    let mut ticks = Vec::new();
    let mut tick = first;
    while tick <= last {
        // A multiple of the step, as exact as it can be.
        ticks.push(if step >= 1.0 {
            tick * step
        } else {
            tick / (1.0 / step).round()
        });
        tick += 1.0;
    }
    ticks
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "these numbers are exact")]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        assert_eq!(ticks([38.0, 100.0], 5), [40.0, 60.0, 80.0, 100.0]);
        assert_eq!(ticks([3.7, 28.4], 6), [5.0, 10.0, 15.0, 20.0, 25.0]);
        assert_eq!(ticks([1.0, 1.2], 5), [1.0, 1.05, 1.1, 1.15, 1.2]);
    }

    #[test]
    fn values_far_apart_without_a_bound_are_drawn_on_a_logarithm() {
        let scale = Scale::values([1.1, 40.0].into_iter(), [1.0, f64::INFINITY], [200.0, 0.0]);
        assert_eq!(scale.ticks, [1.0, 2.0, 5.0, 10.0, 20.0, 50.0]);
        assert!((scale.place(1.0) - 200.0).abs() < 1e-9 && scale.place(50.0).abs() < 1e-9);
        assert!((scale.place(50.0_f64.sqrt()) - 100.0).abs() < 1e-9);
        let near = Scale::values([1.1, 1.3].into_iter(), [1.0, f64::INFINITY], [200.0, 0.0]);
        assert!(!near.logarithmic);
        let absurd = Scale::values(
            [1.0, f64::MAX].into_iter(),
            [1.0, f64::INFINITY],
            [200.0, 0.0],
        );
        assert!(absurd.ticks.len() > 3 && absurd.place(f64::MAX).abs() < 1e-9);
    }

    #[test]
    fn equal_values_are_drawn_in_the_middle_of_a_few_points() {
        let scale = Scale::values([50.0].into_iter(), [0.0, 100.0], [200.0, 0.0]);
        assert!((scale.place(50.0) - 100.0).abs() < 1e-9);
        assert_eq!(scale.values, [47.5, 52.5]);
        let top = Scale::values([100.0].into_iter(), [0.0, 100.0], [200.0, 0.0]);
        assert_eq!(top.values, [97.5, 100.0]);
    }

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
