//! `docs/weights.md` has the table, and says the truth.

use std::fs;
use std::path::Path;

use super::table::{Form, ROWS, Row};

/// The row as the page has it.
fn rendered(row: &Row) -> String {
    let numbered = |name: &str| name.replace(['#', '+'], "N");
    let quoted = |names: Vec<String>| match names.len() {
        0 => "-".into(),
        _ => format!("`{}`", names.join("`, `")),
    };
    let theirs = match row.form {
        Form::Biases => ["ih", "hh"]
            .map(|of| numbered(row.theirs).replace('*', of))
            .to_vec(),
        _ => vec![numbered(row.theirs)],
    };
    let ours: Vec<String> = row.ours().map(numbered).collect();
    let mut how = match (row.form, ours.len()) {
        (Form::Same, 1) => "as it is",
        (Form::Same, _) => "one behind the other",
        (Form::Outputs, 1) => "transposed",
        (Form::Outputs, _) => "transposed, by outputs",
        (Form::Inputs, _) => "transposed, by inputs",
        (Form::Column, _) => "as a column",
        (Form::Biases, _) => "added",
        (Form::Map, _) => "map",
        (Form::Norm, _) => "norm",
        (Form::Computed, _) => "not read: computed",
    }
    .to_owned();
    if row.theirs.contains('+') {
        how.push_str(", N from 1");
    }
    if let Some(name) = row.without {
        how = format!("{how}, where the model has no `{name}`");
    }
    format!("| {} | {} | {how} |", quoted(theirs), quoted(ours))
}

#[test]
fn the_page_has_every_row_of_the_table_and_no_other() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/weights.md");
    let page = fs::read_to_string(path).unwrap();
    let rows: Vec<&str> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .collect();
    let expected: Vec<String> = ROWS.iter().map(rendered).collect();
    assert_eq!(rows, expected, "expected:\n{}", expected.join("\n"));
}
