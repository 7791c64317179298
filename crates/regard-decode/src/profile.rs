//! Where the time of a step goes, as benchmarks tell it.

use regard_kernels::Profiled;
use serde::Serialize;

/// One kind of work.
#[derive(Clone, Debug, Serialize)]
pub struct ProfileLine {
    /// What it is.
    pub name: String,
    /// How often a step does it.
    pub calls: f64,
    /// Milliseconds of a step.
    pub milliseconds: f64,
}

/// What was `measured` over a number of steps that took `seconds` together, for one of them, the longest first. A last
/// kind is everything else, so that times add up.
pub fn profile_lines(
    measured: &[(&str, Profiled)],
    seconds: f64,
    steps: usize,
) -> Vec<ProfileLine> {
    let steps = steps as f64;
    let line = |name: &str, calls: u64, seconds: f64| ProfileLine {
        name: name.into(),
        calls: calls as f64 / steps,
        milliseconds: 1000.0 * seconds / steps,
    };
    let mut lines: Vec<ProfileLine> = measured
        .iter()
        .map(|(name, work)| line(name, work.calls, work.time.as_secs_f64()))
        .collect();
    let named: f64 = measured
        .iter()
        .map(|(_, work)| work.time.as_secs_f64())
        .sum();
    lines.push(line("everything else", 0, seconds - named));
    lines.sort_by(|a, b| b.milliseconds.total_cmp(&a.milliseconds));
    lines
}
