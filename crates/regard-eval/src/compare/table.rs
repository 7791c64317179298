//! A comparison as text, for a terminal.

use super::{Comparison, Scores};
use crate::drawing::columns::columns;
use crate::drawing::numbers;

/// Scores by length, facts of the runs, signatures, notes and the finding, in columns.
pub fn text(comparison: &Comparison) -> String {
    let signatures = &comparison.signatures;
    let mut parts = vec![
        columns(&scores(comparison), 3),
        columns(&facts(comparison), 2),
        format!(
            "BLEU {}\nchrF2 {}\nexact match {}\nintervals {}\n",
            signatures.bleu, signatures.chrf, signatures.exact_match, signatures.intervals
        ),
    ];
    let notes = comparison
        .notes
        .iter()
        .map(|note| format!("note: {note}\n"));
    parts.extend((!comparison.notes.is_empty()).then(|| notes.collect()));
    parts.push(format!("{}\n", comparison.finding));
    parts.join("\n")
}

fn scores(comparison: &Comparison) -> Vec<Vec<String>> {
    let heading = [
        "words",
        "sentences",
        "run",
        "BLEU",
        "chrF",
        "exact match %",
        "perplexity",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    let mut add = |words: &str, sentences: usize, runs: &[(&str, &Scores)]| {
        for (i, (run, scores)) in runs.iter().enumerate() {
            // The range stands once, before its first run.
            let mut row = if i == 0 {
                vec![words.to_owned(), numbers::grouped(sentences)]
            } else {
                vec![String::new(); 2]
            };
            row.push((*run).to_owned());
            row.extend(cells(scores));
            rows.push(row);
        }
    };
    for bucket in &comparison.buckets {
        let words = numbers::range(bucket.from, bucket.to);
        let runs = bucket.runs.iter();
        let runs: Vec<_> = runs.map(|run| (run.run.as_str(), &run.scores)).collect();
        add(&words, bucket.sentences, &runs);
    }
    let runs = comparison.runs.iter();
    let runs: Vec<_> = runs
        .map(|run| (run.facts.run.as_str(), &run.scores))
        .collect();
    add("all", comparison.sentences, &runs);
    rows
}

/// Each score with its interval.
pub(super) fn cells(scores: &Scores) -> [String; 4] {
    let cell = |value: f64, interval: [f64; 2], number: fn(f64) -> String| {
        format!("{} {}", number(value), numbers::interval(interval, number))
    };
    [
        cell(scores.bleu, scores.bleu_interval, numbers::score),
        cell(scores.chrf, scores.chrf_interval, numbers::score),
        cell(
            scores.exact_match,
            scores.exact_match_interval,
            numbers::score,
        ),
        cell(
            scores.perplexity,
            scores.perplexity_interval,
            numbers::perplexity,
        ),
    ]
}

/// Headings of [`facts`].
pub(super) const FACTS: [&str; 7] = [
    "run",
    "model",
    "parameters",
    "training",
    "training tokens/s",
    "decoding tokens/s",
    "peak MiB",
];

/// What the runs are and what they cost, headings first.
pub(super) fn facts(comparison: &Comparison) -> Vec<Vec<String>> {
    let mut rows = vec![FACTS.map(str::to_owned).to_vec()];
    rows.extend(comparison.runs.iter().map(|run| {
        let facts = &run.facts;
        vec![
            facts.run.clone(),
            facts.model.clone(),
            numbers::grouped(facts.parameters),
            numbers::duration(facts.training_seconds),
            numbers::rounded(facts.training_tokens_per_second),
            numbers::rounded(Some(facts.decoding_tokens_per_second)),
            numbers::rounded(facts.peak_memory_mib),
        ]
    }));
    rows
}
