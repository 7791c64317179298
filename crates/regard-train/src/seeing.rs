//! What a run shows besides its logs: event files, samples, warnings.

use burn::module::Module;
use burn::tensor::Device;
use regard_decode::RunDirectory;
use regard_nn::Model;
use regard_text::corpus::Pair;

use crate::events::{self, Events};
use crate::log::{LogLine, TimingLine, numbers, read_lines};
use crate::validation::translator;
use crate::warnings::{LossWatch, Said, collapse, idle_validation};
use crate::{Corpora, Report, RunConfig, TrainError, Validation, samples};

/// Stands beside the logs of a session.
pub(crate) struct Seeing<'a> {
    run: &'a RunDirectory,
    config: &'a RunConfig,
    corpora: &'a Corpora,
    device: &'a Device,
    events: Option<Events>,
    /// What is translated at every validation.
    samples: Vec<Pair>,
    loss: LossWatch,
}

impl<'a> Seeing<'a> {
    /// At `step`, after everything of later steps is cut off.
    pub(crate) fn open(
        run: &'a RunDirectory,
        config: &'a RunConfig,
        corpora: &'a Corpora,
        device: &'a Device,
        step: u64,
        report: &mut dyn Report,
    ) -> Result<Self, TrainError> {
        let train = &config.train;
        events::cut_back(run, step)?;
        samples::cut_back(run, step)?;
        let idle = idle_validation(corpora.valid.len(), train.validate_every, train.steps);
        if let Some(warning) = idle {
            report.warned(step, &warning);
        }
        let samples = samples::choose(&corpora.valid_pairs, train.samples);
        let mut loss = LossWatch::default();
        for line in read_lines::<LogLine>(&run.log(), step)? {
            loss.see(line.step, line.nats);
        }
        Ok(Self {
            run,
            config,
            corpora,
            device,
            events: train
                .tensorboard
                .then(|| Events::begin(run, step))
                .transpose()?,
            samples,
            loss,
        })
    }

    /// A line of the log was written, and one of the timing.
    pub(crate) fn logged(
        &mut self,
        line: &LogLine,
        timing: &TimingLine,
        report: &mut dyn Report,
    ) -> Result<(), TrainError> {
        if let Some(warning) = self.loss.see(line.step, line.nats) {
            report.warned(line.step, &warning);
        }
        for (step, numbers) in [numbers(line), numbers(timing)] {
            report.logged(step, &numbers);
        }
        if let Some(events) = &mut self.events {
            events.write("train", line)?;
            events.write("timing", timing)?;
        }
        Ok(())
    }

    /// A validation was made of `model`.
    pub(crate) fn validated(
        &mut self,
        validation: &Validation,
        model: &Model,
        report: &mut dyn Report,
    ) -> Result<(), TrainError> {
        if let Some(events) = &mut self.events {
            events.write("validation", validation)?;
        }
        if self.samples.is_empty() {
            return Ok(());
        }
        // Shares the parameters; nothing is copied.
        let translator = translator(model.valid(), self.config, self.corpora, self.device)?;
        let hypotheses = samples::write(self.run, validation.step, &translator, &self.samples)?;
        let sentences: Vec<Said<'_>> = self
            .samples
            .iter()
            .zip(&hypotheses)
            .map(|(pair, hypothesis)| Said {
                source: &pair.source,
                reference: &pair.target,
                hypothesis,
            })
            .collect();
        if let Some(warning) = collapse(&sentences) {
            report.warned(validation.step, &warning);
        }
        Ok(())
    }

    /// Has the system put everything on disk.
    pub(crate) fn sync(&self) -> Result<(), TrainError> {
        self.events.as_ref().map_or(Ok(()), Events::sync)
    }
}
