//! A run from its first step, or from its last checkpoint, to its end.

use std::fs::{self, File, TryLockError};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;

use burn::module::Module;
use burn::tensor::{DType, Device};
use regard_decode::{
    BundleConfig, Checkpoint, DecodeError, Problems, RunDirectory, load_parameters,
    load_tokenizers, peak_memory_mib, write_atomically,
};
use regard_nn::{Init, Model, Precision};
use regard_text::Tokenizers;
use regard_text::corpus::PairStream;

use crate::checkpoint::{self, RunState};
use crate::feed::{Feed, Position};
use crate::learner::Learner;
use crate::session::Session;
use crate::validation::rehearse;
use crate::{
    Corpora, MovingAverage, Optimizer, Report, RunConfig, TeacherForcing, TrainConfig, TrainError,
    Trainer, prepare_corpora,
};

/// What [`train`] needs besides the configuration.
#[derive(Clone, Debug)]
pub struct TrainOptions {
    /// The run directory.
    pub run: PathBuf,
    /// Continue from the last checkpoint; without it, the directory must not hold a run.
    pub resume: bool,
    /// A run whose tokenizers and weights the new one begins with.
    pub init: Option<PathBuf>,
    /// Where to compute, without autodiff: at least one. Each has its share of every update's rows; the first also validates.
    pub devices: Vec<Device>,
}

/// How [`train`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All steps are made.
    Finished,
    /// All steps had been made before.
    NothingToDo,
    /// `train.patience` validations in a row were no better than the best.
    StoppedEarly,
    /// `stop` was set; a checkpoint was written.
    Stopped,
}

/// Trains a run to `train.steps`, or until `stop` is set.
///
/// # Errors
///
/// Whatever is wrong with configuration, data or directory is found before the first step; see [`TrainError`].
///
/// # Panics
///
/// If the options name no device.
pub fn train(
    config: RunConfig,
    options: &TrainOptions,
    stop: &AtomicBool,
    report: &mut dyn Report,
) -> Result<Outcome, TrainError> {
    let run = RunDirectory::new(&options.run);
    let mut problems = Problems::default();
    config.check(&mut problems);
    let config = problems.or(&run.config(), config)?.resolved();

    check_precision(config.train.precision, &options.devices)?;

    // Looked for before the lock, so that a wrong name leaves no trace, and after it, since another process may have
    // been faster.
    check_existence(&run, options.resume)?;
    fs::create_dir_all(run.path()).map_err(|source| TrainError::Write {
        path: run.path().into(),
        source,
    })?;
    let _lock = lock(&run)?;
    check_existence(&run, options.resume)?;
    let config = if options.resume {
        config.resuming(&RunConfig::load(&run.config(), &[])?)?
    } else if let Some(init) = &options.init {
        let earlier = RunDirectory::open(init)?;
        config.beginning(BundleConfig::read(&earlier.config())?)
    } else {
        config
    };

    let corpora = prepare_corpora(&config.data, |pairs| {
        tokenizers(&run, &config, options, pairs)
    })?;
    report.read(&corpora.train);
    let (mut learner, state) = begin(&run, &config, &corpora, options)?;
    learner.trainer = learner.trainer.with_copies(&options.devices[1..]);
    write_atomically(&run.config(), config.to_toml().as_bytes())?;
    report.started(
        learner.trainer.model().num_params(),
        corpora.train.report(),
        corpora.valid.len(),
    );
    if state.step >= config.train.steps {
        return Ok(Outcome::NothingToDo);
    }
    if state.is_exhausted(config.train.patience) {
        return Ok(Outcome::StoppedEarly);
    }
    Session::new(&run, &config, &corpora, &options.devices, state, report)?.run(learner, stop)
}

/// High-water resident memory that training will need, in MiB: measured, by what a run begins with, the probe of a batch at
/// least as large as any that comes and two updates, and by the largest part of a validation. `None` where the system does
/// not tell. The process keeps what it needed: call this last.
///
/// # Errors
///
/// [`TrainError::NotFinite`] if a new model's loss is not; those of reading the batch, and of translating.
pub fn measure_memory(
    config: &RunConfig,
    corpora: &Corpora,
    device: &Device,
) -> Result<Option<f64>, TrainError> {
    check_precision(config.train.precision, std::slice::from_ref(device))?;
    let train = &config.train;
    let (optimizer, average) = checkpoint::nothing_kept(train);
    let mut learner = learner(train, model(config, corpora, device), optimizer, average, 0);
    let mut feed = Feed::new(
        config,
        corpora,
        std::slice::from_ref(device),
        Position::default(),
    );
    learner.trainer.probe(&feed.worst()?);
    for _ in 0..2 {
        let (updated, outcome) = learner.begin_update(&feed.next(train.accumulate)?)?;
        learner = updated;
        outcome.read()?;
    }
    rehearse(&learner.evaluated(), config, corpora, device)?;
    Ok(peak_memory_mib())
}

/// Devices must have the float type of activations.
pub(crate) fn check_precision(precision: Precision, devices: &[Device]) -> Result<(), TrainError> {
    let has_it = |device: &Device| device.supports_dtype(DType::BF16);
    match precision {
        Precision::Bf16 if !devices.iter().all(has_it) => Err(TrainError::NoBf16),
        _ => Ok(()),
    }
}

/// A new model.
fn model(config: &RunConfig, corpora: &Corpora, device: &Device) -> Model {
    config.model.init(
        corpora.tokenizers.source().vocabulary_size(),
        corpora.tokenizers.target().vocabulary_size(),
        &Init::new(config.train.seed, &device.clone().autodiff()),
    )
}

/// A resumed run must be there, a new one must not.
fn check_existence(run: &RunDirectory, resume: bool) -> Result<(), TrainError> {
    let path = run.path().to_path_buf();
    let holds_a_run = run.config().exists();
    match resume {
        true if !holds_a_run => Err(TrainError::NothingToResume { path }),
        // Checkpoints without a configuration are somebody's, too.
        false if holds_a_run || !run.steps()?.is_empty() => Err(TrainError::RunExists { path }),
        _ => Ok(()),
    }
}

/// Holds the run directory against other processes until it is dropped; the system frees it if the process dies.
fn lock(run: &RunDirectory) -> Result<File, TrainError> {
    let path = run.lock();
    let failed = |source| TrainError::Write {
        path: path.clone(),
        source,
    };
    let file = File::create(&path).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(TrainError::Locked {
            path: run.path().into(),
        }),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Those of the run, of the run it begins with, those of files, or new ones trained on `pairs`; they cut at random where the
/// configuration says so.
fn tokenizers(
    run: &RunDirectory,
    config: &RunConfig,
    options: &TrainOptions,
    pairs: &mut PairStream,
) -> Result<Tokenizers, TrainError> {
    let load = |run: &RunDirectory| load_tokenizers(run, &config.tokenizer, &config.model);
    let plain = if options.resume {
        load(run)?
    } else {
        let tokenizers = match &options.init {
            Some(init) => load(&RunDirectory::open(init)?)?,
            None => pairs.train_tokenizers(&config.tokenizer)?,
        };
        tokenizers.save(run.path())?;
        tokenizers
    };
    Ok(plain.sampled(&config.tokenizer)?)
}

/// The learner at the last checkpoint, or at step 0.
fn begin(
    run: &RunDirectory,
    config: &RunConfig,
    corpora: &Corpora,
    options: &TrainOptions,
) -> Result<(Learner, RunState), TrainError> {
    let train = &config.train;
    let model = model(config, corpora, &options.devices[0]);
    let last = match run.find(Checkpoint::Last) {
        Ok(step) => Some(step),
        // A run that was killed before its first checkpoint begins again.
        Err(DecodeError::NoCheckpoint { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let corpus = corpora.train.digest().to_owned();
    if let Some(step) = last {
        let (model, optimizer, average, state) = checkpoint::load(run, step, model, train)?;
        if state.corpus != corpus {
            return Err(TrainError::CorpusChanged {
                path: run.path().into(),
                step: state.step,
            });
        }
        // A process that was killed may have written the best checkpoint, but not yet its name.
        if let Some(best) = state.best.filter(|best| run.checkpoint(best.step).exists()) {
            run.point("best", best.step)?;
        }
        let mut learner = learner(train, model, optimizer, average, state.step);
        learner.trainer = learner.trainer.with_plateau(state.plateau);
        return Ok((learner, state));
    }
    let state = RunState {
        corpus,
        ..RunState::default()
    };
    let model = match &options.init {
        Some(init) => {
            let earlier = RunDirectory::open(init)?;
            let (weights, _) = earlier.locate(earlier.preferred()?)?;
            load_parameters(model, &weights)?
        }
        None => model,
    };
    let (optimizer, average) = checkpoint::nothing_kept(train);
    let learner = learner(train, model, optimizer, average, 0);
    if options.init.is_some() {
        // A run that is resumed before its first checkpoint must not ask for the other one again.
        checkpoint::save(run, &learner, &state)?;
    }
    Ok((learner, state))
}

fn learner(
    train: &TrainConfig,
    model: Model,
    optimizer: Optimizer,
    average: Option<MovingAverage>,
    step: u64,
) -> Learner {
    let objective = TeacherForcing {
        smoothing: train.label_smoothing,
        r_drop: train.r_drop,
    };
    Learner {
        trainer: Trainer::new(objective, train.clone(), model, optimizer, step),
        average,
    }
}
