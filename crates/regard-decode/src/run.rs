//! The names of the files in a run directory.

use std::fs;
use std::path::{Path, PathBuf};

use crate::files::{partial_path, read_text, sync_directory};
use crate::{Checkpoint, DecodeError, write_atomically};

/// The newest format of run directories known here; `format` in `config.toml`.
pub const FORMAT: i64 = 1;

/// A directory that holds all of a run: configuration, tokenizer, logs, checkpoints.
#[derive(Clone, Debug)]
pub struct RunDirectory {
    path: PathBuf,
}

impl RunDirectory {
    /// The directory at `path`, which need not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The directory at `path`, which must hold a run.
    ///
    /// # Errors
    ///
    /// [`DecodeError::NotARun`] if it has no configuration.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, DecodeError> {
        let run = Self::new(path);
        if run.config().is_file() {
            Ok(run)
        } else {
            Err(DecodeError::NotARun { path: run.path })
        }
    }

    /// Where the run is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `config.toml`.
    pub fn config(&self) -> PathBuf {
        self.path.join("config.toml")
    }

    /// `log.jsonl`: one object per logged step.
    pub fn log(&self) -> PathBuf {
        self.path.join("log.jsonl")
    }

    /// `timing.jsonl`: what a rerun does not repeat.
    pub fn timing(&self) -> PathBuf {
        self.path.join("timing.jsonl")
    }

    /// `validation.jsonl`: one object per validation.
    pub fn validation(&self) -> PathBuf {
        self.path.join("validation.jsonl")
    }

    /// `samples/`: what the model said at each validation.
    pub fn samples(&self) -> PathBuf {
        self.path.join("samples")
    }

    /// The sample translations of a step.
    pub fn sample(&self, step: u64) -> PathBuf {
        self.samples().join(format!("step-{step:06}.txt"))
    }

    /// `attention/`: what it looked at.
    pub fn attention(&self) -> PathBuf {
        self.path.join("attention")
    }

    /// What it looked at in the sample of that number, from 1.
    pub fn attention_map(&self, step: u64, number: usize) -> PathBuf {
        self.attention()
            .join(format!("step-{step:06}-{number}.svg"))
    }

    /// `tensorboard/`: event files.
    pub fn tensorboard(&self) -> PathBuf {
        self.path.join("tensorboard")
    }

    /// `lock`: held while a process trains here.
    pub fn lock(&self) -> PathBuf {
        self.path.join("lock")
    }

    /// The directory of the checkpoint at `step`.
    pub fn checkpoint(&self, step: u64) -> PathBuf {
        self.checkpoints().join(format!("step-{step:06}"))
    }

    /// The parameters in training of the checkpoint at `step`.
    pub fn parameters(&self, step: u64) -> PathBuf {
        self.checkpoint(step).join("model.safetensors")
    }

    /// Their moving average, which a checkpoint has if its run keeps one.
    pub fn moving_average(&self, step: u64) -> PathBuf {
        self.checkpoint(step).join("ema.safetensors")
    }

    /// The weights of the checkpoint at `step` that inference uses: the moving average where there is one.
    pub fn weights(&self, step: u64) -> PathBuf {
        let average = self.moving_average(step);
        if average.exists() {
            average
        } else {
            self.parameters(step)
        }
    }

    /// The directory of the checkpoint `average`: the mean of several.
    pub fn average(&self) -> PathBuf {
        self.checkpoints().join("average")
    }

    /// The checkpoint that is used where none is asked for: the average of several where there is one, else the best, else
    /// the last.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find).
    pub fn preferred(&self) -> Result<Checkpoint, DecodeError> {
        if self.average().exists() {
            return Ok(Checkpoint::Average);
        }
        match self.find(Checkpoint::Best) {
            Err(DecodeError::NoCheckpoint { .. }) => Ok(Checkpoint::Last),
            found => found.map(|_| Checkpoint::Best),
        }
    }

    /// The file of the weights that `checkpoint` names, and their step; an average has none.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find).
    pub fn locate(&self, checkpoint: Checkpoint) -> Result<(PathBuf, Option<u64>), DecodeError> {
        if checkpoint == Checkpoint::Average && self.average().exists() {
            return Ok((self.average().join("model.safetensors"), None));
        }
        let step = self.find(checkpoint)?;
        Ok((self.weights(step), Some(step)))
    }

    /// Steps that have a whole checkpoint, in order.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Read`] if the directory cannot be listed.
    pub fn steps(&self) -> Result<Vec<u64>, DecodeError> {
        let path = self.checkpoints();
        if !path.exists() {
            return Ok(Vec::new());
        }
        let listed = || -> std::io::Result<Vec<u64>> {
            let mut steps = Vec::new();
            for entry in fs::read_dir(&path)? {
                let name = entry?.file_name();
                let step = name.to_str().and_then(|name| name.strip_prefix("step-"));
                steps.extend(step.and_then(|step| step.parse::<u64>().ok()));
            }
            steps.sort_unstable();
            Ok(steps)
        };
        listed().map_err(|source| DecodeError::Read {
            path: path.clone(),
            source,
        })
    }

    /// The step that `checkpoint` names. Where the file `last` is missing or names nothing, the last is the one with the
    /// highest step: a checkpoint that has its name is whole.
    ///
    /// # Errors
    ///
    /// [`DecodeError::NoCheckpoint`] if there is none; it lists those there are.
    pub fn find(&self, checkpoint: Checkpoint) -> Result<u64, DecodeError> {
        let steps = self.steps()?;
        let found = match checkpoint {
            Checkpoint::Step(step) => Some(step),
            Checkpoint::Last => self
                .read_pointer("last")?
                .filter(|step| steps.contains(step))
                .or(steps.last().copied()),
            Checkpoint::Best => self.read_pointer("best")?,
            Checkpoint::Average => None,
        };
        found
            .filter(|step| steps.contains(step))
            .ok_or_else(|| DecodeError::NoCheckpoint {
                path: self.path.clone(),
                wanted: checkpoint.to_string(),
                steps,
            })
    }

    /// Makes `name` (`best` or `last`) point at the checkpoint at `step`.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Write`].
    pub fn point(&self, name: &str, step: u64) -> Result<(), DecodeError> {
        write_atomically(
            &self.checkpoints().join(name),
            format!("step-{step:06}\n").as_bytes(),
        )
    }

    /// Writes a checkpoint: `write` fills a directory that becomes `step-N` only when it is whole.
    ///
    /// # Errors
    ///
    /// What `write` says, or [`DecodeError::Write`]; earlier checkpoints are untouched.
    pub fn write_checkpoint<E: From<DecodeError>>(
        &self,
        step: u64,
        write: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<(), E> {
        self.write_directory(&self.checkpoint(step), write)
    }

    /// Writes the checkpoint `average` likewise.
    ///
    /// # Errors
    ///
    /// As [`write_checkpoint`](Self::write_checkpoint).
    pub fn write_average(
        &self,
        write: impl FnOnce(&Path) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        self.write_directory(&self.average(), write)
    }

    /// Removes the checkpoint `average`, if there is one.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Write`].
    pub fn remove_average(&self) -> Result<(), DecodeError> {
        if self.average().exists() {
            self.remove(&self.average())?;
        }
        Ok(())
    }

    fn write_directory<E: From<DecodeError>>(
        &self,
        path: &Path,
        write: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<(), E> {
        let partial = partial_path(path);
        let failed = |source| {
            E::from(DecodeError::Write {
                path: path.into(),
                source,
            })
        };
        self.sweep().map_err(failed)?;
        fs::create_dir_all(&partial).map_err(failed)?;
        if let Err(error) = write(&partial) {
            // Frees the space that may be lacking; the error tells the story.
            let _ = fs::remove_dir_all(&partial);
            return Err(error);
        }
        if path.exists() {
            self.remove(path)?;
        }
        fs::rename(&partial, path)
            .and_then(|()| sync_directory(&self.checkpoints()))
            .map_err(failed)
    }

    /// Removes the checkpoint at `step`.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Write`].
    pub fn remove_checkpoint(&self, step: u64) -> Result<(), DecodeError> {
        self.remove(&self.checkpoint(step))
    }

    fn remove(&self, path: &Path) -> Result<(), DecodeError> {
        // Renamed first: half a checkpoint must not go by a whole one's name.
        let mut name = std::ffi::OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(".old");
        let doomed = self.checkpoints().join(name);
        fs::rename(path, &doomed)
            .and_then(|()| fs::remove_dir_all(&doomed))
            .map_err(|source| DecodeError::Write {
                path: path.into(),
                source,
            })
    }

    /// Removes what a process that was killed left half written or half removed.
    fn sweep(&self) -> std::io::Result<()> {
        let checkpoints = self.checkpoints();
        if !checkpoints.exists() {
            return Ok(());
        }
        for entry in fs::read_dir(checkpoints)? {
            let entry = entry?;
            let left_over = entry
                .file_name()
                .to_str()
                .is_some_and(|name| name.starts_with(".step-") || name.starts_with(".average."));
            if left_over && entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else if left_over {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }

    /// The step that `checkpoints/NAME` points at, if the file is there.
    fn read_pointer(&self, name: &str) -> Result<Option<u64>, DecodeError> {
        let path = self.checkpoints().join(name);
        if !path.exists() {
            return Ok(None);
        }
        let text = read_text(&path)?;
        Ok(text
            .trim()
            .strip_prefix("step-")
            .and_then(|step| step.parse().ok()))
    }

    fn checkpoints(&self) -> PathBuf {
        self.path.join("checkpoints")
    }
}
