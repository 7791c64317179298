use super::*;
use crate::error_rate::ErrorRate;
use proptest::prelude::*;

fn rate(ter: &Ter, hypothesis: &str, reference: &str) -> f64 {
    ter.corpus(&[hypothesis], &[reference]).unwrap().score
}

#[test]
fn the_example_of_the_paper() {
    // Section 2.2: one shift ("this week"), two replacements, one insertion over 13 words (SAUDI ARABIA, THE, AMERICAN).
    let reference =
        "SAUDI ARABIA denied THIS WEEK information published in the AMERICAN new york times";
    let hypothesis = "THIS WEEK THE SAUDIS denied information published in the new york times";
    let got = rate(&Ter::default(), hypothesis, reference);
    assert!((got - 100.0 * 4.0 / 13.0).abs() < 1e-12, "{got}");
}

#[test]
fn case_counts_only_when_asked() {
    assert!(rate(&Ter::default(), "The CAT", "the cat").abs() < 1e-12);
    let cased = Ter::default().with_case_sensitive(true);
    assert!((rate(&cased, "The cat", "the cat") - 50.0).abs() < 1e-12);
}

#[test]
fn punctuation_parts_and_goes() {
    let plain = Ter::default();
    assert!((rate(&plain, "it's so.", "it 's so .") - 100.0).abs() < 1e-12);
    let normalized = plain.clone().with_normalized(true);
    assert!(rate(&normalized, "it's so.", "it 's so .").abs() < 1e-12);
    let bare = plain.with_no_punctuation(true);
    assert!(rate(&bare, "so (it) is!", "so it is").abs() < 1e-12);
}

#[test]
fn ideographs_stand_one_by_one_with_asian_support() {
    let ter = Ter::default()
        .with_normalized(true)
        .with_asian_support(true);
    assert!(
        rate(
            &ter,
            "\u{6211}\u{4eec}\u{3002}",
            "\u{6211} \u{4eec} \u{3002}"
        )
        .abs()
            < 1e-12
    );
    let bare = ter.with_no_punctuation(true);
    assert!(rate(&bare, "\u{6211}\u{4eec}\u{3002}", "\u{6211}\u{4eec}").abs() < 1e-12);
}

#[test]
fn empty_sides() {
    let ter = Ter::default();
    assert!(rate(&ter, "", "").abs() < 1e-12);
    for (hypothesis, reference) in [("a b", ""), ("", "a b")] {
        assert!((rate(&ter, hypothesis, reference) - 100.0).abs() < 1e-12);
    }
}

#[test]
fn displays_as_the_line_sacrebleu_prints() {
    let score = Ter::default().corpus(&["a b"], &["a c"]).unwrap();
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(
        "TER|nrefs:1|case:lc|tok:tercom|norm:no|punct:yes|asian:no|version:regard-{version} = 50.00"
    );
    assert_eq!(score.to_string(), expected);
}

proptest! {
    #[test]
    fn moving_never_costs_more_than_replacing(
        hypothesis in "[a-d]( [a-d]){0,12}",
        reference in "[a-d]( [a-d]){0,12}",
    ) {
        let words = ErrorRate::words().corpus(&[&hypothesis], &[&reference]).unwrap().score;
        prop_assert!(rate(&Ter::default(), &hypothesis, &reference) <= words);
        prop_assert!(rate(&Ter::default(), &reference, &reference).abs() < 1e-12);
    }
}
