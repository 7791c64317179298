use super::*;
use proptest::prelude::*;

fn corpus(hypotheses: &[&str], references: &[&str]) -> f64 {
    let score = Chrf::default().corpus(hypotheses, references).unwrap();
    score.score
}

#[test]
fn hand_counted_characters() {
    // "abc" against "abd": 2 of 3 letters, 1 of 2 pairs, no triple, and none longer on either side.
    let share = (2.0 / 3.0 + 1.0 / 2.0 + 0.0) / 3.0;
    assert!((corpus(&["abc"], &["abd"]) - 100.0 * share).abs() < 1e-12);
}

#[test]
fn white_space_does_not_count() {
    assert!((corpus(&["a b\u{1f}c\u{a0}d e f"], &["abcdef"]) - 100.0).abs() < 1e-12);
}

#[test]
fn hand_counted_words_of_chrf_plus_plus() {
    // Characters 1 to 2 and words 1: "ab c" against "ab d".
    // abc, abd: 2 of 3 letters, 1 of 2 pairs; ab: 1 of 2 words.
    let chrf = Chrf::default().with_orders(2, 1).unwrap();
    let score = chrf.corpus(&["ab c"], &["ab d"]).unwrap();
    let share = (2.0 / 3.0 + 1.0 / 2.0 + 1.0 / 2.0) / 3.0;
    assert!((score.score - 100.0 * share).abs() < 1e-12);
    assert!(
        score
            .to_string()
            .starts_with("chrF2+|nrefs:1|case:mixed|eff:yes|nc:2|nw:1|")
    );
}

#[test]
fn one_mark_stands_apart_from_its_word() {
    let apart = |word| apart(word).collect::<Vec<_>>();
    assert_eq!(apart("(hi)"), ["(hi", ")"]);
    assert_eq!(apart("(hi"), ["(", "hi"]);
    assert_eq!(apart("a'b"), ["a'b"]);
    assert_eq!(apart("("), ["("]);
    assert_eq!(apart("\u{e9}."), ["\u{e9}", "."]);
    assert_eq!(apart("\u{ab}a"), ["\u{ab}a"]);
}

#[test]
fn the_better_of_two_references_counts() {
    // Against "abc" all, against "abd" 2 of 3 letters and 1 of 2 pairs; sums are not mixed.
    let lines = [["abd", "abc"]];
    let references = References::of_lines(&lines).unwrap();
    let score = Chrf::default().corpus_of(&["abc"], &references).unwrap();
    assert!((score.score - 100.0).abs() < 1e-12);
}

#[test]
fn epsilon_smoothing_averages_over_all_orders() {
    // "a" against "a": one order of six is right, the others are worth 1e-16.
    let chrf = Chrf::default().with_epsilon_smoothing(true);
    let score = chrf.corpus(&["a"], &["a"]).unwrap();
    assert!((score.score - 100.0 / 6.0).abs() < 1e-9);
    assert!(score.signature.contains("|eff:no|"));
}

#[test]
fn nothing_in_common_or_nothing_at_all_scores_0() {
    for (hypothesis, reference) in [("abc", "xyz"), ("", "a"), ("a", ""), ("", "")] {
        assert_eq!(corpus(&[hypothesis], &[reference]).to_bits(), 0);
    }
}

#[test]
fn displays_as_the_line_sacrebleu_prints() {
    let score = Chrf::default().with_lowercase(true);
    let score = score.corpus(&["ABCDEF"], &["abcdef"]).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        score.to_string(),
        format!(
            "chrF2|nrefs:1|case:lc|eff:yes|nc:6|nw:0|space:no|version:regard-{version} = 100.00"
        )
    );
}

#[test]
fn different_line_counts_and_no_lines_are_errors() {
    let error = Chrf::default().corpus(&["a", "b"], &["a"]).unwrap_err();
    let counts = EvalError::LineCounts {
        hypotheses: 2,
        references: 1,
    };
    assert_eq!(error, counts);
    let error = Chrf::default().corpus::<&str, &str>(&[], &[]).unwrap_err();
    assert_eq!(error, EvalError::NoLines);
}

proptest! {
    #[test]
    fn equal_lines_score_100_and_order_does_not_matter(
        mut lines in prop::collection::vec(("[ab ]{0,12}", "[ab ]{0,12}"), 1..6),
    ) {
        let score = |lines: &[(String, String)]| {
            let (left, right): (Vec<_>, Vec<_>) = lines.iter().cloned().unzip();
            Chrf::default().corpus(&left, &right).unwrap().score
        };
        let forward = score(&lines);
        prop_assert!((0.0..=100.0).contains(&forward));
        lines.reverse();
        prop_assert_eq!(forward.to_bits(), score(&lines).to_bits());
        for line in &mut lines {
            line.0.push('c');
            line.1.clone_from(&line.0);
        }
        prop_assert!((score(&lines) - 100.0).abs() < 1e-9);
    }
}
