//! What `regard check` says of the corpora.

use anyhow::Result;
use regard_text::DataConfig;
use regard_text::corpus::{Pair, ReadReport, Reason, inspect};
use regard_text::store::Unknown;
use regard_text::toy::Split;
use regard_train::Corpora;

use crate::commands::progress::origin_line;
use crate::output::{count, say};

/// A side of a part with more unknown tokens of a hundred is warned of.
const MANY_UNKNOWN: f64 = 1.0;

/// Says what became of the pairs of one part, with the first of those that were left out or cut.
pub(super) fn say_report(name: &str, report: &ReadReport) -> Result<()> {
    let always = [Reason::Empty, Reason::Long];
    let dropped: Vec<String> = Reason::ALL
        .into_iter()
        .filter(|&reason| reason != Reason::Truncated)
        .filter(|reason| always.contains(reason) || report.count(*reason) > 0)
        .map(|reason| format!("{} {}", report.count(reason), reason.name()))
        .collect();
    say(&format!(
        "{name}: {} read, {} kept; dropped: {}; {} truncated",
        count(report.read, "pair"),
        report.kept(),
        dropped.join(", "),
        report.truncated
    ))?;
    for shown in &report.shown {
        let place = if shown.place.is_empty() {
            String::new()
        } else {
            format!("{}: ", shown.place)
        };
        say(&format!(
            "  {}: {place}`{}` -> `{}`",
            shown.reason.name(),
            shown.source,
            shown.target
        ))?;
    }
    Ok(())
}

/// Says where the training examples are, and whether they had to be made.
pub(super) fn say_origin(corpora: &Corpora) -> Result<()> {
    say(&origin_line(&corpora.train))
}

/// Says the share of unknown tokens on both sides of a part; of how many sides it is too large.
pub(super) fn say_unknown(name: &str, sides: [Unknown; 2]) -> Result<usize> {
    let mut many = 0;
    for (side, unknown) in ["source", "target"].into_iter().zip(sides) {
        let percent = unknown.percent();
        say(&format!(
            "  {side} of {name}: {percent:.2} % of {} tokens unknown",
            unknown.tokens
        ))?;
        if percent > MANY_UNKNOWN {
            many += 1;
            say(&format!(
                "warning: the vocabulary cannot spell {percent:.1} % of the {side} of {name}; raise `tokenizer.vocabulary`, \
                 or try another `tokenizer.kind`"
            ))?;
        }
    }
    Ok(many)
}

/// Says what the owner of the corpora may not have meant; how many things.
pub(super) fn say_warnings(data: &DataConfig, corpora: &Corpora) -> Result<usize> {
    let (test, _) = data.read(Split::Test)?.unwrap_or_default();
    let held_out: [(&str, &[Pair]); 2] = [("valid", &corpora.valid_pairs), ("test", &test)];
    let warnings = inspect(&mut data.training_pairs()?, &held_out)?;
    for warning in &warnings {
        say(&format!("warning: {warning}"))?;
        for line in warning.shown() {
            say(&format!("  `{line}`"))?;
        }
    }
    Ok(warnings.len())
}
