//! What `regard check` says of the corpora.

use anyhow::Result;
use regard_text::DataConfig;
use regard_text::corpus::{Pair, ReadReport, Reason, inspect};
use regard_text::store::Unknown;
use regard_text::toy::Split;
use regard_train::Corpora;

use super::findings::Findings;
use crate::commands::progress::origin_line;
use crate::output::count;

/// A side of a part with more unknown tokens of a hundred is warned of.
const MANY_UNKNOWN: f64 = 1.0;

/// Tells what became of the pairs of one part, with the first of those that were left out or cut.
pub(super) fn tell_report(findings: &Findings, name: &str, report: &ReadReport) -> Result<()> {
    let always = [Reason::Empty, Reason::Long];
    let dropped: Vec<String> = Reason::ALL
        .into_iter()
        .filter(|&reason| reason != Reason::Truncated)
        .filter(|reason| always.contains(reason) || report.count(*reason) > 0)
        .map(|reason| format!("{} {}", report.count(reason), reason.name()))
        .collect();
    findings.tell(&format!(
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
        findings.tell(&format!(
            "  {}: {place}`{}` -> `{}`",
            shown.reason.name(),
            shown.source,
            shown.target
        ))?;
    }
    Ok(())
}

/// Tells where the training examples are, and whether they had to be made.
pub(super) fn tell_origin(findings: &Findings, corpora: &Corpora) -> Result<()> {
    findings.tell(&origin_line(&corpora.train))
}

/// Tells the share of unknown tokens on both sides of a part, and warns of one that is too large.
pub(super) fn tell_unknown(findings: &mut Findings, name: &str, sides: [Unknown; 2]) -> Result<()> {
    for (side, unknown) in ["source", "target"].into_iter().zip(sides) {
        let percent = unknown.percent();
        findings.tell(&format!(
            "  {side} of {name}: {percent:.2} % of {} tokens unknown",
            unknown.tokens
        ))?;
        if percent > MANY_UNKNOWN {
            findings.warn(format!(
                "the vocabulary cannot spell {percent:.1} % of the {side} of {name}; raise `tokenizer.vocabulary`, \
                 or try another `tokenizer.kind`"
            ))?;
        }
    }
    Ok(())
}

/// Warns of what the owner of the corpora may not have meant.
pub(super) fn warn(findings: &mut Findings, data: &DataConfig, corpora: &Corpora) -> Result<()> {
    let (test, _) = data.read(Split::Test)?.unwrap_or_default();
    let held_out: [(&str, &[Pair]); 2] = [("valid", &corpora.valid_pairs), ("test", &test)];
    for warning in inspect(&mut data.training_pairs()?, &held_out)? {
        findings.warn(warning.to_string())?;
        for line in warning.shown() {
            findings.tell(&format!("  `{line}`"))?;
        }
    }
    Ok(())
}
