use super::*;

fn corpus(hypotheses: &[&str], references: &[&str]) -> BleuScore {
    Bleu::default().corpus(hypotheses, references).unwrap()
}

#[test]
fn equal_corpora_score_100() {
    let lines = ["one two three four five", "", "six"];
    assert!((corpus(&lines, &lines).score - 100.0).abs() < 1e-9);
}

#[test]
fn repeated_words_match_only_as_often_as_in_the_reference() {
    // The paper's own example: "the" seven times against a reference that has it twice.
    let score = corpus(&["the the the the the the the"], &["the cat is on the mat"]);
    assert_eq!(score.matches, [2, 0, 0, 0]);
    assert_eq!(score.totals, [7, 6, 5, 4]);
}

#[test]
fn orders_without_a_match_are_smoothed_by_powers_of_two() {
    let score = corpus(&["a b c d"], &["a x c y"]);
    let expected = [50.0, 100.0 / (2.0 * 3.0), 100.0 / (4.0 * 2.0), 100.0 / 8.0];
    for (got, want) in score.precisions.iter().zip(expected) {
        assert!((got - want).abs() < 1e-12);
    }
}

#[test]
fn short_hypotheses_pay_the_brevity_penalty() {
    let score = corpus(&["a b c d", ""], &["a b c d", "e f g h"]);
    assert!((score.brevity_penalty - (-1.0f64).exp()).abs() < 1e-12);
    assert!((score.score - 100.0 * (-1.0f64).exp()).abs() < 1e-9);
}

#[test]
fn nothing_in_common_or_nothing_at_all_scores_0() {
    assert_eq!(corpus(&["a b c d"], &["e f g h"]).score.to_bits(), 0);
    assert_eq!(corpus(&[""], &[""]).score.to_bits(), 0);
    assert_eq!(corpus(&[""], &["a"]).score.to_bits(), 0);
    assert_eq!(corpus(&["a b c"], &["a b c"]).score.to_bits(), 0);
}

#[test]
fn lower_casing_is_asked_for_and_signed() {
    let (hypotheses, references) = (["Un Deux Trois Quatre"], ["un deux trois quatre"]);
    assert!(corpus(&hypotheses, &references).score < 1.0);
    let bleu = Bleu::default().with_lowercase(true);
    let score = bleu.corpus(&hypotheses, &references).unwrap();
    assert!((score.score - 100.0).abs() < 1e-9);
    assert!(
        score
            .signature
            .starts_with("nrefs:1|case:lc|eff:no|tok:13a|smooth:exp|version:")
    );
}

#[test]
fn displays_as_the_line_sacrebleu_prints() {
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        corpus(&["the cat sat on a mat"], &["the cat sat on the mat"]).to_string(),
        format!(
            "BLEU|nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:regard-{version} = \
             53.73 83.3/60.0/50.0/33.3 \
             (BP = 1.000 ratio = 1.000 hyp_len = 6 ref_len = 6)"
        )
    );
}

#[test]
fn different_line_counts_and_no_lines_are_errors() {
    let error = Bleu::default().corpus(&["a", "b"], &["a"]).unwrap_err();
    assert_eq!(
        error,
        EvalError::LineCounts {
            hypotheses: 2,
            references: 1
        }
    );
    let error = Bleu::default().corpus::<&str, &str>(&[], &[]).unwrap_err();
    assert_eq!(error, EvalError::NoLines);
}

#[test]
fn several_references_by_hand() {
    // "a a b" against "a b" and "a a c": a twice (second), b once (first); "a a" (second), "a b" (first).
    let lines = [["a b", "a a c"]];
    let references = References::of_lines(&lines).unwrap();
    let score = Bleu::default().corpus_of(&["a a b"], &references).unwrap();
    assert_eq!(score.matches, [3, 2, 0, 0]);
    assert_eq!(score.totals, [3, 2, 1, 0]);
    assert_eq!(score.reference_length, 3);
    assert!(score.signature.starts_with("nrefs:2|"));
}

#[test]
fn of_two_lengths_equally_near_the_shorter_counts() {
    let lines = [["a b c d e", "a b c"]];
    let references = References::of_lines(&lines).unwrap();
    let score = Bleu::default()
        .corpus_of(&["a b c d"], &references)
        .unwrap();
    assert_eq!(score.reference_length, 3);
}

#[test]
fn smoothing_by_hand() {
    // "a b c d" against "a x c y": 2 of 4 words, 0 of 3, 0 of 2, 0 of 1.
    let precisions = |smoothing| {
        let bleu = Bleu::default().with_smoothing(smoothing).unwrap();
        bleu.corpus(&["a b c d"], &["a x c y"]).unwrap().precisions
    };
    let expected = [
        (Smoothing::Floor(0.1), [50.0, 10.0 / 3.0, 5.0, 10.0]),
        (Smoothing::AddK(1.0), [50.0, 25.0, 100.0 / 3.0, 50.0]),
        (Smoothing::None, [50.0, 0.0, 0.0, 0.0]),
    ];
    for (smoothing, want) in expected {
        for (got, want) in precisions(smoothing).into_iter().zip(want) {
            assert!((got - want).abs() < 1e-12, "{smoothing}");
        }
    }
}

#[test]
fn effective_order_leaves_out_what_a_sentence_is_too_short_for() {
    let bleu = Bleu::default().with_effective_order(true);
    let score = bleu.corpus(&["a b c"], &["a b c"]).unwrap();
    assert!((score.score - 100.0).abs() < 1e-9);
    assert!(score.signature.contains("|eff:yes|"));
}
