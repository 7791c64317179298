//! `regard plot`

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use regard_decode::{RunDirectory, check_writable, write_atomically};
use regard_eval::curves::{self, Point, Run, Score};
use serde_json::{Map, Value};

use crate::cli::{Arguments, PlotOptions};
use crate::commands::run_names;
use crate::output::say;

pub(crate) fn run(options: &PlotOptions, _: &Arguments) -> Result<ExitCode> {
    for path in options.svg.iter().chain(&options.html) {
        check_writable(path)?;
    }
    let runs = run_names(&options.runs)?
        .into_iter()
        .zip(&options.runs)
        .map(|(name, path)| read(name, &RunDirectory::open(path)?))
        .collect::<Result<Vec<Run>>>()?;
    let table = curves::text(&runs)?;
    // A reader of the table who has gone takes no picture with him.
    let printed = say(table.trim_end());
    if let Some(path) = &options.svg {
        write_atomically(path, curves::svg(&runs)?.as_bytes())?;
    }
    if let Some(path) = &options.html {
        write_atomically(path, curves::html(&runs)?.as_bytes())?;
    }
    printed?;
    Ok(ExitCode::SUCCESS)
}

/// What a run has logged.
fn read(name: String, run: &RunDirectory) -> Result<Run> {
    let log = Log::read(&run.log())?;
    let timing = Log::read(&run.timing())?;
    let validation = Log::read(&run.validation())?;
    Ok(Run {
        name,
        loss: log.points("nats"),
        learning_rate: log.points("learning_rate"),
        gradient_norm: log.points("gradient_norm"),
        speed: timing.points("target_tokens_per_second"),
        validation: validation
            .keys()
            .into_iter()
            .filter(|key| !["step", "epoch", "tokens"].contains(&key.as_str()))
            .map(|key| Score {
                points: validation.points(&key),
                name: key,
            })
            .collect(),
    })
}

/// Lines of a file, each with its step.
struct Log(Vec<(u64, Map<String, Value>)>);

impl Log {
    /// Whole lines of a file; none where there is no file. What stands behind the last line end is being written just now, or was
    /// when its process was killed.
    fn read(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Ok(Self(Vec::new()));
        }
        let bytes = fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').unwrap_or(0);
        let mut lines: Vec<(u64, Map<String, Value>)> = Vec::new();
        for (i, line) in bytes[..whole].split(|&byte| byte == b'\n').enumerate() {
            if whole == 0 {
                break;
            }
            let damaged = |what: String| format!("`{}`, line {}: {what}", path.display(), i + 1);
            let object: Map<String, Value> = serde_json::from_slice(line)
                .with_context(|| damaged("expected a JSON object".into()))?;
            let Some(step) = object.get("step").and_then(Value::as_u64) else {
                bail!(damaged("expected a whole number as `step`".into()));
            };
            if let Some((before, _)) = lines.last().filter(|(before, _)| *before >= step) {
                let what = format!("expected a step behind {before}, got {step}");
                bail!(damaged(what));
            }
            lines.push((step, object));
        }
        Ok(Self(lines))
    }

    /// Keys that have a number in some line, in the order of the alphabet.
    fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = Vec::new();
        for (_, line) in &self.0 {
            let numbers = line.iter().filter(|(_, value)| value.is_number());
            keys.extend(numbers.map(|(key, _)| key.clone()));
            keys.sort_unstable();
            keys.dedup();
        }
        keys
    }

    /// The numbers there are under a key.
    fn points(&self, key: &str) -> Vec<Point> {
        let point = |(step, line): &(u64, Map<String, Value>)| {
            let value = line.get(key)?.as_f64()?;
            Some(Point { step: *step, value })
        };
        self.0.iter().filter_map(point).collect()
    }
}
