//! The charts on one sheet.

use maud::{Markup, html};

use super::chart::{self, HEIGHT, WIDTH, both, description, draw};
use super::panel::{Panel, panels};
use super::{Run, table};
use crate::drawing::marks::{CHARACTER, class, key, label, marker};
use crate::drawing::sheet::{self, Content};

const STYLE: &str = include_str!("page.css");

/// A file of HTML.
pub(super) fn html(runs: &[Run]) -> String {
    let panels = panels(runs);
    let steps = steps(&panels);
    let title = format!("Training: {}", names(runs).join(", "));
    let body = html! {
        header {
            h1 { "Training" }
            p.keys {
                @for (run, name) in names(runs).into_iter().enumerate() { (key(run, name, "none")) }
            }
            p.quiet.wide { (hint(&panels)) }
        }
        div.charts {
            @for (number, panel) in panels.iter().enumerate() {
                @let (title, description) = (format!("chart-{number}-title"), format!("chart-{number}-desc"));
                figure {
                    figcaption { strong { (panel.title) } span.quiet { (panel.note()) } }
                    svg.chart viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) role="img"
                        aria-labelledby=(format!("{title} {description}")) {
                        title id=(title) { (panel.title) " against steps" }
                        desc id=(description) { (chart::description(panel, runs)) }
                        (draw(panel, runs, steps))
                    }
                }
            }
        }
        (table(&panels, runs))
        footer { p { (NOTE) } }
    };
    sheet::page(&title, STYLE, &body)
}

/// A file of SVG: two charts beside each other.
pub(super) fn svg(runs: &[Run]) -> String {
    const MARGIN: f64 = 16.0;
    const GAP: f64 = 28.0;
    const CAPTION: f64 = 22.0;
    const LINE: f64 = 24.0;
    let panels = panels(runs);
    let steps = steps(&panels);
    let columns = panels.len().min(2);
    let wide = WIDTH * columns as f64 + GAP * (columns - 1) as f64;
    let (keys, lines) = keys(&names(runs), wide);
    let head = 30.0 + LINE * lines as f64;
    let rows = panels.len().div_ceil(columns);
    let size = [
        2.0 * MARGIN + wide,
        head + (CAPTION + HEIGHT + GAP) * rows as f64,
    ];
    let body = html! {
        title { "Training: " (names(runs).join(", ")) }
        @for (run, (name, x, line)) in keys.iter().enumerate() {
            g transform=(format!("translate({} {})", MARGIN + x, 26.0 + LINE * *line as f64)) {
                path class=(class("curve", run)) d="M0 0H36" {}
                (marker(run, 18.0, 0.0))
                text x="44" dy="0.35em" font-size="14" { (name) }
            }
        }
        text.tick x=(MARGIN) y=(head) { (hint(&panels)) }
        @for (number, panel) in panels.iter().enumerate() {
            @let (column, row) = (number % columns, number / columns);
            @let x = MARGIN + (WIDTH + GAP) * column as f64;
            @let y = head + GAP / 2.0 + (CAPTION + HEIGHT + GAP) * row as f64;
            g transform=(format!("translate({x} {y})")) {
                desc { (description(panel, runs)) }
                text y="14" font-size="14" { tspan font-weight="600" { (panel.title) } tspan.tick { (panel.note()) } }
                g transform=(format!("translate(0 {CAPTION})")) { (draw(panel, runs, steps)) }
            }
        }
    };
    sheet::picture(size, Content::Charts, 11.5, &body)
}

/// Each name with its place in lines that are `wide`, and the number of lines.
fn keys(names: &[&str], wide: f64) -> (Vec<(String, f64, usize)>, usize) {
    let (mut x, mut line) = (0.0, 0);
    let mut keys = Vec::new();
    for name in names {
        let name = label(name);
        let room = 68.0 + 1.25 * CHARACTER * name.chars().count() as f64;
        if x > 0.0 && x + room > wide {
            (x, line) = (0.0, line + 1);
        }
        keys.push((name, x, line));
        x += room;
    }
    (keys, line + 1)
}

fn names(runs: &[Run]) -> Vec<&str> {
    runs.iter().map(|run| run.name.as_str()).collect()
}

fn steps(panels: &[Panel<'_>]) -> u64 {
    let curves = panels.iter().flat_map(|panel| &panel.curves);
    let last = curves.filter_map(|curve| curve.points.last());
    last.map(|point| point.step).max().unwrap_or(0)
}

/// How to read the curves, as far as these need it.
fn hint(panels: &[Panel<'_>]) -> &'static str {
    if panels.iter().any(both) {
        "Thin lines are training, lines with markers validation. A faint line has every logged value, the one on it their mean."
    } else {
        "A faint line has every logged value, the one on it their mean."
    }
}

const NOTE: &str = "Training loss is measured with dropout, on the text of the moment; validation loss without, always on the same. \
Loss and perplexity are per token: runs that cut text into tokens differently do not compare in them. Speed counts real \
target tokens, validation and checkpoints left out.";

fn table(panels: &[Panel<'_>], runs: &[Run]) -> Markup {
    let several = runs.len() > 1;
    let rows = table::rows(panels);
    html! {
        section aria-labelledby="values" {
            h2 id="values" { "Last and best" }
            div.scroll {
                table {
                    thead { tr {
                        th scope="col" {}
                        @if several { th scope="col" { "run" } }
                        @for name in table::HEADINGS { th.number scope="col" { (name) } }
                    } }
                    @for rows in rows.chunk_by(|_, next| next.what.is_empty()) {
                        tbody {
                            @for (place, row) in rows.iter().enumerate() {
                                tr {
                                    @if place == 0 { th scope="rowgroup" rowspan=(rows.len()) { (row.what) } }
                                    @if several { th scope="row" { (key(row.run, &runs[row.run].name, "none")) } }
                                    @for cell in &row.cells { td.number { (cell) } }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}
