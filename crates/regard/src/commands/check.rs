//! `regard check`

mod corpus;
mod findings;

use std::process::ExitCode;

use anyhow::Result;
use burn::module::Module;
use regard_kernels::device;
use regard_nn::Init;
use regard_text::SpecialIds;
use regard_text::batch::plan_epoch;
use regard_text::corpus::Example;
use regard_text::store::Unknown;
use regard_train::{measure_memory, prepare_corpora};

use self::findings::{Findings, Part, Vocabulary};
use crate::cli::{Arguments, CheckOptions};
use crate::commands::load_config;
use crate::output::{count, say};

pub(crate) fn run(options: &CheckOptions, arguments: &Arguments) -> Result<ExitCode> {
    let device = device(&arguments.device)?;
    let config = load_config(&options.config, &options.set, arguments)?;
    let corpora = prepare_corpora(&config.data, |pairs| {
        let tokenizers = pairs.train_tokenizers(&config.tokenizer)?;
        Ok(tokenizers.sampled(&config.tokenizer)?)
    })?;
    let mut findings = Findings::new(options.json);

    findings.train = Part::of(corpora.train.report());
    findings.valid = Part::of(&corpora.valid_report);
    findings.test_pairs = corpora.test_pairs;
    corpus::tell_report(&findings, "train", corpora.train.report())?;
    corpus::tell_report(&findings, "valid", &corpora.valid_report)?;
    findings.tell(&format!("test: {}", count(corpora.test_pairs, "pair")))?;
    corpus::tell_origin(&findings, &corpora)?;
    corpus::warn(&mut findings, &config.data, &corpora)?;

    let (source, target) = (corpora.tokenizers.source(), corpora.tokenizers.target());
    findings.vocabulary = Vocabulary {
        source: source.vocabulary_size(),
        target: target.vocabulary_size(),
        shared: corpora.tokenizers.is_shared(),
    };
    findings.tell(&format!("tokenizer: {} tokens", findings.vocabulary))?;
    let of_train = corpora.train.unknown();
    findings.train.unknown_percent = of_train.map(Unknown::percent);
    corpus::tell_unknown(&mut findings, "train", of_train)?;
    let sides: [fn(&Example) -> &Vec<u32>; 2] = [|pair| &pair.source, |pair| &pair.target];
    let special = [source.special(), target.special()];
    let of_valid = [0, 1].map(|side| unknown(&corpora.valid, sides[side], special[side]));
    findings.valid.unknown_percent = of_valid.map(Unknown::percent);
    corpus::tell_unknown(&mut findings, "valid", of_valid)?;

    let lengths = corpora.train.lengths();
    let plan = plan_epoch(lengths, config.data.batch_tokens, config.train.seed, 0);
    let sides = lengths.iter().map(|&(source, target)| source.max(target));
    findings.batches = plan.len();
    findings.longest = usize::from(sides.max().unwrap_or(0));
    findings.tell(&format!(
        "batches: {} an epoch of at most {} padded tokens; the longest side of a pair has {} tokens",
        plan.len(),
        config.data.batch_tokens,
        findings.longest
    ))?;

    let model = config.model.init(
        source.vocabulary_size(),
        target.vocabulary_size(),
        &Init::new(0, &device),
    );
    findings.parameters = model.num_params();
    findings.tell(&format!("model: {} parameters", findings.parameters))?;
    // Last, since the process keeps what it needed.
    findings.memory_mib = measure_memory(&config, &corpora, &device)?;
    if let Some(peak) = findings.memory_mib {
        findings.tell(&format!(
            "memory: about {peak:.0} MiB to train, measured on the largest batch"
        ))?;
    }
    findings.tell(&match findings.warnings.len() {
        0 => "no problem found".to_owned(),
        warnings => format!(
            "nothing that stops training; {}",
            count(warnings, "warning")
        ),
    })?;
    if options.json {
        say(&serde_json::to_string(&findings)?)?;
    }
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
