//! One process' share of a run: updates, and what is due between them.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use burn::tensor::Device;
use regard_decode::{RunDirectory, average, peak_memory_mib};
use regard_kernels::is_gpu;

use crate::checkpoint::{self, RunState};
use crate::feed::{Feed, Position};
use crate::learner::Learner;
use crate::log::{JsonLines, LogLine, TimingLine};
use crate::seeing::Seeing;
use crate::validation::{last_steps, validate};
use crate::{
    Corpora, Outcome, PendingOutcome, Progress, Report, RunConfig, StepOutcome, TrainError,
};

pub(crate) struct Session<'a> {
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
    /// Updates that a GPU may still be at, each with its pass over the corpus.
    pending: Vec<(u64, PendingOutcome)>,
    /// The last update that was read.
    last: Option<StepOutcome>,
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
    pub(crate) fn new(
        run: &'a RunDirectory,
        config: &'a RunConfig,
        corpora: &'a Corpora,
        devices: &'a [Device],
        state: RunState,
        report: &'a mut dyn Report,
    ) -> Result<Self, TrainError> {
        let device = &devices[0];
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
            feed: Feed::new(config, corpora, devices, position),
            device,
            state,
            timed: Timed::default(),
            pending: Vec::new(),
            last: None,
            report,
        })
    }

    /// Makes updates until there are enough, none helps any more, or `stop` is set.
    pub(crate) fn run(
        mut self,
        mut learner: Learner,
        stop: &AtomicBool,
    ) -> Result<Outcome, TrainError> {
        let train = &self.config.train;
        // It would be of another run than the one that goes on here.
        self.run.remove_average()?;
        // Memory that is too small is to fail now and not in an hour.
        learner.trainer.probe(&self.feed.worst()?);
        while self.state.step < train.steps {
            let begun = Instant::now();
            let parts = self.feed.next(train.accumulate)?;
            let input_seconds = begun.elapsed().as_secs_f64();
            let (updated, outcome) = learner.begin_update(&parts)?;
            learner = updated;
            let step = learner.trainer.step();
            let Position { epoch, batch } = self.feed.position();
            (self.state.epoch, self.state.batch) = (epoch, batch);
            self.state.step = step;
            self.pending.push((epoch, outcome));

            let due = |every: u64| step.is_multiple_of(every);
            let stopped = stop.load(Ordering::Relaxed);
            let looked_at = due(train.log_every)
                || due(train.validate_every)
                || due(train.checkpoint_every)
                || step == train.steps
                || stopped;
            if looked_at || !is_gpu(self.device) {
                self.read_outcomes()?;
            }
            let seconds = begun.elapsed().as_secs_f64();
            self.state.seconds += seconds;
            self.timed.seconds += seconds;
            self.timed.input_seconds += input_seconds;
            if due(train.log_every) {
                self.write_log()?;
            }
            let best = due(train.validate_every) && self.validate(&mut learner)?;
            let exhausted = self.state.is_exhausted(train.patience);
            let last = step == train.steps || stopped || exhausted;
            if due(train.checkpoint_every) || best || last {
                self.save(&learner, best)?;
            }
            if exhausted {
                break;
            }
            if stopped && step < train.steps {
                return Ok(Outcome::Stopped);
            }
        }
        if train.average > 0 {
            average(self.run, &last_steps(self.run, train.average)?)?;
        }
        if self.state.step < train.steps {
            return Ok(Outcome::StoppedEarly);
        }
        Ok(Outcome::Finished)
    }

    /// Waits for the updates since the last time, and counts what they did. Nothing of an update is written before.
    fn read_outcomes(&mut self) -> Result<(), TrainError> {
        for (epoch, outcome) in self.pending.drain(..) {
            let outcome = outcome.read()?;
            self.state.logged_nats += outcome.nats;
            self.state.logged_tokens += outcome.tokens;
            self.timed.tokens += outcome.tokens;
            self.report.stepped(&Progress {
                step: outcome.step,
                steps: self.config.train.steps,
                epoch: epoch + 1,
                nats: outcome.nats / outcome.tokens.max(1) as f64,
                tokens: outcome.tokens,
            });
            self.last = Some(outcome);
        }
        Ok(())
    }

    fn write_log(&mut self) -> Result<(), TrainError> {
        let Some(StepOutcome {
            learning_rate,
            gradient_norm,
            ..
        }) = self.last
        else {
            return Ok(());
        };
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
        let seconds = timed.seconds.max(f64::MIN_POSITIVE);
        let timing = TimingLine {
            step: state.step,
            seconds: state.seconds,
            target_tokens_per_second: timed.tokens as f64 / seconds,
            input_share: Some(timed.input_seconds / seconds),
            peak_memory_mib: peak_memory_mib(),
        };
        self.timing.write(&timing)?;
        self.seeing.logged(&line, &timing, self.report)
    }

    /// Validates; whether the result is the best so far.
    fn validate(&mut self, learner: &mut Learner) -> Result<bool, TrainError> {
        if self.corpora.valid.is_empty() {
            return Ok(false);
        }
        let model = learner.evaluated();
        let validation = validate(
            &model,
            self.config,
            self.corpora,
            self.state.step,
            self.device,
        )?;
        if !validation.nats.is_finite() {
            return Err(TrainError::Diverged {
                step: self.state.step,
                what: "the validation loss".into(),
            });
        }
        self.validation.write(&validation)?;
        learner.trainer.observe(validation.nats);
        self.state.plateau = learner.trainer.plateau();
        let measure = self.config.train.best;
        let best = self
            .state
            .best
            .is_none_or(|best| measure.prefers(&validation, &best));
        self.state.waited += 1;
        if best {
            self.state.best = Some(validation);
            self.state.waited = 0;
        }
        self.report.validated(&validation, best);
        self.seeing.validated(&validation, &model, self.report)?;
        Ok(best)
    }

    fn save(&mut self, learner: &Learner, best: bool) -> Result<(), TrainError> {
        // A checkpoint promises the lines up to its step.
        for lines in [&self.log, &self.timing, &self.validation] {
            lines.sync()?;
        }
        self.seeing.sync()?;
        checkpoint::save(self.run, learner, &self.state)?;
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
