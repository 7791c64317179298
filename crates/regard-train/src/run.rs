//! A run from its first step, or from its last checkpoint, to its end.

use std::fs::{self, File, TryLockError};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use burn::module::Module;
use burn::tensor::Device;
use regard_decode::{
    Checkpoint, DecodeError, Problems, RunDirectory, load_tokenizers, peak_memory_mib,
    write_atomically,
};
use regard_nn::Init;
use regard_text::corpus::Pair;
use regard_text::{SpecialIds, Tokenizers};

use crate::checkpoint::{self, RunState};
use crate::data::digest;
use crate::feed::{Feed, Position};
use crate::log::{JsonLines, LogLine, TimingLine, read_lines};
use crate::seeing::Seeing;
use crate::validation::validate;
use crate::{
    Adam, Corpora, Progress, Report, RunConfig, TeacherForcing, TrainError, Trainer, Validation,
    prepare_corpora,
};

/// What [`train`] needs besides the configuration.
#[derive(Clone, Debug)]
pub struct TrainOptions {
    /// The run directory.
    pub run: PathBuf,
    /// Continue from the last checkpoint; without it, the directory must not hold a run.
    pub resume: bool,
    /// Where to compute, without autodiff.
    pub device: Device,
}

/// How [`train`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All steps are made.
    Finished,
    /// All steps had been made before.
    NothingToDo,
    /// `stop` was set; a checkpoint was written.
    Stopped,
}

type ModelTrainer = Trainer<TeacherForcing>;

/// Trains a run to `train.steps`, or until `stop` is set.
///
/// # Errors
///
/// Whatever is wrong with configuration, data or directory is found before the first step; see [`TrainError`].
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
    } else {
        config
    };

    let corpora = prepare_corpora(&config.data, |pairs| {
        tokenizers(&run, &config, options.resume, pairs)
    })?;
    let (trainer, state) = begin(&run, &config, &corpora, options)?;
    write_atomically(&run.config(), config.to_toml().as_bytes())?;
    report.started(
        trainer.model().num_params(),
        &corpora.train_report,
        corpora.valid.len(),
    );
    if state.step >= config.train.steps {
        return Ok(Outcome::NothingToDo);
    }
    Session::new(&run, &config, &corpora, &options.device, state, report)?.run(trainer, stop)
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

/// Those of the run, or new ones trained on `pairs`.
fn tokenizers(
    run: &RunDirectory,
    config: &RunConfig,
    resume: bool,
    pairs: &[Pair],
) -> Result<Tokenizers, TrainError> {
    if resume {
        return Ok(load_tokenizers(run, &config.model)?);
    }
    let trained = Tokenizers::train(&config.tokenizer, pairs)?;
    trained.save(run.path())?;
    Ok(trained)
}

/// The trainer at the last checkpoint, or at step 0.
fn begin(
    run: &RunDirectory,
    config: &RunConfig,
    corpora: &Corpora,
    options: &TrainOptions,
) -> Result<(ModelTrainer, RunState), TrainError> {
    let train = &config.train;
    let objective = TeacherForcing {
        smoothing: train.label_smoothing,
        r_drop: train.r_drop,
    };
    let model = config.model.init(
        corpora.tokenizers.source().vocabulary_size(),
        corpora.tokenizers.target().vocabulary_size(),
        &Init::new(train.seed, &options.device.clone().autodiff()),
    );
    let last = match run.find(Checkpoint::Last) {
        Ok(step) => Some(step),
        // A run that was killed before its first checkpoint begins again.
        Err(DecodeError::NoCheckpoint { .. }) => None,
        Err(error) => return Err(error.into()),
    };
    let corpus = digest(&corpora.train);
    let (model, adam, state) = if let Some(step) = last {
        checkpoint::load(run, step, model, train.adam())?
    } else {
        let state = RunState {
            corpus: corpus.clone(),
            ..RunState::default()
        };
        (model, Adam::new(train.adam()), state)
    };
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
    let trainer = Trainer::new(objective, train.clone(), model, adam, state.step);
    Ok((trainer, state))
}

/// One process' share of a run.
struct Session<'a> {
    run: &'a RunDirectory,
    config: &'a RunConfig,
    corpora: &'a Corpora,
    feed: Feed<'a>,
    device: &'a Device,
    state: RunState,
    log: JsonLines,
    timing: JsonLines,
    validation: JsonLines,
    seeing: Seeing<'a>,
    timed: Timed,
    report: &'a mut dyn Report,
}

/// Tokens and seconds since the last line of `timing.jsonl`.
#[derive(Default)]
struct Timed {
    tokens: usize,
    seconds: f64,
    input_seconds: f64,
}

impl<'a> Session<'a> {
    fn new(
        run: &'a RunDirectory,
        config: &'a RunConfig,
        corpora: &'a Corpora,
        device: &'a Device,
        state: RunState,
        report: &'a mut dyn Report,
    ) -> Result<Self, TrainError> {
        let position = Position {
            epoch: state.epoch,
            batch: state.batch,
        };
        Ok(Self {
            log: JsonLines::open_at(run.log(), state.step)?,
            timing: JsonLines::open_at(run.timing(), state.step)?,
            validation: JsonLines::open_at(run.validation(), state.step)?,
            seeing: Seeing::open(run, config, corpora, device, state.step, report)?,
            run,
            config,
            corpora,
            feed: Feed::new(config, corpora, device, position),
            device,
            state,
            timed: Timed::default(),
            report,
        })
    }

    fn run(mut self, mut trainer: ModelTrainer, stop: &AtomicBool) -> Result<Outcome, TrainError> {
        let train = &self.config.train;
        while self.state.step < train.steps {
            let begun = Instant::now();
            let batches = self.feed.next(train.accumulate);
            let input_seconds = begun.elapsed().as_secs_f64();
            let (updated, outcome) = trainer.update(&batches)?;
            trainer = updated;
            let seconds = begun.elapsed().as_secs_f64();

            let Position { epoch, batch } = self.feed.position();
            (self.state.epoch, self.state.batch) = (epoch, batch);
            self.state.step = outcome.step;
            self.state.logged_nats += outcome.nats;
            self.state.logged_tokens += outcome.tokens;
            self.state.seconds += seconds;
            self.timed.tokens += outcome.tokens;
            self.timed.seconds += seconds;
            self.timed.input_seconds += input_seconds;
            self.report.stepped(&Progress {
                step: outcome.step,
                steps: train.steps,
                epoch: self.state.epoch + 1,
                nats: outcome.nats / outcome.tokens.max(1) as f64,
                tokens: outcome.tokens,
            });
            let due = |every: u64| outcome.step.is_multiple_of(every);
            if due(train.log_every) {
                self.write_log(outcome.learning_rate, outcome.gradient_norm)?;
            }
            let best = due(train.validate_every) && self.validate(&trainer)?;
            let stopped = stop.load(Ordering::Relaxed);
            let last = outcome.step == train.steps || stopped;
            if due(train.checkpoint_every) || best || last {
                self.save(&trainer, best)?;
            }
            if stopped && outcome.step < train.steps {
                return Ok(Outcome::Stopped);
            }
        }
        Ok(Outcome::Finished)
    }

    fn special(&self) -> SpecialIds {
        self.corpora.tokenizers.target().special()
    }

    fn write_log(&mut self, learning_rate: f64, gradient_norm: f64) -> Result<(), TrainError> {
        let state = &mut self.state;
        let line = LogLine {
            step: state.step,
            epoch: state.epoch + 1,
            nats: state.logged_nats / state.logged_tokens.max(1) as f64,
            tokens: state.logged_tokens,
            learning_rate,
            gradient_norm,
        };
        self.log.write(&line)?;
        (state.logged_nats, state.logged_tokens) = (0.0, 0);
        let timed = std::mem::take(&mut self.timed);
        let timing = TimingLine {
            step: state.step,
            seconds: state.seconds,
            target_tokens_per_second: timed.tokens as f64 / timed.seconds.max(f64::MIN_POSITIVE),
            input_share: Some(timed.input_seconds / timed.seconds.max(f64::MIN_POSITIVE)),
            peak_memory_mib: peak_memory_mib(),
        };
        self.timing.write(&timing)?;
        self.seeing.logged(&line, &timing, self.report)
    }

    /// Validates; whether the result is the best so far.
    fn validate(&mut self, trainer: &ModelTrainer) -> Result<bool, TrainError> {
        if self.corpora.valid.is_empty() {
            return Ok(false);
        }
        let validation = validate(
            trainer.model(),
            &self.corpora.valid,
            self.special(),
            self.config.data.batch_tokens,
            self.state.step,
            self.device,
        );
        if !validation.nats.is_finite() {
            return Err(TrainError::Diverged {
                step: self.state.step,
                what: "the validation loss".into(),
            });
        }
        self.validation.write(&validation)?;
        let best = self
            .state
            .best
            .is_none_or(|best| validation.nats < best.nats);
        if best {
            self.state.best = Some(validation);
        }
        self.report.validated(&validation, best);
        self.seeing
            .validated(&validation, trainer.model(), self.report)?;
        Ok(best)
    }

    fn save(&mut self, trainer: &ModelTrainer, best: bool) -> Result<(), TrainError> {
        // A checkpoint promises the lines up to its step.
        for lines in [&self.log, &self.timing, &self.validation] {
            lines.sync()?;
        }
        self.seeing.sync()?;
        checkpoint::save(self.run, trainer.model(), trainer.adam(), &self.state)?;
        if best {
            self.run.point("best", self.state.step)?;
        }
        let best = self.state.best.map(|best| best.step);
        let named: Vec<u64> = best.into_iter().chain([self.state.step]).collect();
        checkpoint::prune(self.run, self.config.train.keep, &named)?;
        self.report.saved(self.state.step);
        Ok(())
    }
}

impl Validation {
    /// The validations of a run, in order.
    ///
    /// # Errors
    ///
    /// [`TrainError::Damaged`] if the file cannot be read.
    pub fn read(run: &RunDirectory) -> Result<Vec<Self>, TrainError> {
        read_lines(&run.validation(), u64::MAX)
    }
}
