//! `regard bench`

use std::process::ExitCode;

use anyhow::{Result, bail};
use regard_decode::{DecodeBench, ProfileLine, bench_decode};
use regard_kernels::device;
use regard_nn::{ModelConfig, Precision, RnnConfig, TransformerConfig};
use regard_text::SpecialIds;
use regard_train::{BenchPadding, Profile, Recompute, TrainBench, bench_train};

use crate::cli::{
    Arguments, BenchCommand, BenchDecodeOptions, BenchOptions, BenchTrainOptions, PaddingName,
    PrecisionName, ShapeOptions,
};
use crate::output::say;

/// Most ids of a batch: the device counts them in 32 bits.
const LARGEST: usize = i32::MAX as usize;

pub(crate) fn run(options: &BenchOptions, arguments: &Arguments) -> Result<ExitCode> {
    match &options.what {
        BenchCommand::Train(options) => train(options, arguments)?,
        BenchCommand::Decode(options) => decode(options, arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn train(options: &BenchTrainOptions, arguments: &Arguments) -> Result<()> {
    let shape = &options.shape;
    let device = device(&arguments.device)?;
    let model = model(shape, 1)?;
    if options.recompute && !matches!(model, ModelConfig::Transformer(_)) {
        bail!(
            "`--recompute`: a model of kind {} keeps little between layers",
            shape.model
        );
    }
    let bench = TrainBench {
        vocabulary: shape.vocabulary,
        batch: shape.batch,
        source_length: shape.source_length,
        target_length: shape.target_length,
        shortest: options.shortest,
        padding: match options.padding {
            PaddingName::Skipped => BenchPadding::Skipped,
            PaddingName::Computed => BenchPadding::Computed,
        },
        recompute: if options.recompute {
            Recompute::Layers
        } else {
            Recompute::None
        },
        precision: match options.precision {
            PrecisionName::F32 => Precision::F32,
            PrecisionName::Bf16 => Precision::Bf16,
        },
        steps: shape.steps,
        profile: options.profile,
    };
    let speed = bench_train(&model, &bench, arguments.seed.unwrap_or(1), &device)?;
    if shape.json {
        return say(&serde_json::to_string(&speed)?);
    }
    say(&format!(
        "{:.4} s a step (median of {})",
        speed.seconds_per_step, shape.steps
    ))?;
    say(&format!(
        "{:.0} target tokens a second",
        speed.target_tokens_per_second
    ))?;
    say(&format!("{} parameters", speed.parameters))?;
    say_memory(speed.peak_memory_mib)?;
    match &speed.profile {
        Some(profile) => say_profile(profile),
        None => Ok(()),
    }
}

fn say_profile(profile: &Profile) -> Result<()> {
    say_lines(&profile.lines)?;
    say(&format!(
        "matrix products: {:.1} GFLOP a step at {:.0} GFLOP/s, {:.2} of the {:.0} measured on 1,024 x 1,024",
        profile.gflop,
        profile.gflop_per_second,
        profile.gflop_per_second / profile.best_gflop_per_second,
        profile.best_gflop_per_second
    ))
}

fn say_lines(lines: &[ProfileLine]) -> Result<()> {
    let whole: f64 = lines.iter().map(|line| line.milliseconds).sum();
    say(&format!(
        "\n{:<26}{:>8}{:>10}{:>8}",
        "milliseconds of a step", "calls", "ms", "%"
    ))?;
    for line in lines {
        say(&format!(
            "{:<26}{:>8.0}{:>10.3}{:>8.1}",
            line.name,
            line.calls,
            line.milliseconds,
            100.0 * line.milliseconds / whole
        ))?;
    }
    Ok(())
}

fn decode(options: &BenchDecodeOptions, arguments: &Arguments) -> Result<()> {
    let shape = &options.shape;
    let device = device(&arguments.device)?;
    let bench = DecodeBench {
        vocabulary: shape.vocabulary,
        batch: shape.batch,
        source_length: shape.source_length,
        target_length: shape.target_length,
        beam: options.beam,
        runs: shape.steps,
        profile: options.profile,
    };
    let speed = bench_decode(
        &model(shape, options.beam)?,
        &bench,
        arguments.seed.unwrap_or(1),
        &device,
    );
    if shape.json {
        return say(&serde_json::to_string(&speed)?);
    }
    say(&format!(
        "{:.0} target tokens a second",
        speed.target_tokens_per_second
    ))?;
    say(&format!(
        "{:.1} sentences a second",
        speed.sentences_per_second
    ))?;
    say_memory(speed.peak_memory_mib)?;
    match &speed.profile {
        Some(profile) => {
            say_lines(&profile.lines)?;
            say(&format!(
                "matrix products: {:.3} GFLOP a step at {:.0} GFLOP/s; weights read at {:.1} GB/s",
                profile.gflop, profile.gflop_per_second, profile.weight_gigabytes_per_second
            ))
        }
        None => Ok(()),
    }
}

fn say_memory(peak: Option<f64>) -> Result<()> {
    match peak {
        Some(mib) => say(&format!("{mib:.0} MiB at most")),
        None => say("memory is not known on this system"),
    }
}

/// The recipe that peers are built to match: see `regard bench train --help`.
fn model(shape: &ShapeOptions, beam: usize) -> Result<ModelConfig> {
    let rnn = || RnnConfig {
        d_model: shape.d_model,
        layers: shape.layers.unwrap_or(1),
        dropout: 0.1,
        embedding_dropout: 0.0,
        ..RnnConfig::default()
    };
    let config = match shape.model.as_str() {
        "bottleneck" => ModelConfig::Bottleneck(rnn()),
        "bahdanau" => ModelConfig::Bahdanau(rnn()),
        "luong" => ModelConfig::Luong(rnn()),
        _ => ModelConfig::Transformer(TransformerConfig {
            d_model: shape.d_model,
            n_heads: shape.n_heads.unwrap_or(4),
            d_ff: shape.d_ff.unwrap_or(1024),
            encoder_layers: shape.layers.unwrap_or(3),
            decoder_layers: shape.layers.unwrap_or(3),
            dropout: 0.1,
            attention_dropout: 0.0,
            embedding_dropout: 0.0,
            ..TransformerConfig::default()
        }),
    };
    let mut problems = config.problems();
    problems.extend(config.size_problem(shape.vocabulary));
    if !matches!(config, ModelConfig::Transformer(_)) {
        for (key, given) in [("d_ff", shape.d_ff), ("n_heads", shape.n_heads)] {
            if given.is_some() {
                problems.push(format!("{key}: a model of kind {} has none", shape.model));
            }
        }
    }
    for (key, least, value) in [
        // The special ids, and a token to say.
        ("vocabulary", SpecialIds::TOKENS.len() + 1, shape.vocabulary),
        ("batch", 1, shape.batch),
        ("source_length", 1, shape.source_length),
        ("target_length", 1, shape.target_length),
        ("steps", 1, shape.steps),
        ("beam", 1, beam),
    ] {
        if value < least {
            problems.push(format!("{key}: expected at least {least}, got {value}"));
        }
    }
    if beam > shape.vocabulary {
        let vocabulary = shape.vocabulary;
        problems.push(format!(
            "beam: expected at most {vocabulary}, the tokens of the vocabulary, got {beam}"
        ));
    }
    let rows = shape.batch.saturating_mul(beam);
    for (name, sizes) in [
        ("batch x source_length", [shape.batch, shape.source_length]),
        ("batch x beam x target_length", [rows, shape.target_length]),
    ] {
        let product = sizes[0].saturating_mul(sizes[1]);
        if product > LARGEST {
            problems.push(format!("{name}: expected at most {LARGEST}, got {product}"));
        }
    }
    if !problems.is_empty() {
        bail!(
            "these sizes cannot be measured:\n  {}",
            problems.join("\n  ")
        );
    }
    Ok(config)
}
