//! The last and the best of everything, as rows of cells.

use super::panel::{Better, Origin, Panel, panels};
use super::{Point, Run};
use crate::drawing::columns::columns;
use crate::drawing::numbers;

/// One curve.
pub(super) struct Row {
    /// What it shows; empty where it is what the row above shows.
    pub(super) what: String,
    pub(super) run: usize,
    /// The last value and its step, the best and its step; empty where there is no best.
    pub(super) cells: [String; 4],
}

/// Headings of [`Row::cells`].
pub(super) const HEADINGS: [&str; 4] = ["last", "step", "best", "step"];

/// Two spaces between columns, runs by name where there are several.
pub(super) fn text(runs: &[Run]) -> String {
    let several = runs.len() > 1;
    let line = |what: String, run: &str, cells: [String; 4]| {
        let mut line = vec![what];
        line.extend(several.then(|| run.to_owned()));
        line.extend(cells);
        line
    };
    let mut lines = vec![line(String::new(), "run", HEADINGS.map(str::to_owned))];
    for row in rows(&panels(runs)) {
        lines.push(line(row.what, &runs[row.run].name, row.cells));
    }
    columns(&lines, 1 + usize::from(several))
}

/// Curves of the panels, those of one kind together.
pub(super) fn rows(panels: &[Panel<'_>]) -> Vec<Row> {
    let mut rows = Vec::new();
    for panel in panels {
        for origin in [Origin::Training, Origin::Validation] {
            let curves = panel.curves.iter().filter(|curve| curve.origin == origin);
            for (place, curve) in curves.enumerate() {
                let what = if place == 0 {
                    what(panel, origin)
                } else {
                    String::new()
                };
                rows.push(Row {
                    what,
                    run: curve.run,
                    cells: cells(curve.points, panel.better),
                });
            }
        }
    }
    rows
}

fn what(panel: &Panel<'_>, origin: Origin) -> String {
    match (panel.title.split(',').next(), origin) {
        (Some("Loss"), Origin::Training) => "training loss".into(),
        (Some("Loss"), Origin::Validation) => "validation loss".into(),
        // Abbreviations keep their capitals.
        (Some(title), _) if title.chars().filter(|c| c.is_uppercase()).count() > 1 => title.into(),
        (title, _) => title
            .unwrap_or_default()
            .to_lowercase()
            .replace("chrf", "chrF"),
    }
}

fn cells(points: &[Point], better: Option<Better>) -> [String; 4] {
    let last = &points[points.len() - 1];
    let best = better.and_then(|better| best(points, better));
    let value = |point: &Point| numbers::precise(point.value);
    let step = |point: &Point| numbers::grouped(usize::try_from(point.step).unwrap_or(usize::MAX));
    [
        value(last),
        step(last),
        best.map(value).unwrap_or_default(),
        best.map(step).unwrap_or_default(),
    ]
}

/// The first of the best.
pub(super) fn best(points: &[Point], better: Better) -> Option<&Point> {
    points.iter().reduce(|best, point| {
        let is_better = match better {
            Better::Higher => point.value > best.value,
            Better::Lower => point.value < best.value,
        };
        if is_better { point } else { best }
    })
}
