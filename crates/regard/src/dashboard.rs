//! Training drawn in the terminal by burn's renderer, driven by our loop; a feature of the program.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Result, bail};
use regard_train::{Outcome, RunConfig, TrainOptions};

use crate::cli::Arguments;

/// Refuses what cannot be drawn, before anything is done.
#[cfg(not(feature = "dashboard"))]
pub(crate) fn check() -> Result<()> {
    bail!(
        "the dashboard was not compiled in; build with `cargo build --release --features dashboard`"
    )
}

/// Trains, and says afterwards what there was to say.
#[cfg(not(feature = "dashboard"))]
pub(crate) fn train(
    _: RunConfig,
    _: &TrainOptions,
    _: &Arc<AtomicBool>,
    _: &Arguments,
) -> Result<Outcome> {
    check().map(|()| Outcome::NothingToDo)
}

#[cfg(feature = "dashboard")]
pub(crate) use drawn::{check, train};

#[cfg(feature = "dashboard")]
mod drawn {
    use std::io::IsTerminal;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::sync::atomic::Ordering;

    use burn_train::Interrupter;
    use burn_train::logger::TrainingProgressLogger;
    use burn_train::metric::{
        MetricAttributes, MetricDefinition, MetricEntry, MetricId, NumericAttributes, NumericEntry,
        SerializedEntry,
    };
    use burn_train::renderer::tui::TuiMetricsRendererWrapper;
    use burn_train::renderer::{MetricState, MetricsRenderer, MetricsRendererTraining};
    use regard_text::corpus::ReadReport;
    use regard_train::{Progress, Report, Validation, Warning};

    use super::{Arc, Arguments, AtomicBool, Outcome, Result, RunConfig, TrainOptions, bail};
    use crate::commands::progress::{started_lines, validation_line};
    use crate::output::complain;

    pub(crate) fn check() -> Result<()> {
        if std::io::stdout().is_terminal() && std::io::stdin().is_terminal() {
            return Ok(());
        }
        bail!(
            "the dashboard needs a terminal, and standard input or output is none; train without `--dashboard`"
        )
    }

    pub(crate) fn train(
        config: RunConfig,
        options: &TrainOptions,
        stop: &Arc<AtomicBool>,
        arguments: &Arguments,
    ) -> Result<Outcome> {
        let mut dashboard = Dashboard::new(config.train.steps, options, stop);
        let trained = catch_unwind(AssertUnwindSafe(|| {
            regard_train::train(config, options, stop, &mut dashboard)
        }));
        let Ok(outcome) = trained else {
            // The renderer panics by design where the user asks it to end the program at once; it has given the terminal
            // back and said so, and would panic again if it were dropped.
            #[expect(clippy::exit, reason = "the user asked for it")]
            std::process::exit(130);
        };
        let Dashboard {
            renderer, lines, ..
        } = dashboard;
        // Gives the terminal back.
        drop(renderer);
        if !arguments.quiet {
            for line in lines {
                complain(&line);
            }
        }
        Ok(outcome?)
    }

    /// Hands everything over to the renderer, and keeps what is said in words until the terminal is free again.
    struct Dashboard {
        renderer: TuiMetricsRendererWrapper,
        interrupter: Interrupter,
        stop: Arc<AtomicBool>,
        known: Vec<String>,
        steps: u64,
        label: String,
        lines: Vec<String>,
    }

    impl Dashboard {
        fn new(steps: u64, options: &TrainOptions, stop: &Arc<AtomicBool>) -> Self {
            let interrupter = Interrupter::new();
            Self {
                renderer: TuiMetricsRendererWrapper::new(interrupter.clone(), None),
                interrupter,
                stop: Arc::clone(stop),
                known: Vec::new(),
                steps,
                label: options.run.display().to_string(),
                lines: Vec::new(),
            }
        }

        /// A point of a curve; a name that is new becomes a curve.
        fn state(&mut self, name: &str, value: f64) -> MetricState {
            let id = MetricId::new(Arc::new(name.to_owned()));
            if !self.known.iter().any(|known| known == name) {
                self.known.push(name.to_owned());
                self.renderer.register_metric(MetricDefinition {
                    metric_id: id.clone(),
                    name: Arc::new(name.to_owned()),
                    description: None,
                    attributes: MetricAttributes::Numeric(NumericAttributes {
                        unit: None,
                        higher_is_better: !["loss", "perplexity"].contains(&name),
                    }),
                });
            }
            let text = format!("{value:.4}");
            let entry = MetricEntry::new(id, SerializedEntry::new(text.clone(), text));
            MetricState::Numeric(entry, Some(NumericEntry::Value(value)))
        }
    }

    /// What a key of the logs is called.
    fn name(key: &str) -> String {
        match key {
            "nats" => "loss".into(),
            other => other.replace('_', " "),
        }
    }

    impl Report for Dashboard {
        fn started(&mut self, parameters: usize, train: &ReadReport, valid: usize) {
            self.lines.extend(started_lines(parameters, train, valid));
            let steps = usize::try_from(self.steps).unwrap_or(usize::MAX);
            // No epochs: the steps are the whole.
            self.renderer.start(0, 0, Some(steps), Some(&self.label));
            self.renderer.start_split("train", steps);
        }

        fn stepped(&mut self, progress: &Progress) {
            let state = self.state("loss", progress.nats);
            self.renderer.update_train(state);
            let step = usize::try_from(progress.step).unwrap_or(usize::MAX);
            // Steps stand in the place of epochs, so that the whole moves on with them.
            self.renderer.update_epoch(step.saturating_sub(1));
            self.renderer.update_split(step);
            if self.interrupter.should_stop() {
                self.stop.store(true, Ordering::Relaxed);
            }
        }

        fn logged(&mut self, _step: u64, numbers: &[(String, f64)]) {
            for (key, value) in numbers {
                // The loss is drawn at every step; what only grows says nothing.
                if ["learning_rate", "gradient_norm", "target_tokens_per_second"]
                    .contains(&key.as_str())
                {
                    let state = self.state(&name(key), *value);
                    self.renderer.update_train(state);
                }
            }
        }

        fn validated(&mut self, validation: &Validation, best: bool) {
            for (key, value) in validation.scores() {
                let state = self.state(&name(&key), value);
                self.renderer.update_valid(state);
            }
            self.lines.push(validation_line(validation, best));
        }

        fn warned(&mut self, step: u64, warning: &Warning) {
            self.renderer.log_event_training("warnings".into());
            self.lines.push(format!("warning: step {step}: {warning}"));
        }
    }
}
