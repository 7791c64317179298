//! Curves with their intervals, as SVG inside a page. Colours are those of the page.

use maud::{Markup, html};

use crate::drawing::marks::{CHARACTER, Label, class, dashes, label, labels, lead, marker, number};
use crate::drawing::scale::{Extent, Scale};

const WIDTH: f64 = 420.0;
const HEIGHT: f64 = 270.0;
const LEFT: f64 = 42.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 40.0;

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
    /// What the score can be.
    pub(super) extent: Extent,
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
        let x = Scale::counts(points().map(|point| point.x), [LEFT + 8.0, WIDTH - right]);
        let y = Scale::values(
            points().flat_map(|point| [point.interval[0], point.interval[1], point.y]),
            self.extent,
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
                @for end in self.labels(&y) {
                    @let begin = last + self.aside(end.curve) + 6.0;
                    (lead(end.curve, self.curves[end.curve].name, &end, begin, labels_at + 16.0))
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

    /// Each run's name, at the height of its last point.
    fn labels(&self, y: &Scale) -> Vec<Label> {
        let last = |(run, curve): (usize, &Curve<'_>)| Some((run, y.place(curve.points.last()?.y)));
        labels(
            self.curves.iter().enumerate().filter_map(last),
            HEIGHT - BOTTOM,
        )
    }
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
        path class=(class("curve", run)) stroke-dasharray=(dashes(run))
            d=(format!("M{}", path.join("L"))) {}
        @for (x, y) in places { (marker(run, x, y)) }
    }
}
