//! A comparison as one HTML file that needs nothing else: no network, no script, no font.

use maud::{Markup, html};

use super::chart::{Chart, Curve, Point};
use super::{Comparison, Scores, table};
use crate::drawing::heat_map::HeatMap;
use crate::drawing::marks::{self, dashes};
use crate::drawing::scale::Extent;
use crate::drawing::{numbers, sheet};
use crate::error::EvalError;

/// A sentence, and where each run looked while it translated it.
#[derive(Debug, Clone)]
pub struct Example {
    /// The raw source.
    pub source: String,
    /// The right translation.
    pub reference: String,
    /// One for each run, in the order of the comparison.
    pub runs: Vec<ExampleRun>,
}

/// What a run made of a sentence, and where it looked.
#[derive(Debug, Clone)]
pub struct ExampleRun {
    /// Its translation.
    pub translation: String,
    /// Tokens of the source, the columns; S of them.
    pub source: Vec<String>,
    /// Tokens of the translation, the rows; T of them.
    pub target: Vec<String>,
    /// Weights `[T, S]`; `None` for a model without attention.
    pub weights: Option<Vec<f32>>,
}

const STYLE: &str = include_str!("page.css");

/// Lines of the test set that show something of each end: one from the shortest, the middle and the longest bucket, each
/// of the median length there. Lines without a word show nothing.
pub fn example_lines(comparison: &Comparison, sources: &[String]) -> Vec<usize> {
    let buckets = &comparison.buckets;
    let mut chosen = vec![0, buckets.len() / 2, buckets.len() - 1];
    chosen.dedup();
    let line = |bucket: usize| {
        let bucket = &buckets[bucket];
        let words = |&line: &usize| sources[line].split_whitespace().count();
        let mut lines: Vec<usize> = (0..sources.len())
            .filter(|line| (bucket.from.max(1)..=bucket.to).contains(&words(line)))
            .collect();
        // Ties go to the first in the alphabet, so that the order of the lines does not matter.
        lines.sort_by_key(|line| (words(line), &sources[*line]));
        lines.get(lines.len() / 2).copied()
    };
    chosen.into_iter().filter_map(line).collect()
}

/// The page: the finding, curves of quality against length, attention side by side, and the tables.
///
/// # Errors
///
/// [`EvalError::MapShape`] if an example has weights, but not T x S of them.
///
/// # Panics
///
/// If an example has not as many runs as the comparison.
pub fn html(comparison: &Comparison, examples: &[Example]) -> Result<String, EvalError> {
    for run in examples.iter().flat_map(|example| &example.runs) {
        let (target_tokens, source_tokens) = (run.target.len(), run.source.len());
        let weights = run.weights.as_ref().map(Vec::len);
        if let Some(weights) = weights.filter(|&n| n != target_tokens * source_tokens) {
            return Err(EvalError::MapShape {
                target_tokens,
                source_tokens,
                weights,
            });
        }
    }
    let title = format!("Quality by source length: {}", names(comparison).join(", "));
    let body = html! {
        header {
            h1 { "Quality by source length" }
            p.finding { (comparison.finding) }
        }
        (curves(comparison))
        @if !examples.is_empty() { (attention(comparison, examples)) }
        (scores(comparison))
        (facts(comparison))
        (foot(comparison))
    };
    Ok(sheet::page(&title, STYLE, &body))
}

fn names(comparison: &Comparison) -> Vec<&str> {
    let runs = comparison.runs.iter();
    runs.map(|run| run.facts.run.as_str()).collect()
}

/// A run's name behind its line and marker.
fn key(run: usize, name: &str) -> Markup {
    marks::key(run, name, dashes(run))
}

fn curves(comparison: &Comparison) -> Markup {
    type Pick = fn(&Scores) -> (f64, [f64; 2]);
    let charts: [(&str, &str, &str, Pick, Extent); 4] = [
        (
            "bleu",
            "BLEU",
            "higher is better",
            |s| (s.bleu, s.bleu_interval),
            Extent::PERCENT,
        ),
        (
            "chrf",
            "chrF",
            "higher is better",
            |s| (s.chrf, s.chrf_interval),
            Extent::PERCENT,
        ),
        (
            "exact-match",
            "Exact match, %",
            "higher is better",
            |s| (s.exact_match, s.exact_match_interval),
            Extent::PERCENT,
        ),
        (
            "perplexity",
            "Perplexity",
            "lower is better",
            |s| (s.perplexity, s.perplexity_interval),
            Extent::PERPLEXITY,
        ),
    ];
    let names = names(comparison);
    html! {
        section aria-labelledby="curves" {
            h2 id="curves" { "Scores against length" }
            p.keys {
                @for (run, name) in names.iter().enumerate() { (key(run, name)) }
            }
            div.charts {
                @for (id, title, direction, pick, extent) in charts {
                    figure {
                        figcaption { strong { (title) } span.quiet { ", " (direction) } }
                        (chart(comparison, &names, id, title, pick, extent).draw())
                    }
                }
            }
            p.quiet {
                "Each point is a bucket of sentences, at the mean length of its sources; bands and bars are 95 % bootstrap intervals."
            }
        }
    }
}

fn chart<'a>(
    comparison: &Comparison,
    names: &[&'a str],
    id: &'a str,
    title: &'a str,
    pick: fn(&Scores) -> (f64, [f64; 2]),
    extent: Extent,
) -> Chart<'a> {
    let curve = |(run, &name): (usize, &&'a str)| Curve {
        name,
        points: comparison
            .buckets
            .iter()
            .map(|bucket| {
                let (y, interval) = pick(&bucket.runs[run].scores);
                let x = bucket.mean_words;
                Point { x, y, interval }
            })
            .collect(),
    };
    Chart {
        id,
        title,
        curves: names.iter().enumerate().map(curve).collect(),
        extent,
        number: if extent == Extent::PERPLEXITY {
            numbers::perplexity
        } else {
            numbers::score
        },
    }
}

fn attention(comparison: &Comparison, examples: &[Example]) -> Markup {
    let names = names(comparison);
    html! {
        section aria-labelledby="attention" {
            h2 id="attention" { "What each run looked at" }
            p.quiet.wide {
                "Rows are tokens of the translation, columns tokens of the source; each row adds up to at most 1. Weight "
                span.scale {
                    "0"
                    @for step in 0..5 {
                        span.step style=(format!("--weight:{}", f64::from(step) / 4.0)) {}
                    }
                    "1"
                }
            }
            @for (number, example) in examples.iter().enumerate() {
                (sentence(number, example, &names))
            }
        }
    }
}

fn sentence(number: usize, example: &Example, names: &[&str]) -> Markup {
    assert_eq!(
        example.runs.len(),
        names.len(),
        "page: expected one translation of each example for each run"
    );
    let tokens = example.runs.iter().map(|run| run.source.len());
    // Small maps stand side by side; the labels of large ones need room to be read.
    let least = tokens.max().unwrap_or(0).clamp(14, 30);
    html! {
        article.sentence {
            dl.pair {
                dt { "source" } dd { bdi { (example.source) } }
                dt { "reference" } dd { bdi { (example.reference) } }
            }
            div.maps style=(format!("--least:{least}rem")) {
                @for (run, (said, name)) in example.runs.iter().zip(names).enumerate() {
                    figure.map {
                        figcaption {
                            (key(run, name))
                            p.said {
                                @if said.translation == example.reference {
                                    "equals the reference"
                                } @else if said.translation.is_empty() {
                                    "says nothing"
                                } @else {
                                    bdi { (said.translation) }
                                }
                            }
                        }
                        @match &said.weights {
                            None => p.nothing {
                                "Nothing crosses from the source to this translation but vectors whose number and size do not grow with the sentence: there is no attention to draw."
                            },
                            Some(weights) if weights.is_empty() => p.nothing {
                                "No token was said, so none looked anywhere."
                            },
                            Some(weights) => div.scroll {
                                (HeatMap {
                                    id: &format!("map-{number}-{run}"),
                                    title: &format!("Attention of {name}"),
                                    source: &said.source,
                                    target: &said.target,
                                    weights,
                                }.draw())
                            },
                        }
                    }
                }
            }
        }
    }
}

fn scores(comparison: &Comparison) -> Markup {
    let whole = comparison.runs.iter();
    let whole: Vec<_> = whole
        .map(|run| (run.facts.run.as_str(), &run.scores))
        .collect();
    html! {
        section aria-labelledby="scores" {
            h2 id="scores" { "Scores" }
            div.scroll {
                table {
                    thead { tr {
                        th scope="col" { "words" }
                        th.number scope="col" { "sentences" }
                        th scope="col" { "run" }
                        @for name in ["BLEU", "chrF", "exact match, %", "perplexity"] {
                            th.number scope="col" { (name) }
                        }
                    } }
                    @for bucket in &comparison.buckets {
                        @let runs = bucket.runs.iter().map(|run| (run.run.as_str(), &run.scores)).collect::<Vec<_>>();
                        (rows(&numbers::range(bucket.from, bucket.to), bucket.sentences, &runs))
                    }
                    (rows("all", comparison.sentences, &whole))
                }
            }
        }
    }
}

/// The runs of one bucket.
fn rows(words: &str, sentences: usize, runs: &[(&str, &Scores)]) -> Markup {
    html! {
        tbody {
            @for (run, (name, scores)) in runs.iter().enumerate() {
                tr {
                    @if run == 0 {
                        th scope="rowgroup" rowspan=(runs.len()) { (words) }
                        td.number rowspan=(runs.len()) { (numbers::grouped(sentences)) }
                    }
                    th.run scope="row" { (key(run, name)) }
                    @for cell in table::cells(scores) {
                        @let (value, interval) = cell.split_once(' ').unwrap_or((&cell, ""));
                        td.number { (value) " " span.quiet { (interval) } }
                    }
                }
            }
        }
    }
}

fn facts(comparison: &Comparison) -> Markup {
    let rows = table::facts(comparison);
    html! {
        section aria-labelledby="runs" {
            h2 id="runs" { "Runs" }
            div.scroll {
                table {
                    thead { tr {
                        @for (column, name) in rows[0].iter().enumerate() {
                            th.number[column > 1] scope="col" { (name) }
                        }
                    } }
                    tbody {
                        @for (run, row) in rows[1..].iter().enumerate() {
                            tr {
                                th.run scope="row" { (key(run, &row[0])) }
                                td { (row[1]) }
                                @for cell in &row[2..] { td.number { (cell) } }
                            }
                        }
                    }
                }
            }
            p.quiet {
                "Training time leaves out validation and checkpoints; tokens are those of the target, padding left out. Decoding speed was measured on this test set, peak memory in training."
            }
        }
    }
}

fn foot(comparison: &Comparison) -> Markup {
    let signatures = &comparison.signatures;
    html! {
        footer {
            @for note in &comparison.notes { p { (note) } }
            dl.signatures {
                dt { "BLEU" } dd { (signatures.bleu) }
                dt { "chrF" } dd { (signatures.chrf) }
                dt { "exact match" } dd { (signatures.exact_match) }
                dt { "intervals" } dd { (signatures.intervals) }
            }
        }
    }
}
