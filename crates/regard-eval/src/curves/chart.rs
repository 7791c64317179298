//! One chart: curves of runs against steps, as SVG. Colours are those of the sheet.

use maud::{Markup, html};

use super::panel::{Curve, Origin, Panel};
use super::thin::{smooth, thin};
use super::{Point, Run, table};
use crate::drawing::marks::{CHARACTER, class, label, labels, lead, marker, number};
use crate::drawing::numbers;
use crate::drawing::scale::Scale;

pub(super) const WIDTH: f64 = 420.0;
pub(super) const HEIGHT: f64 = 250.0;
const LEFT: f64 = 46.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 38.0;

/// Columns that a curve is thinned to: about one for each point of its width.
const BINS: u16 = 300;

/// With so many validations or fewer, each has its marker; of more, the last one.
const MARKED: usize = 40;

/// The chart of a panel; all charts of a sheet end at the same `steps`.
pub(super) fn draw(panel: &Panel<'_>, runs: &[Run], steps: u64) -> Markup {
    let names = Names::of(panel, runs);
    let longest = names.longest();
    let right = if longest == 0 {
        14.0
    } else {
        24.0 + CHARACTER * longest as f64
    };
    let [floor, edge] = [HEIGHT - BOTTOM, WIDTH - right];
    let x = Scale::counts([0.0, steps as f64].into_iter(), [LEFT, edge]);
    let values = panel.curves.iter().flat_map(|curve| curve.points);
    let zero = panel.from_zero.then_some(0.0);
    let values = values.map(|point| point.value).chain(zero);
    let y = Scale::values(values, panel.extent, [floor, TOP]);
    let place = |point: &Point| (x.place(point.step as f64), y.place(point.value));
    let ends = names.ends.iter().enumerate().filter_map(|(i, end)| {
        let last = end.curve.points.last()?;
        (!end.name.is_empty()).then(|| (i, place(last).1))
    });
    html! {
        @for tick in &y.ticks {
            @let at = number(y.place(*tick));
            line.grid x1=(LEFT) x2=(number(edge)) y1=(at) y2=(at) {}
            text.tick x=(LEFT - 6.0) y=(at) dy="0.35em" text-anchor="end" { (y.label(*tick)) }
        }
        @for tick in &x.ticks {
            @let at = number(x.place(*tick));
            line.axis x1=(at) x2=(at) y1=(floor) y2=(floor + 4.0) {}
            text.tick x=(at) y=(floor + 16.0) text-anchor="middle" { (x.label(*tick)) }
        }
        line.axis x1=(LEFT) x2=(number(edge)) y1=(floor) y2=(floor) {}
        text.tick x=(number(f64::midpoint(LEFT, edge))) y=(HEIGHT - 4.0) text-anchor="middle" { "step" }
        @for curve in &panel.curves { (faint(curve, mean(panel, curve).is_some(), place)) }
        @for curve in &panel.curves { (solid(curve, mean(panel, curve).as_deref(), place)) }
        @for end in labels(ends, floor) {
            @let (curve, name) = (names.ends[end.curve].curve, &names.ends[end.curve].name);
            @let begin = curve.points.last().map_or(edge, |last| place(last).0) + 6.0;
            (lead(curve.run, name, &end, begin, edge + 18.0))
        }
    }
}

/// The last and best values, for who cannot see the curves.
pub(super) fn description(panel: &Panel<'_>, runs: &[Run]) -> String {
    let curves = panel.curves.iter().map(|curve| {
        let origin = match (curve.origin, both(panel)) {
            (Origin::Training, true) => " in training",
            (Origin::Validation, true) => " in validation",
            (_, false) => "",
        };
        let value = |point: &Point| {
            let step = usize::try_from(point.step).unwrap_or(usize::MAX);
            let (value, step) = (numbers::precise(point.value), numbers::grouped(step));
            format!("{value} at step {step}")
        };
        let best = panel
            .better
            .and_then(|better| table::best(curve.points, better));
        let best = best.map_or(String::new(), |best| format!(", best {}", value(best)));
        let last = curve.points.last().map_or(String::new(), value);
        format!("{}{origin}: {last}{best}.", runs[curve.run].name)
    });
    curves.collect::<Vec<_>>().join(" ")
}

/// Whether a panel has curves of both origins.
pub(super) fn both(panel: &Panel<'_>) -> bool {
    let has = |origin| panel.curves.iter().any(|curve| curve.origin == origin);
    has(Origin::Training) && has(Origin::Validation)
}

/// What stands at the ends of the curves.
struct Names<'a> {
    ends: Vec<End<'a>>,
}

struct End<'a> {
    curve: Curve<'a>,
    name: String,
}

impl<'a> Names<'a> {
    /// Runs by name, at their last curve; origins where there is one run; nothing where there is one curve.
    fn of(panel: &Panel<'a>, runs: &[Run]) -> Self {
        let several = runs.len() > 1;
        let mut ends: Vec<End<'a>> = Vec::new();
        for &curve in &panel.curves {
            let name = match curve.origin {
                _ if several => label(&runs[curve.run].name),
                _ if !both(panel) => String::new(),
                Origin::Training => "training".into(),
                Origin::Validation => "validation".into(),
            };
            if several {
                ends.retain(|end| end.curve.run != curve.run);
            }
            ends.push(End { curve, name });
        }
        Self { ends }
    }

    fn longest(&self) -> usize {
        let lengths = self.ends.iter().map(|end| end.name.chars().count());
        lengths.max().unwrap_or(0)
    }
}

/// What is drawn in place of a long curve that jumps.
fn mean(panel: &Panel<'_>, curve: &Curve<'_>) -> Option<Vec<Point>> {
    let jumps = panel.noisy && curve.origin == Origin::Training;
    jumps.then(|| smooth(curve.points)).flatten()
}

/// Every value behind a mean.
fn faint(curve: &Curve<'_>, has_mean: bool, place: impl Fn(&Point) -> (f64, f64)) -> Markup {
    html! {
        @if has_mean {
            path class=(class("faint", curve.run)) d=(path(&thin(curve.points, BINS), place)) {}
        }
    }
}

fn solid(
    curve: &Curve<'_>,
    mean: Option<&[Point]>,
    place: impl Fn(&Point) -> (f64, f64),
) -> Markup {
    let points = thin(mean.unwrap_or(curve.points), BINS);
    let kind = match curve.origin {
        Origin::Training => "logged",
        Origin::Validation => "curve",
    };
    let marked = match curve.origin {
        Origin::Validation if points.len() <= MARKED => points.as_slice(),
        Origin::Validation => &points[points.len() - 1..],
        // A single point makes no line.
        Origin::Training if points.len() == 1 => points.as_slice(),
        Origin::Training => &[],
    };
    html! {
        path class=(class(kind, curve.run)) d=(path(&points, &place)) {}
        @for point in marked {
            @let (x, y) = place(point);
            (marker(curve.run, x, y))
        }
    }
}

fn path(points: &[Point], place: impl Fn(&Point) -> (f64, f64)) -> String {
    let places: Vec<String> = points
        .iter()
        .map(|point| {
            let (x, y) = place(point);
            format!("{} {}", number(x), number(y))
        })
        .collect();
    format!("M{}", places.join("L"))
}
