//! `regard check`

mod corpus;

use std::process::ExitCode;

use anyhow::Result;
use burn::module::Module;
use regard_nn::Init;
use regard_text::SpecialIds;
use regard_text::batch::plan_epoch;
use regard_text::corpus::Example;
use regard_text::store::Unknown;
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

    corpus::say_report("train", corpora.train.report())?;
    corpus::say_report("valid", &corpora.valid_report)?;
    say(&format!("test: {}", count(corpora.test_pairs, "pair")))?;
    corpus::say_origin(&corpora)?;
    let mut warnings = corpus::say_warnings(&config.data, &corpora)?;

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
    warnings += corpus::say_unknown("train", corpora.train.unknown())?;
    let sides: [fn(&Example) -> &Vec<u32>; 2] = [|pair| &pair.source, |pair| &pair.target];
    let special = [source.special(), target.special()];
    let valid = [0, 1].map(|side| unknown(&corpora.valid, sides[side], special[side]));
    warnings += corpus::say_unknown("valid", valid)?;

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
    say(&match warnings {
        0 => "no problem found".to_owned(),
        warnings => format!(
            "nothing that stops training; {}",
            count(warnings, "warning")
        ),
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Unknown tokens on one side.
fn unknown(
    examples: &[Example],
    side: impl Fn(&Example) -> &Vec<u32>,
    special: SpecialIds,
) -> Unknown {
    let ids = examples.iter().flat_map(&side);
    let unknown = ids.filter(|&&id| id == special.unknown).count() as u64;
    let tokens = examples.iter().map(|example| side(example).len() as u64);
    Unknown {
        unknown,
        tokens: tokens.sum(),
    }
}
