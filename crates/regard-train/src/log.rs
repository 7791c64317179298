//! The lines of a run's logs, and what a program may show while it trains.

use std::fs::{self, File, OpenOptions};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use regard_decode::{Checkpoint, DecodeError, RunDirectory, write_atomically};
use regard_text::corpus::ReadReport;
use regard_text::store::ExampleStore;
use serde::{Deserialize, Serialize};

use crate::checkpoint::read_state;
use crate::{TrainError, Validation, Warning};

/// One line of `log.jsonl`: only what a rerun repeats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct LogLine {
    pub(crate) step: u64,
    pub(crate) epoch: u64,
    /// Mean over the tokens since the last line.
    pub(crate) nats: f64,
    pub(crate) tokens: usize,
    pub(crate) learning_rate: f64,
    pub(crate) gradient_norm: f64,
}

/// One line of `timing.jsonl`: what no rerun repeats.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct TimingLine {
    pub(crate) step: u64,
    /// Seconds of training, validation and checkpoints left out, over all sessions of the run.
    pub(crate) seconds: f64,
    /// Real target tokens per second since the last line.
    pub(crate) target_tokens_per_second: f64,
    /// Share of the time that went into making batches.
    #[serde(default)]
    pub(crate) input_share: Option<f64>,
    /// High-water resident memory of the process; absent where the system does not tell.
    pub(crate) peak_memory_mib: Option<f64>,
}

/// What the training of a run cost up to its last checkpoint.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TrainingCost {
    /// Seconds, validation and checkpoints left out.
    pub seconds: f64,
    /// Real target tokens per second, as a mean over all of training; `None` where the log is missing.
    pub target_tokens_per_second: Option<f64>,
    /// High-water resident memory of the process that had most, where a line of `timing.jsonl` tells.
    pub peak_memory_mib: Option<f64>,
}

impl TrainingCost {
    /// What the last checkpoint and the logs say; `None` where no checkpoint has a state.
    ///
    /// # Errors
    ///
    /// [`TrainError::Damaged`] if a file cannot be read.
    pub fn read(run: &RunDirectory) -> Result<Option<Self>, TrainError> {
        let timing: Vec<TimingLine> = read_lines(&run.timing(), u64::MAX)?;
        let peaks = timing.iter().filter_map(|line| line.peak_memory_mib);
        let step = match run.find(Checkpoint::Last) {
            Err(DecodeError::NoCheckpoint { .. }) => return Ok(None),
            found => found?,
        };
        let Some(state) = read_state(run, step)? else {
            return Ok(None);
        };
        // Lines are written every so many steps; the state counts what came behind the last.
        let logged: Vec<LogLine> = read_lines(&run.log(), step)?;
        let tokens = logged.iter().map(|line| line.tokens).sum::<usize>() + state.logged_tokens;
        let speed = tokens as f64 / state.seconds.max(f64::MIN_POSITIVE);
        Ok(Some(Self {
            seconds: state.seconds,
            target_tokens_per_second: run.log().exists().then_some(speed),
            peak_memory_mib: peaks.reduce(f64::max),
        }))
    }
}

/// Where training stands.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Updates made.
    pub step: u64,
    /// Updates after which training ends.
    pub steps: u64,
    /// Passes over the corpus begun, from 1.
    pub epoch: u64,
    /// Loss of this update, nats per token, unsmoothed.
    pub nats: f64,
    /// Real target tokens of this update.
    pub tokens: usize,
}

/// What training tells whoever watches; every method does nothing unless it is overridden.
pub trait Report {
    /// The training pairs are cut into ids, or were before.
    fn read(&mut self, _examples: &ExampleStore) {}
    /// The corpora are read; a model with so many parameters will be trained.
    fn started(&mut self, _parameters: usize, _train: &ReadReport, _valid: usize) {}
    /// An update was made.
    fn stepped(&mut self, _progress: &Progress) {}
    /// Lines of the log and of the timing were written: their numbers by key.
    fn logged(&mut self, _step: u64, _numbers: &[(String, f64)]) {}
    /// A validation was made; `best` if none was better.
    fn validated(&mut self, _validation: &Validation, _best: bool) {}
    /// There is something to look at.
    fn warned(&mut self, _step: u64, _warning: &Warning) {}
    /// A checkpoint was written.
    fn saved(&mut self, _step: u64) {}
}

/// The step of a line, and every other number of it by its key, in the order of the alphabet.
pub(crate) fn numbers(line: &impl Serialize) -> (u64, Vec<(String, f64)>) {
    let value = serde_json::to_value(line).unwrap_or_default();
    let step = value["step"].as_u64().unwrap_or(0);
    let fields = value.as_object().into_iter().flatten();
    let others = fields.filter(|(key, _)| *key != "step");
    let numbers = others.filter_map(|(key, value)| Some((key.clone(), value.as_f64()?)));
    (step, numbers.collect())
}

/// A file of JSON lines that only grows.
#[derive(Debug)]
pub(crate) struct JsonLines {
    path: PathBuf,
    file: BufWriter<File>,
}

impl JsonLines {
    /// Opens the file for appending, after cutting off every line of a later step than `step`.
    pub(crate) fn open_at(path: PathBuf, step: u64) -> Result<Self, TrainError> {
        cut_back(&path, step)?;
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|source| TrainError::Write {
                path: path.clone(),
                source,
            })?;
        Ok(Self {
            path,
            file: BufWriter::new(file),
        })
    }

    /// Has the system put every line on disk.
    pub(crate) fn sync(&self) -> Result<(), TrainError> {
        self.file
            .get_ref()
            .sync_data()
            .map_err(|source| TrainError::Write {
                path: self.path.clone(),
                source,
            })
    }

    pub(crate) fn write(&mut self, line: &impl Serialize) -> Result<(), TrainError> {
        let written = serde_json::to_writer(&mut self.file, line)
            .map_err(std::io::Error::from)
            .and_then(|()| self.file.write_all(b"\n"))
            .and_then(|()| self.file.flush());
        written.map_err(|source| TrainError::Write {
            path: self.path.clone(),
            source,
        })
    }
}

/// The lines of a file of JSON lines up to `step`; none if the file is not there.
pub(crate) fn read_lines<T: for<'de> Deserialize<'de>>(
    path: &Path,
    step: u64,
) -> Result<Vec<T>, TrainError> {
    kept_lines(path, step)?
        .iter()
        .map(|line| {
            serde_json::from_str(line).map_err(|error| TrainError::Damaged {
                path: path.into(),
                reason: error.to_string(),
            })
        })
        .collect()
}

fn cut_back(path: &Path, step: u64) -> Result<(), TrainError> {
    if !path.exists() {
        return Ok(());
    }
    let mut text = kept_lines(path, step)?.join("\n");
    if !text.is_empty() {
        text.push('\n');
    }
    Ok(write_atomically(path, text.as_bytes())?)
}

/// Lines up to `step`. A process that was killed may have left half a line at the end, which is not one.
fn kept_lines(path: &Path, step: u64) -> Result<Vec<String>, TrainError> {
    #[derive(Deserialize)]
    struct Step {
        step: u64,
    }
    if !path.exists() {
        return Ok(Vec::new());
    }
    let text = fs::read_to_string(path).map_err(|error| TrainError::Damaged {
        path: path.into(),
        reason: error.to_string(),
    })?;
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let mut kept = Vec::new();
    for (i, line) in whole.lines().enumerate() {
        let read: Step = serde_json::from_str(line).map_err(|error| TrainError::Damaged {
            path: path.into(),
            reason: format!("line {}: {error}", i + 1),
        })?;
        if read.step > step {
            break;
        }
        kept.push(line.to_owned());
    }
    Ok(kept)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::RunState;

    #[test]
    fn the_cost_is_that_of_every_step_up_to_the_last_checkpoint() {
        let directory = tempfile::tempdir().unwrap();
        let run = RunDirectory::new(directory.path());
        assert_eq!(TrainingCost::read(&run).unwrap(), None);
        // 100 and 900 tokens in logged steps, 500 behind the last line; step 6 was not kept.
        let log = [(2, 100), (4, 900), (6, 9_000)].map(|(step, tokens)| {
            format!(
                r#"{{"step":{step},"epoch":1,"nats":1.0,"tokens":{tokens},"learning_rate":0.1,"gradient_norm":1.0}}"#
            )
        });
        fs::write(run.log(), log.join("\n") + "\n").unwrap();
        let timing = [(2, 70.0), (4, 50.0)].map(|(step, peak)| {
            format!(
                r#"{{"step":{step},"seconds":1.0,"target_tokens_per_second":1.0,"peak_memory_mib":{peak}}}"#
            )
        });
        fs::write(run.timing(), timing.join("\n") + "\n").unwrap();
        assert_eq!(
            TrainingCost::read(&run).unwrap(),
            None,
            "without a checkpoint"
        );

        fs::create_dir_all(run.checkpoint(5)).unwrap();
        run.point("last", 5).unwrap();
        assert_eq!(TrainingCost::read(&run).unwrap(), None, "without a state");
        let state = RunState {
            step: 5,
            logged_tokens: 500,
            seconds: 5.0,
            ..RunState::default()
        };
        let json = serde_json::to_vec(&state).unwrap();
        fs::write(run.checkpoint(5).join("state.json"), json).unwrap();
        let expected = TrainingCost {
            seconds: 5.0,
            target_tokens_per_second: Some(300.0),
            peak_memory_mib: Some(70.0),
        };
        assert_eq!(TrainingCost::read(&run).unwrap(), Some(expected));
        fs::remove_file(run.log()).unwrap();
        let cost = TrainingCost::read(&run).unwrap().unwrap();
        assert_eq!((cost.seconds, cost.target_tokens_per_second), (5.0, None));
    }

    #[test]
    fn a_reopened_log_forgets_later_steps_and_half_lines() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.jsonl");
        fs::write(&path, "{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n{\"ste").unwrap();
        drop(JsonLines::open_at(path.clone(), 2).unwrap());
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "{\"step\":1}\n{\"step\":2}\n"
        );
    }
}
