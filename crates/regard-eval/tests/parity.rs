//! Held to sacreBLEU: the corpora that `scripts/parity/bleu.py` wrote down with their scores.
//!
//! `REGARD_BLEU_FIXTURE` names another, wider file by the same script.

use regard_eval::bleu::{Bleu, MAX_ORDER};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    sacrebleu: String,
    corpora: Vec<Corpus>,
}

#[derive(Deserialize)]
struct Corpus {
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

#[test]
fn bleu_equals_sacrebleu_to_1e_9() {
    let path = std::env::var("REGARD_BLEU_FIXTURE").unwrap_or_else(|_| {
        concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/bleu.json").to_owned()
    });
    let fixture: Fixture = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert!(!fixture.corpora.is_empty());

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
