//! The two streams: results on stdout, everything else on stderr.

use std::io::{self, IsTerminal, Write};

use anyhow::{Context, Result};

/// Writes a line to stdout.
///
/// # Errors
///
/// If stdout cannot take it; a closed pipe ends the program quietly.
pub(crate) fn say(line: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}").context("cannot write standard output")
}

/// Writes a line to stderr; where that cannot take it, there is nobody left to tell.
pub(crate) fn complain(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// `1 line`, `2 lines`.
pub(crate) fn count(n: usize, thing: &str) -> String {
    let plural = if n == 1 { "" } else { "s" };
    format!("{n} {thing}{plural}")
}

/// Whether stdout may be coloured.
pub(crate) fn colour() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Columns of the terminal, or 100 where there is none.
pub(crate) fn width() -> usize {
    match console::Term::stdout().size_checked() {
        Some((_, columns)) => usize::from(columns),
        None => 100,
    }
}
