//! `regard inspect`

use std::process::ExitCode;

use anyhow::Result;
use burn::module::Module;
use regard_decode::{Bundle, Checkpoint, RunDirectory};
use regard_train::Validation;

use crate::cli::{Arguments, InspectOptions};
use crate::device;
use crate::output::say;

pub(crate) fn run(options: &InspectOptions, arguments: &Arguments) -> Result<ExitCode> {
    let device = device::named(&arguments.device)?;
    let run = RunDirectory::open(&options.run)?;
    let bundle = Bundle::load(&options.run, Checkpoint::Last, &device)?;
    let model = toml::to_string(&bundle.config.model)?;
    say(&format!("run: {}", run.path().display()))?;
    say(&format!("model: {} parameters", bundle.model.num_params()))?;
    for line in model.lines() {
        say(&format!("  {line}"))?;
    }
    let tokenizers = &bundle.tokenizers;
    say(&format!(
        "vocabulary: {} source, {} target{}",
        tokenizers.source().vocabulary_size(),
        tokenizers.target().vocabulary_size(),
        if tokenizers.is_shared() { " (one)" } else { "" }
    ))?;
    say(&format!(
        "checkpoints: steps {:?}, last {}{}",
        run.steps()?,
        run.find(Checkpoint::Last)?,
        if run.average().exists() {
            ", and an average"
        } else {
            ""
        }
    ))?;
    let validations = Validation::read(&run)?;
    if let Some(best) = validations.iter().min_by(|a, b| a.nats.total_cmp(&b.nats)) {
        say(&format!(
            "best validation: step {}, {:.4} nats/token, perplexity {:.3}",
            best.step, best.nats, best.perplexity
        ))?;
    }
    Ok(ExitCode::SUCCESS)
}
