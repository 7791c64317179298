//! What a finished run says on sentences it has never seen.

use std::path::Path;

use anyhow::Result;
use regard_decode::Translator;
use regard_eval::bleu::Bleu;
use regard_eval::exact::exact_match;
use regard_kernels::devices;
use regard_text::DataConfig;
use regard_text::corpus::Pair;
use regard_text::toy::Split;

use crate::cli::Arguments;
use crate::commands::warn_of_truncation;
use crate::output::say;

/// Sentences that are shown in full.
const SHOWN: usize = 6;

/// Sources with at most so many words are reported by themselves.
const SHORT: usize = 15;

/// Translates the test set, or the validation set where there is none; shows some of it, its scores, and what to do next.
pub(crate) fn report(run: &Path, data: &DataConfig, arguments: &Arguments) -> Result<()> {
    let mut pairs = Vec::new();
    for split in [Split::Test, Split::Valid] {
        if pairs.is_empty() {
            pairs = data.read(split)?.map_or_else(Vec::new, |(pairs, _)| pairs);
        }
    }
    if !pairs.is_empty() {
        // Training may use several devices; the first will do.
        let translator = Translator::from_run(run, &devices(&arguments.device)?[0])?;
        let sources: Vec<&str> = pairs.iter().map(|pair| pair.source.as_str()).collect();
        let translations = translator.translate_batch(&sources)?;
        let truncated = translations.iter().filter(|line| line.truncated).count();
        warn_of_truncation(truncated, arguments);
        let results: Vec<(&Pair, &str)> = pairs
            .iter()
            .zip(&translations)
            .map(|(pair, translation)| (pair, translation.text.as_str()))
            .collect();
        say("sentences never seen in training:")?;
        // Spread over the file, which may be sorted.
        for (pair, translation) in results
            .iter()
            .step_by((results.len() / SHOWN).max(1))
            .take(SHOWN)
        {
            say(&format!("\n  source      {}", pair.source))?;
            say(&format!("  translation {translation}"))?;
            if *translation != pair.target {
                say(&format!("  reference   {}", pair.target))?;
            }
        }
        say("")?;
        let short: Vec<_> = results
            .iter()
            .copied()
            .filter(|(pair, _)| is_short(pair))
            .collect();
        say_scores(&format!("up to {SHORT} words"), &short)?;
        say_scores("all", &results)?;
    }
    let example = pairs.iter().find(|pair| is_short(pair));
    say(&format!(
        "\nnext: echo {:?} | cargo run --release -- translate {}",
        example.map_or("...", |pair| pair.source.as_str()),
        run.display()
    ))?;
    Ok(())
}

fn is_short(pair: &Pair) -> bool {
    pair.source.split_whitespace().count() <= SHORT
}

fn say_scores(name: &str, results: &[(&Pair, &str)]) -> Result<()> {
    if results.is_empty() {
        return Ok(());
    }
    let hypotheses: Vec<&str> = results.iter().map(|(_, hypothesis)| *hypothesis).collect();
    let references: Vec<&str> = results
        .iter()
        .map(|(pair, _)| pair.target.as_str())
        .collect();
    let bleu = Bleu::default().corpus(&hypotheses, &references)?;
    let exact = exact_match(&hypotheses, &references)?;
    say(&format!(
        "{name}: {} sentences, BLEU {:.2} ({}), exact match {exact:.1} %",
        results.len(),
        bleu.score,
        bleu.signature
    ))?;
    Ok(())
}
