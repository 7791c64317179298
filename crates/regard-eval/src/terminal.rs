//! Attention weights drawn with characters, for a terminal.
//!
//! Here: the layout of one map as text. Which map to draw, and whether the stream is a terminal
//! that wants colour, is the caller's business.

pub(crate) mod label;

use unicode_width::UnicodeWidthStr;

use crate::error::EvalError;

/// The smallest [`Style::width`] that has room for a label, a rule and a few cells.
pub const MINIMUM_WIDTH: usize = 12;

/// Terminal columns of one cell; two make it about square, and hold one wide character.
const CELL: usize = 2;

/// Between the labels of the rows and the cells.
const RULE: &str = " \u{2502}";

/// Cells from no weight to the largest; the blank one leaves a dot for the eye to follow.
const SHADES: [&str; 5] = [
    "\u{b7} ",
    "\u{2591}\u{2591}",
    "\u{2592}\u{2592}",
    "\u{2593}\u{2593}",
    "\u{2588}\u{2588}",
];

/// A weight that is not a number must not pass for a small one.
const NOT_FINITE: &str = "? ";

/// Places in the 256-colour palette from cold to hot, readable on light and on dark ground.
const COLOURS: [u8; 5] = [244, 67, 37, 172, 160];
const NOT_FINITE_COLOUR: u8 = 201;

/// What one target sentence looked at in its source.
#[derive(Debug, Clone, Copy)]
pub struct AttentionMap<'a> {
    /// First line of the picture.
    pub title: &'a str,
    /// Tokens attended to, the columns; S of them.
    pub source: &'a [String],
    /// Tokens attending, the rows; T of them.
    pub target: &'a [String],
    /// Weights `[T, S]`, row by row, commonly in `[0, 1]`.
    pub weights: &'a [f32],
}

impl AttentionMap<'_> {
    /// Whether there is a weight for each pair of tokens.
    pub(crate) fn check(&self) -> Result<(), EvalError> {
        let (target_tokens, source_tokens) = (self.target.len(), self.source.len());
        if target_tokens * source_tokens == self.weights.len() {
            return Ok(());
        }
        Err(EvalError::MapShape {
            target_tokens,
            source_tokens,
            weights: self.weights.len(),
        })
    }
}

/// How a map is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Columns of the terminal that may be used, at least [`MINIMUM_WIDTH`]. Default: 80, the
    /// width to assume when there is no terminal to ask.
    pub width: usize,
    /// Whether cells carry ANSI colour besides their shade. Default: `false`.
    pub colour: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            width: 80,
            colour: false,
        }
    }
}

/// Draws an attention map: a row for each target token, a column for each source token, darker
/// where the weight is larger.
///
/// # Behaviour
///
/// - Source tokens are written downward above their column, so every column is two wide whatever
///   its token; long labels are cut, and a mark says so.
/// - No line is wider than [`Style::width`]. Columns that do not fit follow in further panels, each
///   headed by the numbers of its columns.
/// - Shades are relative to the largest weight of the map; the last line says what they stand for.
///   Negative weights count as zero, weights that are not finite are drawn as `?`.
/// - White space in a token is drawn as U+2423, characters that would steer the terminal as U+FFFD.
/// - Width is that of `unicode-width`, ambiguous characters counted narrow. Lines end in `\n` and
///   have no white space before it.
///
/// # Errors
///
/// [`EvalError::MapShape`] if there are not T x S weights, [`EvalError::TooNarrow`] below
/// [`MINIMUM_WIDTH`].
///
/// # Example
///
/// ```
/// use regard_eval::terminal::{AttentionMap, Style, attention_map};
///
/// let (source, target) = (["le".to_owned(), "chat".to_owned()], ["the".to_owned()]);
/// let map = AttentionMap { title: "", source: &source, target: &target, weights: &[0.25, 0.75] };
/// let drawn = attention_map(&map, &Style::default())?;
/// assert_eq!(drawn.lines().filter(|line| line.contains("the │░░██")).count(), 1);
/// # Ok::<(), regard_eval::EvalError>(())
/// ```
pub fn attention_map(map: &AttentionMap<'_>, style: &Style) -> Result<String, EvalError> {
    map.check()?;
    let source = map.source.len();
    if style.width < MINIMUM_WIDTH {
        return Err(EvalError::TooNarrow {
            width: style.width,
            minimum: MINIMUM_WIDTH,
        });
    }

    let names: Vec<String> = map
        .target
        .iter()
        .map(|token| label::fit(&label::visible(token), style.width / 3))
        .collect();
    let margin = names.iter().map(|name| name.width()).max().unwrap_or(0);
    let columns = (style.width - margin - RULE.width()) / CELL;
    let scale = Scale::of(map.weights);

    let mut lines = Vec::new();
    if !map.title.is_empty() {
        lines.push(label::fit(&label::on_one_line(map.title), style.width));
    }
    for first in (0..source).step_by(columns) {
        let last = source.min(first + columns);
        if first > 0 {
            lines.push(String::new());
        }
        if columns < source {
            let range = format!("source {}-{last} of {source}", first + 1);
            lines.push(label::fit(&range, style.width));
        }
        for heads in label::downward(&map.source[first..last]) {
            lines.push(" ".repeat(margin + RULE.width()) + &heads);
        }
        for (weights, name) in map.weights.chunks(source).zip(&names) {
            let cells: String = weights[first..last]
                .iter()
                .map(|&weight| scale.cell(weight, style.colour))
                .collect();
            let indent = " ".repeat(margin - name.width());
            lines.push(format!("{indent}{name}{RULE}{cells}"));
        }
    }
    lines.extend(scale.legend(style));

    Ok(lines
        .iter()
        .flat_map(|line| [line.trim_end(), "\n"])
        .collect())
}

/// What the shades of one map stand for: equal steps from 0 to its largest weight.
struct Scale {
    largest: f32,
}

impl Scale {
    fn of(weights: &[f32]) -> Self {
        let finite = weights.iter().copied().filter(|weight| weight.is_finite());
        Self {
            largest: finite.fold(0.0, f32::max),
        }
    }

    /// Weight that the `level`-th shade stands for.
    fn weight(&self, level: usize) -> f32 {
        self.largest * (level as f32 / (SHADES.len() - 1) as f32)
    }

    /// The shade whose weight is nearest, the darker of two.
    fn level(&self, weight: f32) -> usize {
        (1..SHADES.len())
            .take_while(|&level| {
                weight > 0.0 && weight >= f32::midpoint(self.weight(level - 1), self.weight(level))
            })
            .count()
    }

    fn cell(&self, weight: f32, colour: bool) -> String {
        if weight.is_finite() {
            let level = self.level(weight);
            paint(SHADES[level], COLOURS[level], colour)
        } else {
            paint(NOT_FINITE, NOT_FINITE_COLOUR, colour)
        }
    }

    /// Each shade with its weight, on as many lines as the width asks for.
    fn legend(&self, style: &Style) -> Vec<String> {
        const GAP: &str = "  ";
        let shades = if self.largest > 0.0 { SHADES.len() } else { 1 };
        let number = |weight: f32| match self.largest {
            largest if largest == 0.0 || (0.05..1000.0).contains(&largest) => {
                format!("{weight:.2}")
            }
            _ => format!("{weight:.0e}"),
        };

        let mut lines = Vec::new();
        let (mut line, mut used) = (String::new(), 0);
        for level in 0..shades {
            let number = number(self.weight(level));
            let width = CELL + 1 + number.width();
            if used > 0 && used + GAP.width() + width > style.width {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            if used > 0 {
                line.push_str(GAP);
                used += GAP.width();
            }
            line.push_str(&paint(SHADES[level], COLOURS[level], style.colour));
            line.push(' ');
            line.push_str(&number);
            used += width;
        }
        lines.push(line);
        lines
    }
}

/// A cell with its colour; the blank that fills it up stays outside, to be trimmed.
fn paint(cell: &str, place: u8, colour: bool) -> String {
    if !colour {
        return cell.to_owned();
    }
    let glyphs = cell.trim_end();
    format!("\x1b[38;5;{place}m{glyphs}\x1b[0m{}", &cell[glyphs.len()..])
}

#[cfg(test)]
mod tests;
