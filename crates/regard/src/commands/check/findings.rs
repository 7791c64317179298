//! What `regard check` finds: told line by line, or all of it as one object.

use std::fmt;

use anyhow::Result;
use regard_text::corpus::ReadReport;
use serde::Serialize;

use crate::output::say;

#[derive(Default, Serialize)]
pub(super) struct Findings {
    pub(super) train: Part,
    pub(super) valid: Part,
    pub(super) test_pairs: usize,
    pub(super) vocabulary: Vocabulary,
    pub(super) batches: usize,
    pub(super) longest: usize,
    pub(super) parameters: usize,
    pub(super) memory_mib: Option<f64>,
    pub(super) warnings: Vec<String>,
    #[serde(skip)]
    silent: bool,
}

/// What became of the pairs of a part of the data.
#[derive(Default, Serialize)]
pub(super) struct Part {
    read: usize,
    kept: usize,
    truncated: usize,
    dropped: Dropped,
    /// Of source and target.
    pub(super) unknown_percent: [f64; 2],
}

#[derive(Default, Serialize)]
struct Dropped {
    empty: usize,
    script: usize,
    identical: usize,
    duplicate: usize,
    long: usize,
    ratio: usize,
}

#[derive(Default, Serialize)]
pub(super) struct Vocabulary {
    pub(super) source: usize,
    pub(super) target: usize,
    pub(super) shared: bool,
}

impl Findings {
    /// None so far. `silent`: nothing is to be told until all are there.
    pub(super) fn new(silent: bool) -> Self {
        Self {
            silent,
            ..Self::default()
        }
    }

    /// Tells a line.
    pub(super) fn tell(&self, line: &str) -> Result<()> {
        if self.silent { Ok(()) } else { say(line) }
    }

    /// Tells a warning and notes it.
    pub(super) fn warn(&mut self, warning: String) -> Result<()> {
        self.tell(&format!("warning: {warning}"))?;
        self.warnings.push(warning);
        Ok(())
    }
}

impl Part {
    pub(super) fn of(report: &ReadReport) -> Self {
        Self {
            read: report.read,
            kept: report.kept(),
            truncated: report.truncated,
            dropped: Dropped {
                empty: report.dropped_empty,
                script: report.dropped_script,
                identical: report.dropped_identical,
                duplicate: report.dropped_duplicate,
                long: report.dropped_long,
                ratio: report.dropped_ratio,
            },
            unknown_percent: [0.0; 2],
        }
    }
}

impl fmt::Display for Vocabulary {
    fn fmt(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        if self.shared {
            write!(formatter, "{} shared", self.source)
        } else {
            write!(formatter, "{} source, {} target", self.source, self.target)
        }
    }
}
