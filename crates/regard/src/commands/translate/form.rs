//! How translations are written.

use std::fmt::Write;

use anyhow::{Context, Result};
use regard_decode::{NBest, TextHypothesis, TextRequest, Translator, most_attended};
use regard_text::SpecialIds;
use serde::Serialize;

use super::Wishes;
use crate::cli::AlignmentName;

/// Lines that are translated together.
pub(crate) struct Chunk {
    /// The number of the first, from 0.
    pub(crate) first: usize,
    pub(crate) lines: Vec<String>,
}

/// What is written of a line.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// Its translation, and perhaps where it looked.
    Text(Option<AlignmentName>),
    /// So many of the best, a line for each.
    NBest(usize),
    /// An object with so many of the best.
    Json { n: usize, attention: bool },
}

/// Lines that are ready to be written.
pub(crate) struct Rendered {
    pub(crate) text: String,
    pub(crate) lines: usize,
    /// Tokens of the best hypotheses.
    pub(crate) tokens: usize,
    /// Lines that were cut.
    pub(crate) truncated: usize,
}

#[derive(Serialize)]
struct Line<'a> {
    source: &'a str,
    source_tokens: &'a [String],
    hypotheses: Vec<Hypothesis<'a>>,
}

#[derive(Serialize)]
struct Hypothesis<'a> {
    text: &'a str,
    tokens: &'a [String],
    log_probability: f64,
    score: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    attention: Option<Vec<Vec<f32>>>,
}

impl Form {
    /// Hypotheses of each line that it needs.
    pub(crate) fn hypotheses(self) -> usize {
        match self {
            Self::Text(_) => 1,
            Self::NBest(n) | Self::Json { n, .. } => n,
        }
    }

    pub(crate) fn render(
        self,
        translator: &Translator,
        wishes: &Wishes,
        chunk: &Chunk,
    ) -> Result<Rendered> {
        let lines = chunk.lines.iter().zip(chunk.first..);
        let asked = lines.map(|(line, number)| wishes.of_line(line, number));
        let asked: Vec<TextRequest> = asked.collect::<Result<_>>()?;
        let all = translator.answer(&asked, self.hypotheses())?;
        let mut rendered = Rendered {
            text: String::new(),
            lines: all.len(),
            tokens: 0,
            truncated: 0,
        };
        for (i, (source, line)) in chunk.lines.iter().zip(all).enumerate() {
            rendered.tokens += line.hypotheses.first().map_or(0, |best| best.tokens.len());
            rendered.truncated += usize::from(line.truncated);
            let text = &mut rendered.text;
            match self {
                Self::Text(alignment) => {
                    let best = line.hypotheses.first();
                    text.push_str(&best.map(|best| one_line(&best.text)).unwrap_or_default());
                    if let (Some(kind), Some(best)) = (alignment, best) {
                        text.push_str(" ||| ");
                        text.push_str(&aligned(translator, &line.source, best, kind)?);
                    }
                    text.push('\n');
                }
                Self::NBest(_) => {
                    for TextHypothesis {
                        found, text: said, ..
                    } in &line.hypotheses
                    {
                        let (number, said) = (chunk.first + i, one_line(said));
                        let (log_probability, score) = (found.log_probability, found.score);
                        let _ = writeln!(
                            text,
                            "{number} ||| {said} ||| {log_probability:.6} ||| {score:.6}"
                        );
                    }
                }
                Self::Json { attention, .. } => {
                    text.push_str(&json(translator, source, line, attention)?);
                    text.push('\n');
                }
            }
        }
        Ok(rendered)
    }
}

/// Where each token looked, the ends of both sides left out.
fn aligned(
    translator: &Translator,
    source: &[u32],
    hypothesis: &TextHypothesis,
    kind: AlignmentName,
) -> Result<String> {
    if source.is_empty() {
        return Ok(String::new());
    }
    let weights = translator
        .attention(source, &hypothesis.found)
        .context("--alignment needs a model with attention, and this one has none")?;
    let rows = weights.chunks(source.len() + 1);
    let rows = rows
        .zip(&hypothesis.found.ids)
        .map(|(row, _)| &row[..source.len()]);
    let parts: Vec<String> = match kind {
        AlignmentName::Hard => rows
            .enumerate()
            .map(|(t, row)| format!("{}-{t}", most_attended(row)))
            .collect(),
        AlignmentName::Soft => rows
            .map(|row| {
                let weights: Vec<String> =
                    row.iter().map(|weight| format!("{weight:.4}")).collect();
                weights.join(",")
            })
            .collect(),
    };
    Ok(parts.join(" "))
}

/// A model may say what ends a line; a line of translation remains a line.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

fn json(translator: &Translator, source: &str, mut line: NBest, attention: bool) -> Result<String> {
    let end = || SpecialIds::TOKENS[3].to_owned();
    // What the model reads and says has its end; an empty line it does not read.
    let is_read = !line.source.is_empty();
    line.source_tokens.extend(is_read.then(end));
    for hypothesis in &mut line.hypotheses {
        hypothesis.tokens.extend(hypothesis.found.ended.then(end));
    }
    let columns = line.source_tokens.len();
    let looked = |hypothesis: &TextHypothesis| {
        if !attention || !is_read {
            return None;
        }
        let weights = translator.attention(&line.source, &hypothesis.found)?;
        Some(weights.chunks(columns).map(<[f32]>::to_vec).collect())
    };
    let hypotheses = line.hypotheses.iter().map(|hypothesis| Hypothesis {
        text: &hypothesis.text,
        tokens: &hypothesis.tokens,
        log_probability: hypothesis.found.log_probability,
        score: hypothesis.found.score,
        attention: looked(hypothesis),
    });
    Ok(serde_json::to_string(&Line {
        source,
        source_tokens: &line.source_tokens,
        hypotheses: hypotheses.collect(),
    })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_translation_is_one_line() {
        assert_eq!(one_line("a\nb\r\nc"), "a b  c");
    }
}
