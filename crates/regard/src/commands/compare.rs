//! `regard compare`

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Result;
use regard_decode::{RunDirectory, Translator, check_writable, write_atomically};
use regard_eval::compare::page::{Example, ExampleRun, example_lines, html};
use regard_eval::compare::table::text;
use regard_eval::compare::{Comparison, Facts, Options, Run, Sentence, TestSet, compare};
use regard_train::TrainingCost;

use crate::cli::{Arguments, CompareOptions};
use crate::commands::{load, read_pairs, run_names, warn_of_truncation};
use crate::output::{complain, count, say};

/// Seed of the resampling, unless another is asked for.
const SEED: u64 = 1;

pub(crate) fn run(options: &CompareOptions, arguments: &Arguments) -> Result<ExitCode> {
    // What the command line has wrong is told before the first run is made to translate.
    let names = run_names(&options.runs)?;
    let how = Options {
        edges: options.edges.clone(),
        lowercase: options.lowercase,
        seed: arguments.seed.unwrap_or(SEED),
    };
    how.check()?;
    for path in options.runs.iter().filter(|path| !path.is_file()) {
        RunDirectory::open(path)?;
    }
    if let Some(path) = &options.html {
        check_writable(path)?;
    }
    let (sources, references) = read_pairs(
        options.tsv.as_deref(),
        options.source.as_deref(),
        options.reference.as_deref(),
    )?;

    let (mut translators, mut runs) = (Vec::new(), Vec::new());
    for (path, name) in options.runs.iter().zip(names) {
        if !arguments.quiet {
            complain(&format!(
                "{name}: translating {}",
                count(sources.len(), "sentence")
            ));
        }
        let translator = load(path, options.checkpoint, arguments)?;
        let (sentences, tokens_per_second) =
            translate(&translator, &sources, &references, arguments)?;
        let facts = facts(path, name, &translator, tokens_per_second)?;
        runs.push(Run { facts, sentences });
        translators.push(translator);
    }
    let test = TestSet {
        sources: &sources,
        references: &references,
    };
    let comparison = compare(test, &runs, &how)?;
    // A page that cannot be written takes no number with it, nor a reader who has gone the page.
    let printed = print(&comparison, options.json);
    if let Some(path) = &options.html {
        let examples = example_lines(&comparison, &sources)
            .into_iter()
            .map(|line| example(&translators, &sources[line], &references[line]))
            .collect::<Result<Vec<_>>>()?;
        write_atomically(path, html(&comparison, &examples)?.as_bytes())?;
    }
    printed?;
    Ok(ExitCode::SUCCESS)
}

fn print(comparison: &Comparison, json: bool) -> Result<()> {
    if json {
        say(&serde_json::to_string(comparison)?)
    } else {
        say(text(comparison).trim_end())
    }
}

/// What a run says of every source, how well it predicts every reference, and target tokens per second of the former.
fn translate(
    translator: &Translator,
    sources: &[String],
    references: &[String],
    arguments: &Arguments,
) -> Result<(Vec<Sentence>, f64)> {
    let begun = Instant::now();
    let translations = translator.translate_batch(sources)?;
    let seconds = begun.elapsed().as_secs_f64();
    let tokens: usize = translations.iter().map(|line| line.tokens.len()).sum();
    let truncated = translations.iter().filter(|line| line.truncated).count();
    warn_of_truncation(truncated, arguments);

    let pairs: Vec<(&String, &String)> = sources.iter().zip(references).collect();
    let likelihoods = translator.score(&pairs)?;
    let sentences = translations
        .into_iter()
        .zip(likelihoods)
        .map(|(translation, likelihood)| Sentence {
            hypothesis: translation.text,
            nats: likelihood.nats(),
            tokens: likelihood.tokens(),
            truncated: likelihood.truncated,
        })
        .collect();
    Ok((sentences, tokens as f64 / seconds))
}

fn facts(
    path: &Path,
    run: String,
    translator: &Translator,
    decoding_tokens_per_second: f64,
) -> Result<Facts> {
    let model = serde_json::to_value(translator.model_config())?;
    // A pack does not say what its training cost.
    let cost = if path.is_file() {
        None
    } else {
        TrainingCost::read(&RunDirectory::open(path)?)?
    };
    Ok(Facts {
        run,
        model: model["kind"].as_str().unwrap_or_default().to_owned(),
        target_tokenizer: translator.tokenizers().target().digest(),
        parameters: translator.parameters(),
        training_seconds: cost.map(|cost| cost.seconds),
        training_tokens_per_second: cost.and_then(|cost| cost.target_tokens_per_second),
        decoding_tokens_per_second,
        peak_memory_mib: cost.and_then(|cost| cost.peak_memory_mib),
    })
}

/// Where every run looked while it translated a sentence.
fn example(translators: &[Translator], source: &str, reference: &str) -> Result<Example> {
    let runs = translators.iter().map(|translator| {
        let translation = translator.translate_batch(&[source])?.swap_remove(0).text;
        let alignment = translator.align(source)?;
        Ok(ExampleRun {
            translation,
            source: alignment.source,
            target: alignment.target,
            weights: alignment.weights,
        })
    });
    Ok(Example {
        source: source.to_owned(),
        reference: reference.to_owned(),
        runs: runs.collect::<Result<Vec<_>>>()?,
    })
}
