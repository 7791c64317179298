use super::*;
use crate::bleu::Bleu;
use crate::error_rate::ErrorRate;
use crate::exact::ExactMatch;
use proptest::prelude::*;

fn options(test: Test, trials: usize) -> Options {
    Options {
        trials,
        ..Options::new(test)
    }
}

const TESTS: [Test; 2] = [Test::Bootstrap, Test::Randomisation];

#[test]
fn the_p_value_by_hand() {
    // One of three trials lies beyond 2: (1 + 1) / (3 + 1).
    assert!((p_value(2.0, &[1.0, 2.0, 3.0]) - 0.5).abs() < 1e-12);
    assert!((p_value(0.0, &[1.0, 2.0, 3.0]) - 1.0).abs() < 1e-12);
}

#[test]
fn no_swap_makes_a_difference_larger_than_all_of_it() {
    // One system is right where the other is wrong, on one line or on all four. However sides are swapped, the
    // difference is no larger than the real one, so that none of 99 trials lies beyond it: (0 + 1) / (99 + 1).
    let (references, wrong) = (["a"; 4], ["b"; 4]);
    let of = References::single(&references);
    for right in [1, 4] {
        let mut system = wrong;
        system[..right].fill("a");
        let options = options(Test::Randomisation, 99);
        let result = compare(&ExactMatch::default(), &wrong, &system, &of, &options).unwrap();
        assert!((result.difference - 25.0 * right as f64).abs() < 1e-12);
        assert!((result.p_value - 0.01).abs() < 1e-12);
    }
}

#[test]
fn signatures_are_those_of_sacrebleu() {
    let lines = ["a b c d"];
    let signature = |test| {
        let of = References::single(&lines);
        let result = compare(&Bleu::default(), &lines, &lines, &of, &options(test, 7)).unwrap();
        result.signature
    };
    let rest = "case:mixed|eff:no|tok:13a|smooth:exp|version:regard-";
    let bootstrap = format!("nrefs:1|bs:7|seed:12345|{rest}");
    assert!(signature(Test::Bootstrap).starts_with(&bootstrap));
    let randomisation = format!("nrefs:1|bs:1000|ar:7|seed:12345|{rest}");
    assert!(signature(Test::Randomisation).starts_with(&randomisation));
}

#[test]
fn no_trials_and_other_line_counts_are_errors() {
    let lines = ["a"];
    let of = References::single(&lines);
    let metric = Bleu::default();
    let error = compare(&metric, &lines, &lines, &of, &options(Test::Bootstrap, 0)).unwrap_err();
    assert_eq!(error, EvalError::NoTrials);
    let error = compare(
        &metric,
        &lines,
        &["a", "b"],
        &of,
        &options(Test::Bootstrap, 9),
    );
    assert!(matches!(error, Err(EvalError::LineCounts { .. })));
    assert_eq!(
        estimate_of(&metric, &lines, &of, 0, 1),
        Err(EvalError::NoTrials)
    );
}

proptest! {
    #[test]
    fn a_system_does_not_differ_from_itself(
        lines in prop::collection::vec(("[ab ]{0,9}", "[ab ]{0,9}"), 1..9),
        seed: u64,
    ) {
        let (hypotheses, references): (Vec<_>, Vec<_>) = lines.into_iter().unzip();
        let of = References::single(&references);
        for test in TESTS {
            let options = Options { test, trials: 20, seed };
            let result = compare(&Bleu::default(), &hypotheses, &hypotheses, &of, &options).unwrap();
            prop_assert_eq!(result.p_value.to_bits(), 1.0_f64.to_bits());
            prop_assert_eq!(result.difference_interval.map(f64::abs).map(f64::to_bits), [0, 0]);
            prop_assert_eq!(result.baseline, result.system);
        }
    }

    #[test]
    fn changing_sides_changes_the_sign_alone(
        lines in prop::collection::vec(("[ab]( [ab]){0,5}", "[ab]( [ab]){0,5}", "[ab]( [ab]){0,5}"), 1..9),
    ) {
        let references: Vec<_> = lines.iter().map(|line| line.0.clone()).collect();
        let left: Vec<_> = lines.iter().map(|line| line.1.clone()).collect();
        let right: Vec<_> = lines.iter().map(|line| line.2.clone()).collect();
        let of = References::single(&references);
        for test in TESTS {
            let options = options(test, 50);
            let one = compare(&ErrorRate::words(), &left, &right, &of, &options).unwrap();
            let other = compare(&ErrorRate::words(), &right, &left, &of, &options).unwrap();
            prop_assert_eq!(one.p_value.to_bits(), other.p_value.to_bits());
            prop_assert!((one.difference + other.difference).abs() < 1e-12);
            prop_assert_eq!(one, compare(&ErrorRate::words(), &left, &right, &of, &options).unwrap());
        }
    }
}
