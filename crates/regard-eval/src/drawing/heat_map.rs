//! Attention as a grid of cells, as SVG inside a page or alone.

use maud::{Markup, html};
use unicode_width::UnicodeWidthStr;

use super::sheet::{self, Content};
use crate::terminal::label::{fit, on_one_line, visible};

/// Columns a label may have.
const LONGEST_LABEL: usize = 14;

/// Of the heading of a file.
const HEADING_FONT: f64 = 13.0;

/// Weights below are not drawn: the eye would not see them.
const FAINTEST: f32 = 0.01;

/// Weights from here on say what they are when pointed at.
const TOLD: f32 = 0.1;

/// What one target sentence looked at in its source.
pub(crate) struct HeatMap<'a> {
    /// Unique in the page.
    pub(crate) id: &'a str,
    pub(crate) title: &'a str,
    /// Columns, S of them.
    pub(crate) source: &'a [String],
    /// Rows, T of them.
    pub(crate) target: &'a [String],
    /// `[T, S]`
    pub(crate) weights: &'a [f32],
}

impl HeatMap<'_> {
    /// Inside a page.
    pub(crate) fn draw(&self) -> Markup {
        let drawing = self.drawing();
        let [width, height] = drawing.size;
        let (title, description) = (format!("{}-title", self.id), format!("{}-desc", self.id));
        html! {
            svg.heat viewBox=(format!("0 0 {width:.1} {height:.1}")) width=(format!("{width:.0}")) role="img"
                font-size=(format!("{:.1}", drawing.font))
                aria-labelledby=(format!("{title} {description}")) {
                title id=(title) { (self.title) }
                desc id=(description) { (self.description()) }
                (drawing.cells)
            }
        }
    }

    /// As a file of its own.
    pub(crate) fn picture(&self) -> String {
        const MARGIN: f64 = 12.0;
        const HEADING: f64 = 26.0;
        let drawing = self.drawing();
        let heading = on_one_line(self.title);
        // A letter of a heading is about half as wide as high.
        let heading_width = 0.55 * HEADING_FONT * heading.width() as f64;
        let [width, height] = drawing.size;
        let size = [
            width.max(heading_width) + 2.0 * MARGIN,
            height + HEADING + 2.0 * MARGIN,
        ];
        let body = html! {
            title { (heading) }
            desc { (self.description()) }
            text x=(MARGIN) y=(MARGIN + HEADING_FONT) font-size=(HEADING_FONT) { (heading) }
            g transform=(format!("translate({MARGIN} {})", MARGIN + HEADING)) { (drawing.cells) }
        };
        sheet::picture(size, Content::HeatMap, drawing.font, &body)
    }

    fn drawing(&self) -> Drawing {
        let label = |token: &String| fit(&visible(token), LONGEST_LABEL);
        let source: Vec<String> = self.source.iter().map(label).collect();
        let target: Vec<String> = self.target.iter().map(label).collect();
        let size = Geometry::of(&source, &target);
        let Geometry {
            cell, left, top, ..
        } = size;
        let (width, height) = (cell * source.len() as f64, cell * target.len() as f64);
        let cells = html! {
            rect.ground x=(format!("{left:.1}")) y=(format!("{top:.1}"))
                width=(format!("{width:.1}")) height=(format!("{height:.1}")) {}
            @for (column, label) in source.iter().enumerate() {
                @let x = left + cell * (column as f64 + 0.6);
                @let y = top - 4.0;
                text.token transform=(format!("translate({x:.1} {y:.1})rotate(-60)")) { (label) }
            }
            @for (row, label) in target.iter().enumerate() {
                @let y = top + cell * (row as f64 + 0.5);
                text.token x=(format!("{:.1}", left - 5.0)) y=(format!("{y:.1}"))
                    dy="0.35em" text-anchor="end" { (label) }
            }
            @for (row, weights) in self.weights.chunks(source.len().max(1)).enumerate() {
                @for (column, &weight) in weights.iter().enumerate().filter(|(_, weight)| **weight >= FAINTEST) {
                    @let x = left + cell * column as f64;
                    @let y = top + cell * row as f64;
                    rect.weight x=(format!("{x:.1}")) y=(format!("{y:.1}"))
                        width=(cell) height=(cell) fill-opacity=(format!("{:.2}", weight.min(1.0))) {
                        @if weight >= TOLD {
                            title { (visible(&self.target[row])) " \u{2190} " (visible(&self.source[column])) ": " (format!("{weight:.2}")) }
                        }
                    }
                }
            }
        };
        Drawing {
            cells,
            size: [size.width, size.height],
            font: size.font,
        }
    }

    /// Where each token looked most, for who cannot see it.
    fn description(&self) -> String {
        let rows = self
            .target
            .iter()
            .zip(self.weights.chunks(self.source.len().max(1)));
        let looked = rows.filter_map(|(target, weights)| {
            let most = (0..weights.len()).max_by(|&a, &b| weights[a].total_cmp(&weights[b]))?;
            Some(format!(
                "{} at {}",
                visible(target),
                visible(&self.source[most])
            ))
        });
        format!("Most weight: {}.", looked.collect::<Vec<_>>().join(", "))
    }
}

/// Labels and cells, and the room they take.
struct Drawing {
    cells: Markup,
    size: [f64; 2],
    font: f64,
}

struct Geometry {
    cell: f64,
    font: f64,
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Geometry {
    /// Of a map with these labels.
    fn of(source: &[String], target: &[String]) -> Self {
        let cell = match source.len().max(target.len()) {
            ..=12 => 18.0,
            13..=20 => 15.0,
            21..=32 => 13.0,
            _ => 11.0,
        };
        let font = f64::clamp(cell * 0.72, 8.5, 12.0);
        let widest = |labels: &[String]| {
            let widths = labels.iter().map(|label| label.width());
            0.6 * font * widths.max().unwrap_or(0) as f64
        };
        // Labels of the source rise at 60 degrees, beyond the last column.
        let rise = widest(source);
        let (left, top) = (widest(target) + 8.0, 0.87 * rise + font);
        Self {
            cell,
            font,
            left,
            top,
            width: left + cell * source.len() as f64 + 0.5 * rise + 2.0,
            height: top + cell * target.len() as f64 + 2.0,
        }
    }
}
