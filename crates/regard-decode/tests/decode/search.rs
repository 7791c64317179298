//! Greedy search on chains whose best paths are known.

use regard_decode::{Hypothesis, Request, Rules, TargetLength, greedy};
use regard_text::SpecialIds;

use crate::markov::{A, B, C, Markov, sources};

fn search(chains: &[u32], bounds: &[(usize, usize)]) -> Vec<Hypothesis> {
    let requests: Vec<Request> = bounds
        .iter()
        .map(|&(least, most)| TargetLength { least, most }.into())
        .collect();
    let (model, special) = (Markov::default(), SpecialIds::default());
    let rules = Rules::default();
    greedy(&model, &sources(chains), &requests, special, &rules)
}

/// The hypothesis has these ids and the product of these probabilities.
#[track_caller]
fn check(hypothesis: &Hypothesis, ids: &[u32], probabilities: &[f64]) {
    assert_eq!(hypothesis.ids, ids);
    let expected: f64 = probabilities.iter().map(|p| p.ln()).sum();
    let got = hypothesis.log_probability;
    assert!(
        (got - expected).abs() < 1e-6,
        "expected {expected}, got {got}"
    );
}

#[test]
fn the_most_probable_token_is_taken_until_the_end() {
    check(&search(&[0], &[(0, 9)])[0], &[A, B], &[0.6, 0.7, 0.8]);
}

#[test]
fn ties_go_to_the_lower_id() {
    check(&search(&[1], &[(0, 9)])[0], &[], &[0.5]);
    check(&search(&[2], &[(0, 1)])[0], &[A], &[0.5]);
}

#[test]
fn the_limit_ends_what_does_not_end() {
    check(&search(&[2], &[(0, 4)])[0], &[A; 4], &[0.5, 0.9, 0.9, 0.9]);
    check(&search(&[0], &[(0, 1)])[0], &[A], &[0.6]);
}

#[test]
fn no_room_is_no_token() {
    let hypotheses = search(&[0, 0, 2], &[(0, 0), (0, 9), (0, 0)]);
    check(&hypotheses[0], &[], &[]);
    check(&hypotheses[1], &[A, B], &[0.6, 0.7, 0.8]);
    check(&hypotheses[2], &[], &[]);
    check(&search(&[0], &[(0, 0)])[0], &[], &[]);
}

#[test]
fn the_end_is_not_taken_before_the_minimum_but_keeps_its_share() {
    check(&search(&[1], &[(2, 9)])[0], &[C, C], &[0.5, 0.3, 0.7]);
    check(
        &search(&[0], &[(3, 9)])[0],
        &[A, B, A, B],
        &[0.6, 0.7, 0.2, 0.7, 0.8],
    );
    check(&search(&[1], &[(9, 3)])[0], &[C; 3], &[0.5, 0.3, 0.3]);
}

#[test]
fn a_sentence_in_a_batch_is_the_sentence_alone() {
    let bounds = [(0, 9), (2, 3), (1, 1), (0, 0), (3, 6)];
    let mut cases = Vec::new();
    for chain in 0..3 {
        cases.extend(bounds.map(|bounds| (chain, bounds)));
    }
    // Each in every place: neighbours end before it and after it.
    for turn in 0..cases.len() {
        cases.rotate_left(1);
        let (chains, bounds): (Vec<u32>, Vec<_>) = cases.iter().copied().unzip();
        let together = search(&chains, &bounds);
        for (case, (chain, bounds)) in cases.iter().enumerate() {
            let alone = search(&[*chain], &[*bounds]).remove(0);
            assert_eq!(together[case].ids, alone.ids, "turn {turn}, case {case}");
            let difference = together[case].log_probability - alone.log_probability;
            assert!(
                difference.abs() < 1e-6,
                "turn {turn}, case {case}: {difference}"
            );
        }
    }
}

#[test]
#[should_panic(expected = "greedy: a request for each source")]
fn bounds_must_be_as_many_as_sources() {
    search(&[0, 1], &[(0, 9)]);
}
