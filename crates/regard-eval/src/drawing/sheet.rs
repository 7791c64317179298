//! What is drawn on: a page or a picture that needs nothing else, in the colours of light, dark and print.

use std::fmt::Write;

use maud::{DOCTYPE, Markup, PreEscaped, html};

/// Colours there are for runs.
pub(crate) const RUN_COLOURS: usize = 6;

/// Names of the colours; those of runs come last.
const NAMES: [&str; 13] = [
    "ground", "ink", "quiet", "rule", "grid", "panel", "heat", "run-0", "run-1", "run-2", "run-3",
    "run-4", "run-5",
];

type Colours = [&'static str; NAMES.len()];

const LIGHT: Colours = [
    "#fff", "#1b1f24", "#5a6370", "#d9dde2", "#e9ecef", "#f5f7f9", "#08519c", "#0072b2", "#d55e00",
    "#00805c", "#aa3377", "#8a6d00", "#4d4d4d",
];
const DARK: Colours = [
    "#15181c", "#e6e9ed", "#9aa4b0", "#353c45", "#262c33", "#1d2126", "#8ec5ff", "#56b4e9",
    "#f0894a", "#35c79a", "#e08bbd", "#d8be4a", "#b9bec4",
];
const PRINT: Colours = [
    "#fff", "#000", "#444", "#bbb", "#e2e2e2", "#f6f6f6", "#08519c", "#0072b2", "#d55e00",
    "#00805c", "#aa3377", "#8a6d00", "#4d4d4d",
];

const PAGE: &str = include_str!("page.css");
/// One rule a line.
const CHART: &str = include_str!("chart.css");
/// One rule a line.
const HEAT: &str = include_str!("heat.css");

/// A page of HTML: no network, no script, no font. `style` is for what it has besides charts, maps and tables.
pub(crate) fn page(title: &str, style: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(variables())) (PreEscaped(CHART)) (PreEscaped(HEAT)) (PreEscaped(PAGE)) (PreEscaped(style)) }
            }
            body { main { (body) } }
        }
    };
    page.into_string()
}

/// What stands on a picture.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Content {
    Charts,
    HeatMap,
}

/// A file of SVG. Its colours are written out: few programs but browsers know variables.
pub(crate) fn picture(size: [f64; 2], content: Content, font: f64, body: &Markup) -> String {
    let [width, height] = size.map(f64::ceil);
    let rules = match content {
        Content::Charts => CHART,
        Content::HeatMap => HEAT,
    };
    let style = format!(
        "{}@media (prefers-color-scheme: dark) {{\n{}}}\n",
        plain(rules, &LIGHT),
        plain(rules, &DARK)
    );
    let picture = html! {
        svg xmlns="http://www.w3.org/2000/svg" viewBox=(format!("0 0 {width} {height}"))
            width=(width) height=(height) font-family="system-ui, sans-serif" font-size=(font) {
            style { (PreEscaped(style)) }
            rect.sheet width=(width) height=(height) {}
            (body)
        }
    };
    let text = picture.into_string() + "\n";
    text.chars()
        .map(|c| if is_xml(c) { c } else { '\u{fffd}' })
        .collect()
}

/// Whether XML 1.0 can hold a character at all.
fn is_xml(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// The colours as variables of a page.
fn variables() -> String {
    let list = |colours: &Colours| {
        let named = NAMES.iter().zip(colours);
        named.fold(String::new(), |mut out, (name, colour)| {
            let _ = write!(out, " --{name}: {colour};");
            out
        })
    };
    let mut style = format!(":root {{ color-scheme: light dark;{} }}\n", list(&LIGHT));
    for (query, colours) in [("(prefers-color-scheme: dark)", &DARK), ("print", &PRINT)] {
        let _ = writeln!(style, "@media {query} {{ :root {{{} }} }}", list(colours));
    }
    for run in 0..RUN_COLOURS {
        let _ = writeln!(style, ".run-{run} {{ --run: var(--run-{run}); }}");
    }
    style
}

/// Rules without variables: those of runs once for each colour.
fn plain(rules: &str, colours: &Colours) -> String {
    let named = |name: &str| {
        let place = NAMES.iter().position(|other| *other == name);
        place.map_or("none", |place| colours[place])
    };
    let mut style = format!(
        ".sheet {{ fill: {}; }}\ntext {{ fill: {}; }}\n",
        named("ground"),
        named("ink")
    );
    for rule in rules.lines() {
        let rule = NAMES
            .iter()
            .zip(colours)
            .fold(rule.to_owned(), |rule, (name, colour)| {
                rule.replace(&format!("var(--{name})"), colour)
            });
        if rule.contains("var(--run)") {
            for run in 0..RUN_COLOURS {
                let of_run = rule.replacen(" {", &format!(".run-{run} {{"), 1);
                style += &of_run.replace("var(--run)", named(&format!("run-{run}")));
                style.push('\n');
            }
        } else {
            style += &rule;
            style.push('\n');
        }
    }
    style
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_write_every_colour_out() {
        for content in [Content::Charts, Content::HeatMap] {
            let picture = picture([10.0, 20.0], content, 12.0, &html! {});
            assert!(!picture.contains("var("), "{picture}");
            assert!(picture.contains(DARK[0]) && picture.contains(LIGHT[1]));
        }
        let charts = plain(CHART, &LIGHT);
        assert!(
            charts.contains(".curve.run-5 { fill: none; stroke: #4d4d4d;"),
            "{charts}"
        );
    }

    #[test]
    fn pages_know_every_variable_they_name() {
        let page = page("t", "", &html! {});
        for named in page.split("var(--").skip(1) {
            let name = named.split(')').next().unwrap();
            assert!(page.contains(&format!("--{name}: ")), "{name}");
        }
    }
}
