//! What a user can ask of search that cannot be done.

use regard_decode::DecodeConfig;

#[track_caller]
fn wrong(config: &DecodeConfig, expected: &[&str]) {
    assert_eq!(config.problems(), expected);
}

#[test]
fn impossible_values_are_problems_with_their_key() {
    let with = |beam, length_penalty| DecodeConfig {
        beam,
        length_penalty,
        ..DecodeConfig::default()
    };
    wrong(&with(0, 1.0), &["beam: expected at least 1, got 0"]);
    for (penalty, shown) in [
        (f64::NAN, "NaN"),
        (f64::INFINITY, "inf"),
        (f64::NEG_INFINITY, "-inf"),
        (10.5, "10.5"),
        (-11.0, "-11"),
    ] {
        let problem = format!("length_penalty: expected a number from -10 to 10, got {shown}");
        wrong(&with(4, penalty), &[&problem]);
    }
    for penalty in [-10.0, -0.5, 0.0, 0.6, 10.0] {
        wrong(&with(4, penalty), &[]);
    }
    assert_eq!(with(8, 1.0).beam_problem(8), None);
    assert_eq!(
        with(9, 1.0).beam_problem(8).unwrap(),
        "beam: expected at most 8, the tokens of the vocabulary, got 9"
    );
}
