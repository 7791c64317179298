//! What a run needs to go on as if it had never stopped.

use std::path::Path;

use burn::module::Module;
use regard_decode::{RunDirectory, load_parameters, parameters, write_atomically, write_tensors};
use serde::{Deserialize, Serialize};

use crate::learner::Learner;
use crate::{MovingAverage, Optimizer, Plateau, TrainConfig, TrainError, Validation};

/// Everything of a run's state that is not a tensor: `state.json`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RunState {
    /// Updates made.
    pub(crate) step: u64,
    /// Passes over the corpus completed.
    pub(crate) epoch: u64,
    /// Batches of this pass used.
    pub(crate) batch: usize,
    /// Digest of the training examples: `epoch` and `batch` mean nothing on others.
    pub(crate) corpus: String,
    /// Sums since the last line of the log.
    pub(crate) logged_nats: f64,
    pub(crate) logged_tokens: usize,
    /// The best validation so far.
    pub(crate) best: Option<Validation>,
    /// Validations since.
    #[serde(default)]
    pub(crate) waited: u64,
    /// What the schedule knows of validations, if it does.
    #[serde(default, skip_serializing_if = "Plateau::is_new")]
    pub(crate) plateau: Plateau,
    /// Seconds of training; not part of what a rerun repeats.
    pub(crate) seconds: f64,
}

impl RunState {
    /// Whether `patience` validations in a row were no better than the best; never if it is 0.
    pub(crate) fn is_exhausted(&self, patience: u64) -> bool {
        patience > 0 && self.waited >= patience
    }
}

/// Writes a checkpoint and makes `last` point at it.
pub(crate) fn save(
    run: &RunDirectory,
    learner: &Learner,
    state: &RunState,
) -> Result<(), TrainError> {
    let Learner { trainer, average } = learner;
    let parameters = parameters(trainer.model());
    let broken = parameters
        .iter()
        .find(|tensor| !tensor.values.iter().all(|value| value.is_finite()));
    if let Some(tensor) = broken {
        return Err(TrainError::Diverged {
            step: state.step,
            what: format!("the parameter `{}`", tensor.name),
        });
    }
    run.write_checkpoint(state.step, |directory| -> Result<(), TrainError> {
        write_tensors(&directory.join("model.safetensors"), &parameters)?;
        // Before the first update there are parameters and nothing else.
        if state.step > 0 {
            trainer.optimizer().save(&optimizer(directory))?;
            if let Some(average) = average {
                average.save(&directory.join("ema.safetensors"))?;
            }
        }
        let json = serde_json::to_vec_pretty(state).map_err(|error| TrainError::Damaged {
            path: self::state(directory),
            reason: error.to_string(),
        })?;
        Ok(write_atomically(&self::state(directory), &json)?)
    })?;
    Ok(run.point("last", state.step)?)
}

/// Reads the checkpoint at `step`, for a run with `config`.
pub(crate) fn load<M: Module>(
    run: &RunDirectory,
    step: u64,
    model: M,
    config: &TrainConfig,
) -> Result<(M, Optimizer, Option<MovingAverage>, RunState), TrainError> {
    let directory = run.checkpoint(step);
    let model = load_parameters(model, &run.parameters(step))?;
    let (optimizer, average) = if step > 0 {
        let average = (config.ema > 0.0)
            .then(|| MovingAverage::load(config.ema, &model, &run.moving_average(step)))
            .transpose()?;
        let optimizer = Optimizer::load(config.optimizer(), &model, &optimizer(&directory))?;
        (optimizer, average)
    } else {
        nothing_kept(config)
    };
    let state = read_state(run, step)?.ok_or_else(|| TrainError::Damaged {
        path: state(&directory),
        reason: "it is missing".into(),
    })?;
    Ok((model, optimizer, average, state))
}

/// What optimiser and moving average know before the first update.
pub(crate) fn nothing_kept(config: &TrainConfig) -> (Optimizer, Option<MovingAverage>) {
    let average = (config.ema > 0.0).then(|| MovingAverage::new(config.ema));
    (Optimizer::new(config.optimizer()), average)
}

/// The state in the checkpoint at `step`; `None` if it has none.
pub(crate) fn read_state(run: &RunDirectory, step: u64) -> Result<Option<RunState>, TrainError> {
    let path = state(&run.checkpoint(step));
    let damaged = |reason: String| TrainError::Damaged {
        path: path.clone(),
        reason,
    };
    let json = match std::fs::read(&path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|error| damaged(error.to_string()))?,
    };
    let state: RunState =
        serde_json::from_slice(&json).map_err(|error| damaged(error.to_string()))?;
    if state.step != step {
        let reason = format!(
            "expected the state of step {step}, got that of step {}",
            state.step
        );
        return Err(damaged(reason));
    }
    Ok(Some(state))
}

/// Removes all but the last `keep` checkpoints and those that `best` and `last` name.
pub(crate) fn prune(run: &RunDirectory, keep: usize, named: &[u64]) -> Result<(), TrainError> {
    let steps = run.steps()?;
    let old = steps.len().saturating_sub(keep);
    for &step in steps[..old].iter().filter(|step| !named.contains(step)) {
        run.remove_checkpoint(step)?;
    }
    Ok(())
}

fn optimizer(directory: &Path) -> std::path::PathBuf {
    directory.join("optimizer.safetensors")
}

fn state(directory: &Path) -> std::path::PathBuf {
    directory.join("state.json")
}
