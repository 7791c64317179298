//! `regard train`

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};
use regard_kernels::devices;
use regard_train::{Outcome, train};

use crate::cli::{Arguments, TrainOptions};
use crate::commands::progress::Bar;
use crate::commands::{default_run, held_out, load_config};
use crate::dashboard;
use crate::output::complain;

pub(crate) fn run(options: &TrainOptions, arguments: &Arguments) -> Result<ExitCode> {
    if options.dashboard {
        dashboard::check()?;
    }
    let devices = devices(&arguments.device)?;
    let config = load_config(&options.config, &options.set, arguments)?;
    let run = options
        .run
        .clone()
        .unwrap_or_else(|| default_run(&options.config));
    let stop = stop_on_signal()?;

    let train_options = regard_train::TrainOptions {
        run: run.clone(),
        resume: options.resume,
        init: options.init.clone(),
        devices,
    };
    let outcome = if options.dashboard {
        dashboard::train(config.clone(), &train_options, &stop, arguments)
    } else {
        let mut bar = Bar::new(arguments.quiet, arguments.verbose);
        let outcome = train(config.clone(), &train_options, &stop, &mut bar);
        bar.finish();
        outcome.map_err(Into::into)
    };
    // What is left can be stopped at any time: the next signal does not wait.
    stop.store(true, Ordering::Relaxed);
    let tell = |line: &str| {
        if !arguments.quiet {
            complain(line);
        }
    };
    match outcome? {
        Outcome::Stopped => tell(&format!(
            "stopped; continue with: regard train {} --run {} --resume",
            options.config.display(),
            run.display()
        )),
        Outcome::NothingToDo => tell(&format!(
            "`{}` has made its {} steps; raise `train.steps` to go on",
            run.display(),
            config.train.steps
        )),
        Outcome::StoppedEarly => {
            tell(&format!(
                "no validation was better in {} in a row: training ended early",
                config.train.patience
            ));
            held_out::report(&run, &config.data, arguments)?;
        }
        Outcome::Finished => held_out::report(&run, &config.data, arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Set by the first signal to end; a second one ends the process at once.
fn stop_on_signal() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if seen.swap(true, Ordering::Relaxed) {
            #[expect(clippy::exit, reason = "the user asked a second time")]
            std::process::exit(130);
        }
        complain("finishing the step, then writing a checkpoint; again to stop at once");
    })
    .context("cannot listen for signals")?;
    Ok(stop)
}
