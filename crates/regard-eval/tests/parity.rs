//! Held to sacreBLEU: the corpora that `scripts/parity/{bleu,chrf,metrics}.py` wrote down with their scores.
//!
//! `REGARD_BLEU_FIXTURE` and `REGARD_CHRF_FIXTURE` name other, wider files by the same scripts.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

#[path = "../examples/metrics/request.rs"]
mod request;

use regard_eval::bleu::{Bleu, MAX_ORDER};
use regard_eval::chrf::Chrf;
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize)]
struct Fixture<C> {
    sacrebleu: String,
    corpora: Vec<C>,
}

#[derive(Deserialize)]
struct BleuCorpus {
    name: String,
    lowercase: bool,
    hypotheses: Vec<String>,
    references: Vec<String>,
    score: f64,
    precisions: [f64; MAX_ORDER],
    brevity_penalty: f64,
    hypothesis_length: usize,
    reference_length: usize,
    matches: [usize; MAX_ORDER],
    totals: [usize; MAX_ORDER],
    signature: String,
}

#[derive(Deserialize)]
struct ChrfCorpus {
    name: String,
    lowercase: bool,
    hypotheses: Vec<String>,
    references: Vec<String>,
    score: f64,
    signature: String,
}

/// A corpus, settings, and every figure of sacreBLEU's answer.
#[derive(Deserialize)]
struct Case {
    request: request::Request,
    figures: Vec<f64>,
    signature: String,
    line: String,
}

#[derive(Deserialize)]
struct Cases {
    sacrebleu: String,
    cases: Vec<Case>,
}

/// The corpora of the file that the variable names, else of the committed one.
fn fixture<C: DeserializeOwned>(variable: &str, committed: &str) -> Fixture<C> {
    let path = std::env::var(variable)
        .unwrap_or_else(|_| format!("{}/tests/fixtures/{committed}", env!("CARGO_MANIFEST_DIR")));
    let fixture: Fixture<C> =
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert!(!fixture.corpora.is_empty());
    fixture
}

#[test]
fn bleu_equals_sacrebleu_to_1e_9() {
    let fixture: Fixture<BleuCorpus> = fixture("REGARD_BLEU_FIXTURE", "bleu.json");
    for corpus in &fixture.corpora {
        let bleu = Bleu::default().with_lowercase(corpus.lowercase);
        let score = bleu.corpus(&corpus.hypotheses, &corpus.references).unwrap();
        let name = &corpus.name;

        assert_eq!(score.matches, corpus.matches, "matches of {name:?}");
        assert_eq!(score.totals, corpus.totals, "totals of {name:?}");
        assert_eq!(
            score.hypothesis_length, corpus.hypothesis_length,
            "words of {name:?}"
        );
        assert_eq!(
            score.reference_length, corpus.reference_length,
            "reference of {name:?}"
        );
        assert_eq!(
            score.signature.replace(
                concat!("regard-", env!("CARGO_PKG_VERSION")),
                &fixture.sacrebleu
            ),
            corpus.signature
        );

        let differences = score
            .precisions
            .iter()
            .zip(corpus.precisions)
            .map(|(got, want)| got - want)
            .chain([
                score.score - corpus.score,
                score.brevity_penalty - corpus.brevity_penalty,
            ]);
        for difference in differences {
            assert!(
                difference.abs() < 1e-9,
                "{name:?} differs by {difference:e}"
            );
        }
    }
}

#[test]
fn chrf_equals_sacrebleu_to_1e_9() {
    let fixture: Fixture<ChrfCorpus> = fixture("REGARD_CHRF_FIXTURE", "chrf.json");
    for corpus in &fixture.corpora {
        let chrf = Chrf::default().with_lowercase(corpus.lowercase);
        let score = chrf.corpus(&corpus.hypotheses, &corpus.references).unwrap();
        let difference = score.score - corpus.score;
        let name = &corpus.name;
        assert!(
            difference.abs() < 1e-9,
            "{name:?} differs by {difference:e}"
        );
        let version = concat!("regard-", env!("CARGO_PKG_VERSION"));
        assert_eq!(
            score.signature.replace(version, &fixture.sacrebleu),
            corpus.signature
        );
    }
}

#[test]
fn every_setting_equals_sacrebleu_to_1e_9() {
    let all: Cases = serde_json::from_str(include_str!("fixtures/metrics.json")).unwrap();
    assert!(!all.cases.is_empty());
    for (number, case) in all.cases.iter().enumerate() {
        let answer = case.request.answer().unwrap();
        assert_eq!(answer.p_value, None);
        let version = concat!("regard-", env!("CARGO_PKG_VERSION"));
        assert_eq!(
            answer.signature.replace(version, &all.sacrebleu),
            case.signature
        );
        assert_eq!(answer.line, case.line, "line of case {number}");
        assert_eq!(answer.figures.len(), case.figures.len());
        for (place, (got, want)) in answer.figures.iter().zip(&case.figures).enumerate() {
            let name = &case.signature;
            assert!(
                (got - want).abs() < 1e-9,
                "case {number} ({name}), figure {place}: {got} where sacreBLEU has {want}"
            );
        }
    }
}
