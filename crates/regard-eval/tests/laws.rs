//! What every metric must keep, whatever it counts.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use proptest::prelude::*;
use regard_eval::EvalError;
use regard_eval::bleu::{Bleu, Smoothing, Tokenizer};
use regard_eval::chrf::Chrf;
use regard_eval::error_rate::ErrorRate;
use regard_eval::exact::ExactMatch;
use regard_eval::metric::{Metric, corpus, sentences};
use regard_eval::references::References;
use regard_eval::ter::Ter;

fn metrics() -> Vec<Box<dyn Metric>> {
    let mut all: Vec<Box<dyn Metric>> = vec![
        Box::new(Bleu::default().with_effective_order(true)),
        Box::new(
            Bleu::default()
                .with_smoothing(Smoothing::Floor(0.1))
                .unwrap(),
        ),
        Box::new(
            Bleu::default()
                .with_smoothing(Smoothing::AddK(1.0))
                .unwrap(),
        ),
        Box::new(Chrf::default()),
        Box::new(Chrf::plus_plus()),
        Box::new(
            Chrf::default()
                .with_orders(9, 5)
                .unwrap()
                .with_whitespace(true),
        ),
        Box::new(Chrf::default().with_epsilon_smoothing(true)),
        Box::new(Ter::default()),
        Box::new(
            Ter::default()
                .with_normalized(true)
                .with_asian_support(true),
        ),
        Box::new(ErrorRate::words()),
        Box::new(ErrorRate::characters()),
        Box::new(ExactMatch::default()),
    ];
    for tokenizer in Tokenizer::ALL {
        all.push(Box::new(Bleu::default().with_tokenizer(tokenizer)));
    }
    all
}

fn line() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("a"),
        Just("cat"),
        Just("Sat."),
        Just("1,000.5"),
        Just("\u{6211}\u{4eec}\u{3002}"),
        Just("e\u{301}"),
        Just("\u{1f469}\u{200d}\u{1f680}"),
        Just("\u{2028}"),
        Just("&quot;"),
        Just("-"),
    ];
    prop::collection::vec(word, 0..12).prop_map(|words| words.join(" "))
}

fn lines() -> impl Strategy<Value = Vec<(String, Vec<String>)>> {
    prop::collection::vec((line(), prop::collection::vec(line(), 1..4)), 1..6)
}

fn score(metric: &dyn Metric, lines: &[(String, Vec<String>)]) -> f64 {
    let (hypotheses, references): (Vec<_>, Vec<_>) = lines.iter().cloned().unzip();
    let references = References::of_lines(&references).unwrap();
    corpus(metric, &hypotheses, &references).unwrap().score
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn saying_a_reference_is_perfect(mut lines in lines(), pick: prop::sample::Index) {
        // Long enough for every order of every metric.
        for (hypothesis, references) in &mut lines {
            for reference in references.iter_mut() {
                reference.push_str(" and that is all there is");
            }
            *hypothesis = references[pick.index(references.len())].clone();
        }
        for metric in metrics() {
            let got = score(metric.as_ref(), &lines);
            let perfect = if metric.is_error_rate() { 0.0 } else { 100.0 };
            prop_assert!((got - perfect).abs() < 1e-9, "{} {} {got}", metric.name(), metric.settings());
        }
    }

    #[test]
    fn the_order_of_lines_changes_nothing(lines in lines()) {
        let mut reversed = lines.clone();
        reversed.reverse();
        for metric in metrics() {
            let (one, other) = (score(metric.as_ref(), &lines), score(metric.as_ref(), &reversed));
            prop_assert!((one - other).abs() < 1e-9);
            prop_assert!(one >= 0.0 && (metric.is_error_rate() || one <= 100.0 + 1e-9));
        }
    }

    #[test]
    fn more_references_never_lower_what_matches(hypothesis in line(), references in prop::collection::vec(line(), 2..5)) {
        let references: Vec<&str> = references.iter().map(String::as_str).collect();
        for tokenizer in Tokenizer::ALL {
            let bleu = Bleu::default().with_tokenizer(tokenizer);
            let (few, more) = (bleu.count(&hypothesis, &references[..1]), bleu.count(&hypothesis, &references));
            // Matches of the four orders.
            prop_assert!((2..6).all(|i| few[i] <= more[i]));
        }
        for metric in [&Chrf::plus_plus() as &dyn Metric, &ExactMatch::default()] {
            let score = |references| metric.score_of(&metric.count(&hypothesis, references));
            prop_assert!(score(&references[..1]) <= score(&references));
        }
        for metric in [&Ter::default() as &dyn Metric, &ErrorRate::words(), &ErrorRate::characters()] {
            let edits = |references| metric.count(&hypothesis, references)[0];
            prop_assert!(edits(&references[..1]) >= edits(&references));
        }
    }

    #[test]
    fn a_sentence_is_a_corpus_of_one(hypothesis in line(), reference in line()) {
        let (hypotheses, references) = ([hypothesis], [reference]);
        let references = References::single(&references);
        for metric in metrics() {
            let alone = sentences(metric.as_ref(), &hypotheses, &references).unwrap();
            let whole = corpus(metric.as_ref(), &hypotheses, &references).unwrap().score;
            prop_assert_eq!(alone, vec![whole]);
        }
    }
}

#[test]
fn line_counts_and_no_lines_are_refused_by_all() {
    for metric in metrics() {
        let none: [&str; 0] = [];
        let error = corpus(metric.as_ref(), &none, &References::single(&none)).unwrap_err();
        assert_eq!(error, EvalError::NoLines);
        let error = sentences(metric.as_ref(), &["a", "b"], &References::single(&["a"]));
        assert!(matches!(error, Err(EvalError::LineCounts { .. })));
    }
}

#[test]
fn settings_that_make_no_score_are_refused() {
    for value in [-0.1, f64::NAN, f64::INFINITY] {
        for smoothing in [Smoothing::Floor(value), Smoothing::AddK(value)] {
            let error = Bleu::default().with_smoothing(smoothing).unwrap_err();
            assert!(error.to_string().contains("at least 0, got"), "{error}");
        }
    }
    for (characters, words) in [(0, 0), (13, 0), (6, 9)] {
        let error = Chrf::default().with_orders(characters, words).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("up to 12 characters and 8 words"),
            "{error}"
        );
    }
}

#[test]
fn signatures_name_the_number_of_references() {
    let lines = [vec!["a"], vec!["b", "c"]];
    let references = References::of_lines(&lines).unwrap();
    let score = corpus(&Chrf::plus_plus(), &["a", "b"], &references).unwrap();
    assert!(
        score
            .to_string()
            .starts_with("chrF2++|nrefs:var|case:mixed|eff:yes|nc:6|nw:2|space:no|")
    );
    let smoothed = Bleu::default()
        .with_smoothing(Smoothing::Floor(Smoothing::FLOOR))
        .unwrap();
    assert!(smoothed.signature().contains("|smooth:floor[0.10]|"));
}
