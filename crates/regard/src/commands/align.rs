//! `regard align`

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use regard_decode::Translator;
use regard_eval::alignment::{AlignmentScore, GoldAlignments};
use regard_text::TextError;
use serde::Serialize;

use crate::cli::{AlignOptions, Arguments, PairOptions};
use crate::commands::{load, read_pairs, warn_of_truncation};
use crate::lines::read;
use crate::output::{count, say};

/// How far links agree with those that people drew.
#[derive(Serialize)]
struct Agreement {
    #[serde(flatten)]
    score: AlignmentScore,
    sentences: usize,
}

pub(crate) fn run(options: &AlignOptions, arguments: &Arguments) -> Result<ExitCode> {
    let PairOptions {
        source,
        target,
        tsv,
    } = &options.pairs;
    let (source, target, tsv) = (source.as_deref(), target.as_deref(), tsv.as_deref());
    let pairs = match tsv.or(source) {
        Some(_) => Some(read_pairs(tsv, source, target)?),
        None => None,
    };
    let gold = options.gold.as_deref().map(Gold::read).transpose()?;
    if let (Some((sources, _)), Some(gold), Some(first)) = (&pairs, &gold, tsv.or(source)) {
        gold.check_lines(first, sources.len())?;
    }
    let Some(run) = &options.run else {
        let (Some(links), Some(gold)) = (&options.links, gold) else {
            bail!("nothing to align; give a run, or --links and --gold");
        };
        let lines = read(links)?;
        gold.check_lines(links, lines.len())?;
        let score = gold
            .score(&lines, pairs.as_ref())
            .with_context(|| format!("cannot score `{}`", links.display()))?;
        say_agreement(&Agreement::new(score, lines.len()), options.json)?;
        return Ok(ExitCode::SUCCESS);
    };
    let Some(pairs) = pairs else {
        bail!("nothing to align; give --source and --target, or --tsv");
    };
    let translator = load(run, options.checkpoint, arguments)?;
    let (mut lines, mut truncated) = (Vec::new(), 0);
    for (source, target) in pairs.0.iter().zip(&pairs.1) {
        let (links, is_cut) = linked(&translator, source, target).with_context(|| {
            let run = run.display();
            format!("aligning needs a model with attention, and `{run}` has none")
        })?;
        truncated += usize::from(is_cut);
        if gold.is_none() {
            say(&links)?;
        }
        lines.push(links);
    }
    warn_of_truncation(truncated, arguments);
    if let Some(gold) = gold {
        let score = gold.score(&lines, Some(&pairs))?;
        say_agreement(&Agreement::new(score, lines.len()), options.json)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Links as Pharaoh writes them, and whether a side was cut.
fn linked(translator: &Translator, source: &str, target: &str) -> Option<(String, bool)> {
    let found = translator.link_words(source, target)?;
    let links = found.links.iter();
    let links: Vec<String> = links.map(|(s, t)| format!("{s}-{t}")).collect();
    Some((links.join(" "), found.truncated))
}

/// Links that people drew.
struct Gold<'a> {
    path: &'a Path,
    lines: usize,
    links: GoldAlignments,
}

impl<'a> Gold<'a> {
    fn read(path: &'a Path) -> Result<Self> {
        let lines = read(path)?;
        if lines.is_empty() {
            bail!(TextError::Empty { path: path.into() });
        }
        let links = GoldAlignments::parse(&lines)
            .with_context(|| format!("cannot use `{}`", path.display()))?;
        Ok(Self {
            path,
            lines: lines.len(),
            links,
        })
    }

    /// Refuses a file with another number of lines.
    fn check_lines(&self, other: &Path, lines: usize) -> Result<()> {
        if lines == self.lines {
            return Ok(());
        }
        bail!(TextError::LineCounts {
            source_path: other.into(),
            source_lines: lines,
            target_path: self.path.into(),
            target_lines: self.lines,
        })
    }

    /// Where the sentences are known, a link to a word that is not there is an error.
    fn score(
        &self,
        lines: &[String],
        pairs: Option<&(Vec<String>, Vec<String>)>,
    ) -> Result<AlignmentScore> {
        let Some((sources, targets)) = pairs else {
            return Ok(self.links.score(lines)?);
        };
        let words = |line: &String| line.split_whitespace().count();
        let pairs = sources.iter().zip(targets);
        let lengths: Vec<[usize; 2]> = pairs
            .map(|(source, target)| [words(source), words(target)])
            .collect();
        Ok(self.links.score_within(lines, &lengths)?)
    }
}

impl Agreement {
    fn new(score: AlignmentScore, sentences: usize) -> Self {
        Self { score, sentences }
    }
}

fn say_agreement(agreement: &Agreement, json: bool) -> Result<()> {
    if json {
        return say(&serde_json::to_string(agreement)?);
    }
    let AlignmentScore {
        alignment_error_rate,
        precision,
        recall,
        links,
        sure,
        ..
    } = agreement.score;
    say(&format!(
        "AER {alignment_error_rate:.2} (precision {precision:.2}, recall {recall:.2})"
    ))?;
    say(&format!(
        "{}, {sure} sure in the gold alignment, {}",
        count(links, "link"),
        count(agreement.sentences, "sentence")
    ))
}
