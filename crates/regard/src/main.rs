//! Trains, runs and explains sequence-to-sequence models.
#![forbid(unsafe_code)]

mod cli;
mod commands;
mod dashboard;

mod failure;
mod lines;
mod output;
mod threads;

use std::process::ExitCode;

use clap::Parser;

use crate::cli::{Arguments, Command};

/// burn's CPU backend allocates for every operation; this takes a quarter off a training step.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    regard_kernels::keep_freed_memory();
    let arguments = Arguments::parse();
    let threads = match arguments.command {
        // Its workers have threads of their own.
        Command::Translate(_) => Some(1),
        _ => arguments.threads,
    };
    match threads::on_threads(threads, || run(&arguments)) {
        Ok(Ok(code)) => code,
        Ok(Err(error)) | Err(error) => failure::report(&error),
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<ExitCode> {
    match &arguments.command {
        Command::Data(options) => commands::data::run(options, arguments),
        Command::Check(options) => commands::check::run(options, arguments),
        Command::Train(options) => commands::train::run(options, arguments),
        Command::Translate(options) => commands::translate::run(options, arguments),
        Command::Score(options) => commands::score::run(options, arguments),
        Command::Evaluate(options) => commands::evaluate::run(options, arguments),
        Command::Align(options) => commands::align::run(options, arguments),
        Command::Attend(options) => commands::attend::run(options, arguments),
        Command::Compare(options) => commands::compare::run(options, arguments),
        Command::Plot(options) => commands::plot::run(options, arguments),
        Command::Average(options) => commands::average::run(options, arguments),
        Command::Import(options) => commands::import::run(options, arguments),
        Command::Pack(options) => commands::pack::run(options, arguments),
        Command::Inspect(options) => commands::inspect::run(options, arguments),
        Command::Devices(options) => commands::devices::run(options),
        Command::Bench(options) => commands::bench::run(options, arguments),
        Command::Completions(options) => commands::completions::run(options),
    }
}
