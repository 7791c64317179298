//! The progress bar of training.

use std::fmt::Write;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use regard_text::corpus::ReadReport;
use regard_text::store::{ExampleStore, Origin};
use regard_train::{Progress, Report, Validation, Warning};

use crate::output::complain;

/// Draws a bar on stderr where that is a terminal; prints validations everywhere.
pub(crate) struct Bar {
    drawn: ProgressBar,
    quiet: bool,
    verbose: bool,
    /// Smoothed loss and tokens per update.
    nats: Option<f64>,
    tokens: f64,
}

impl Bar {
    pub(crate) fn new(quiet: bool, verbose: bool) -> Self {
        let target = if quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(4)
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = ProgressStyle::with_template("step {pos}/{len} {bar:24} {msg} {eta} left");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        Self {
            drawn: bar,
            quiet,
            verbose,
            nats: None,
            tokens: 0.0,
        }
    }

    pub(crate) fn finish(&self) {
        self.drawn.finish_and_clear();
    }

    fn print(&self, line: &str) {
        if !self.quiet {
            self.drawn.suspend(|| complain(line));
        }
    }
}

impl Report for Bar {
    fn read(&mut self, examples: &ExampleStore) {
        if self.verbose || matches!(examples.origin(), Origin::Renewed { .. }) {
            self.print(&origin_line(examples));
        }
    }

    fn started(&mut self, parameters: usize, train: &ReadReport, valid: usize) {
        for line in started_lines(parameters, train, valid) {
            self.print(&line);
        }
    }

    fn stepped(&mut self, progress: &Progress) {
        if self.nats.is_none() {
            // The rate and the time left are those of this process, not of the run, from the end of its first step.
            self.drawn.reset_elapsed();
            self.drawn.reset_eta();
        } else {
            self.tokens += progress.tokens as f64;
        }
        let smooth = |old: f64, new: f64| 0.98 * old + 0.02 * new;
        let nats = self
            .nats
            .map_or(progress.nats, |nats| smooth(nats, progress.nats));
        self.nats = Some(nats);
        self.drawn.set_length(progress.steps);
        self.drawn.set_position(progress.step);
        let seconds = self
            .drawn
            .elapsed()
            .max(Duration::from_millis(1))
            .as_secs_f64();
        self.drawn.set_message(format!(
            "epoch {} loss {nats:.3} {:.0} tokens/s",
            progress.epoch,
            self.tokens / seconds
        ));
    }

    fn validated(&mut self, validation: &Validation, best: bool) {
        self.print(&validation_line(validation, best));
    }

    fn warned(&mut self, step: u64, warning: &Warning) {
        self.print(&format!("warning: step {step}: {warning}"));
    }

    fn saved(&mut self, step: u64) {
        if self.verbose {
            self.print(&format!("step {step}: checkpoint written"));
        }
    }
}

/// Where the training examples are, and whether they had to be made.
pub(crate) fn origin_line(examples: &ExampleStore) -> String {
    let path = examples.path().display();
    match examples.origin() {
        Origin::Found => format!("examples: found in `{path}`"),
        Origin::Made => format!("examples: written to `{path}`"),
        Origin::Renewed { reason } => format!("examples: written anew to `{path}`: {reason}"),
    }
}

/// What will be trained, on what.
pub(crate) fn started_lines(parameters: usize, train: &ReadReport, valid: usize) -> Vec<String> {
    let mut lines = vec![format!(
        "{parameters} parameters; {} training pairs, {valid} validation pairs",
        train.kept()
    )];
    let dropped = train.read - train.kept();
    if dropped + train.truncated > 0 {
        lines.push(format!(
            "dropped {} pairs with an empty side and {} that were too long; truncated {}",
            train.dropped_empty, train.dropped_long, train.truncated
        ));
        let filtered = train.dropped() - train.dropped_empty - train.dropped_long;
        if filtered > 0 {
            lines.push(format!(
                "dropped {filtered} by the filters of `[data]`; `regard check` shows which"
            ));
        }
    }
    lines
}

/// Loss and perplexity, then every other score there is.
pub(crate) fn validation_line(validation: &Validation, best: bool) -> String {
    let mut line = format!(
        "step {}: validation loss {:.4} nats/token, perplexity {:.3}",
        validation.step, validation.nats, validation.perplexity
    );
    for (key, score) in validation.scores() {
        if !["nats", "perplexity"].contains(&key.as_str()) {
            let _ = write!(line, ", {key} {score:.2}");
        }
    }
    if best {
        line += " (best)";
    }
    line
}
