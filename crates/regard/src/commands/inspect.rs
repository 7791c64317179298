//! `regard inspect`

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use burn::module::Module;
use regard_decode::{Bundle, Checkpoint, Pack, RunDirectory};
use regard_kernels::device;
use regard_nn::ModelConfig;
use regard_train::Validation;
use serde::Serialize;

use crate::cli::{Arguments, InspectOptions};
use crate::output::say;

/// What there is at a path.
#[derive(Serialize)]
struct Found {
    #[serde(flatten)]
    place: Place,
    model: ModelConfig,
    parameters: usize,
    vocabulary: Vocabulary,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Place {
    Run {
        run: String,
        steps: Vec<u64>,
        last: u64,
        best: Option<u64>,
        average: bool,
        best_validation: Option<Best>,
    },
    Pack {
        pack: String,
        step: Option<u64>,
        names: Vec<String>,
    },
}

#[derive(Serialize)]
struct Best {
    step: u64,
    nats: f64,
    perplexity: f64,
}

#[derive(Serialize)]
struct Vocabulary {
    source: usize,
    target: usize,
    shared: bool,
}

pub(crate) fn run(options: &InspectOptions, arguments: &Arguments) -> Result<ExitCode> {
    let device = device(&arguments.device)?;
    let (place, bundle) = if options.run.is_file() {
        let pack = Pack::open(&options.run)?;
        let place = Place::Pack {
            pack: pack.path().display().to_string(),
            step: pack.step(),
            names: pack.names().to_vec(),
        };
        (place, pack.load(None, &device)?)
    } else {
        let run = RunDirectory::open(&options.run)?;
        let bundle = Bundle::load(run.path(), Checkpoint::Last, &device)?;
        (place_of(&run)?, bundle)
    };
    let tokenizers = &bundle.tokenizers;
    let found = Found {
        place,
        parameters: bundle.model.num_params(),
        vocabulary: Vocabulary {
            source: tokenizers.source().vocabulary_size(),
            target: tokenizers.target().vocabulary_size(),
            shared: tokenizers.is_shared(),
        },
        model: bundle.config.model,
    };
    if options.json {
        say(&serde_json::to_string(&found)?)?;
    } else {
        print(&found)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn place_of(run: &RunDirectory) -> Result<Place> {
    let validations = Validation::read(run)?;
    let best = validations
        .iter()
        .min_by(|a, b| a.nats.total_cmp(&b.nats))
        .map(|best| Best {
            step: best.step,
            nats: best.nats,
            perplexity: best.perplexity,
        });
    Ok(Place::Run {
        run: shown(run.path()),
        steps: run.steps()?,
        last: run.find(Checkpoint::Last)?,
        best: run.find(Checkpoint::Best).ok(),
        average: run.average().exists(),
        best_validation: best,
    })
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn print(found: &Found) -> Result<()> {
    let place = match &found.place {
        Place::Run { run, .. } => format!("run: {run}"),
        Place::Pack { pack, .. } => format!("pack: {pack}"),
    };
    say(&place)?;
    say(&format!("model: {} parameters", found.parameters))?;
    for line in toml::to_string(&found.model)?.lines() {
        say(&format!("  {line}"))?;
    }
    let Vocabulary {
        source,
        target,
        shared,
    } = found.vocabulary;
    let one = if shared { " (one)" } else { "" };
    say(&format!(
        "vocabulary: {source} source, {target} target{one}"
    ))?;
    match &found.place {
        Place::Run {
            steps,
            last,
            average,
            best_validation,
            ..
        } => {
            let average = if *average { ", and an average" } else { "" };
            say(&format!(
                "checkpoints: steps {steps:?}, last {last}{average}"
            ))?;
            if let Some(best) = best_validation {
                say(&format!(
                    "best validation: step {}, {:.4} nats/token, perplexity {:.3}",
                    best.step, best.nats, best.perplexity
                ))?;
            }
        }
        Place::Pack { step, names, .. } => {
            let step = step.map_or("several steps".into(), |step| format!("step {step}"));
            let names = names.join(", ");
            say(&format!("checkpoint: {step} ({names})").replace(" ()", ""))?;
        }
    }
    Ok(())
}
