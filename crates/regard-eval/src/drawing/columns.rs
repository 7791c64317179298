//! Rows of cells as text, for a terminal.

use unicode_width::UnicodeWidthStr;

/// Rows with their columns one below the other: the first few to the left, the others to the right.
pub(crate) fn columns(rows: &[Vec<String>], to_the_left: usize) -> String {
    let widths: Vec<usize> = (0..rows[0].len())
        .map(|i| rows.iter().map(|row| row[i].width()).max().unwrap_or(0))
        .collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (i, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let blank = " ".repeat(width - cell.width());
            if i > 0 {
                line.push_str("  ");
            }
            if i < to_the_left {
                line.push_str(cell);
                line.push_str(&blank);
            } else {
                line.push_str(&blank);
                line.push_str(cell);
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
