//! `regard check`

use std::process::ExitCode;

use anyhow::Result;
use burn::module::Module;
use regard_nn::Init;
use regard_text::SpecialIds;
use regard_text::batch::plan_epoch;
use regard_text::corpus::Example;
use regard_train::{measure_memory, prepare_corpora};

use crate::cli::{Arguments, CheckOptions};
use crate::commands::load_config;
use crate::device;
use crate::output::{count, say};

pub(crate) fn run(options: &CheckOptions, arguments: &Arguments) -> Result<ExitCode> {
    let device = device::named(&arguments.device)?;
    let config = load_config(&options.config, &options.set, arguments)?;
    let corpora = prepare_corpora(&config.data, |pairs| {
        let tokenizers = pairs.train_tokenizers(&config.tokenizer)?;
        Ok(tokenizers.sampled(&config.tokenizer)?)
    })?;

    for (name, report) in [
        ("train", corpora.train.report()),
        ("valid", &corpora.valid_report),
    ] {
        say(&format!(
            "{name}: {} read, {} kept; dropped: {} with an empty side, {} too long; {} truncated",
            count(report.read, "pair"),
            report.kept(),
            report.dropped_empty,
            report.dropped_long,
            report.truncated
        ))?;
    }
    say(&format!("test: {}", count(corpora.test_pairs, "pair")))?;

    let (source, target) = (corpora.tokenizers.source(), corpora.tokenizers.target());
    let vocabulary = if corpora.tokenizers.is_shared() {
        format!("{} shared", source.vocabulary_size())
    } else {
        format!(
            "{} source, {} target",
            source.vocabulary_size(),
            target.vocabulary_size()
        )
    };
    say(&format!("tokenizer: {vocabulary} tokens"))?;
    for (side, ids) in [
        (
            "source",
            unknown(&corpora.valid, |example| &example.source, source.special()),
        ),
        (
            "target",
            unknown(&corpora.valid, |example| &example.target, target.special()),
        ),
    ] {
        say(&format!(
            "  {side} of valid: {:.2} % of {} tokens unknown",
            ids.0, ids.1
        ))?;
    }

    let lengths = corpora.train.lengths();
    let plan = plan_epoch(lengths, config.data.batch_tokens, config.train.seed, 0);
    let longest = lengths
        .iter()
        .map(|&(source, target)| source.max(target))
        .max()
        .unwrap_or(0);
    say(&format!(
        "batches: {} an epoch of at most {} padded tokens; the longest side of a pair has {longest} tokens",
        plan.len(),
        config.data.batch_tokens
    ))?;

    let model = config.model.init(
        source.vocabulary_size(),
        target.vocabulary_size(),
        &Init::new(0, &device),
    );
    say(&format!("model: {} parameters", model.num_params()))?;
    // Last, since the process keeps what it needed.
    if let Some(peak) = measure_memory(&config, &corpora, &device)? {
        say(&format!(
            "memory: about {peak:.0} MiB to train, measured on the largest batch"
        ))?;
    }
    say("no problem found")?;
    Ok(ExitCode::SUCCESS)
}

/// Percent of unknown tokens on one side, and the number of tokens.
fn unknown(
    examples: &[Example],
    side: impl Fn(&Example) -> &Vec<u32>,
    special: SpecialIds,
) -> (f64, usize) {
    let tokens: usize = examples.iter().map(|example| side(example).len()).sum();
    let unknown = examples
        .iter()
        .flat_map(&side)
        .filter(|&&id| id == special.unknown)
        .count();
    (100.0 * unknown as f64 / tokens.max(1) as f64, tokens)
}
