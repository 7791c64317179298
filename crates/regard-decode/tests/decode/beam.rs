//! Beam search on chains whose paths can be counted.

use regard_decode::{BeamOptions, Hypothesis, Request, Rules, TargetLength, beam_search, greedy};
use regard_text::SpecialIds;

use crate::markov::{A, B, C, Markov, VOCABULARY, sources};
use crate::oracle::{every, penalty, same};

fn bounds(bounds: &[(usize, usize)]) -> Vec<Request> {
    let bound = |&(least, most)| TargetLength { least, most }.into();
    bounds.iter().map(bound).collect()
}

/// What is found, and the rows of each step.
fn search(
    chains: &[u32],
    lengths: &[(usize, usize)],
    beam: usize,
    alpha: f64,
) -> (Vec<Vec<Hypothesis>>, Vec<usize>) {
    let model = Markov::default();
    let options = BeamOptions {
        beam,
        length_penalty: penalty(alpha),
        ..BeamOptions::default()
    };
    let special = SpecialIds::default();
    let source = sources(chains);
    let found = beam_search(&model, &source, &bounds(lengths), special, &options);
    (found, model.steps.take())
}

fn alone(chain: u32, lengths: (usize, usize), beam: usize, alpha: f64) -> Vec<Hypothesis> {
    search(&[chain], &[lengths], beam, alpha).0.remove(0)
}

/// Every hypothesis there is, the best first.
fn all(chain: u32, (least, most): (usize, usize), alpha: f64) -> Vec<Hypothesis> {
    let request = TargetLength { least, most }.into();
    every(chain, &request, penalty(alpha), &Rules::default())
}

#[test]
fn a_beam_of_one_is_greedy_search() {
    let lengths = [(0, 9), (2, 3), (0, 0), (3, 6), (9, 4)];
    for chain in 0..12 {
        let (model, special) = (Markov::default(), SpecialIds::default());
        let chains = [chain; 5];
        let expected = {
            let (source, rules) = (sources(&chains), Rules::default());
            greedy(&model, &source, &bounds(&lengths), special, &rules)
        };
        for alpha in [-1.0, 0.0, 1.0] {
            let (found, steps) = search(&chains, &lengths, 1, alpha);
            for (found, expected) in found.iter().zip(&expected) {
                let [found] = found.as_slice() else {
                    panic!("one hypothesis for each source, got {found:?}")
                };
                assert_eq!(found.ids, expected.ids);
                assert_eq!(found.ended, expected.ended);
                assert_eq!(
                    found.log_probability.to_bits(),
                    expected.log_probability.to_bits()
                );
            }
            assert_eq!(steps, *model.steps.borrow());
        }
    }
}

#[test]
fn a_beam_as_wide_as_the_tree_finds_everything_in_order() {
    for chain in 0..12 {
        for lengths in [(0, 1), (0, 4), (2, 4), (4, 4), (9, 3)] {
            for alpha in [-2.0, -0.5, 0.0, 0.6, 1.0, 3.0] {
                let expected = all(chain, lengths, alpha);
                let name = format!("chain {chain}, {lengths:?}, alpha {alpha}");
                if expected.is_empty() {
                    continue; // every way leads nowhere
                }
                same(&alone(chain, lengths, 125, alpha), &expected, &name);
            }
        }
    }
}

/// What is found is among all there is, with its log-probability; the list is sorted and distinct.
#[test]
fn a_narrow_beam_finds_true_hypotheses_and_mostly_the_best() {
    let (mut best, mut cases) = (0, 0);
    for chain in 5..25 {
        for alpha in [-1.0, 0.0, 1.0] {
            let every = all(chain, (1, 5), alpha);
            let found = alone(chain, (1, 5), 4, alpha);
            let expected: Vec<Hypothesis> = found
                .iter()
                .map(|found| {
                    let is_same = |every: &&Hypothesis| {
                        (&every.ids, every.ended) == (&found.ids, found.ended)
                    };
                    every.iter().find(is_same).unwrap().clone()
                })
                .collect();
            same(&found, &expected, &format!("chain {chain}, alpha {alpha}"));
            let rank = |found: &Hypothesis| (found.ended, found.score);
            assert!(
                found
                    .windows(2)
                    .all(|pair| rank(&pair[0]) >= rank(&pair[1]))
            );
            assert!((1..found.len()).all(|i| !found[..i].contains(&found[i])));
            assert_eq!(found.len(), 4);
            best += usize::from(found[0].ids == every[0].ids);
            cases += 1;
        }
    }
    assert!(4 * best > 3 * cases, "{best} of {cases}");
}

/// Chain 0: a b has 0.6 x 0.7 x 0.8 = 0.336, b has 0.4 x 0.8 = 0.32, a has 0.6 x 0.3 = 0.18.
#[test]
fn hand_computed() {
    let ids = |alpha| {
        let found = alone(0, (0, 9), 2, alpha);
        let ids = found.iter().map(|found| found.ids.clone());
        (ids.collect::<Vec<_>>(), found[0].score)
    };
    let (found, score) = ids(0.0);
    assert_eq!(found, [vec![A, B], vec![B]]);
    assert!((score - 0.336_f64.ln()).abs() < 1e-6);
    // Three tokens: over 8 / 6.
    let (found, score) = ids(1.0);
    assert_eq!(found, [vec![A, B], vec![B]]);
    assert!((score - 0.336_f64.ln() * 0.75).abs() < 1e-6);
    // Two tokens: times 7 / 6, where the longer one has times 8 / 6.
    let (found, score) = ids(-1.0);
    assert_eq!(found, [vec![B], vec![A, B]]);
    assert!((score - 0.32_f64.ln() * 7.0 / 6.0).abs() < 1e-6);
}

/// Chain 2: greedy search follows a, which hardly ever ends.
#[test]
fn a_second_hypothesis_finds_what_the_first_misses() {
    let found = alone(2, (0, 9), 2, 0.0);
    assert_eq!(found[0].ids, [B]);
    assert!((found[0].log_probability - 0.5_f64.ln()).abs() < 1e-6);
    let (model, special) = (Markov::default(), SpecialIds::default());
    let greedy = {
        let (source, rules) = (sources(&[2]), Rules::default());
        greedy(&model, &source, &bounds(&[(0, 9)]), special, &rules)
    };
    assert_eq!(greedy[0].ids, [A; 9]);
}

#[test]
fn ties_go_to_the_lower_id_and_what_the_limit_stopped_stands_last() {
    // The end and c are as probable: the end is taken, c goes on.
    let found = alone(1, (0, 1), 2, 0.0);
    let told: Vec<_> = found
        .iter()
        .map(|found| (&found.ids[..], found.ended))
        .collect();
    assert_eq!(told, [(&[][..], true), (&[C][..], false)]);
    // As probable as the end, but shorter than its limit by nothing: with this penalty c would score higher.
    let found = alone(1, (0, 1), 2, 5.0);
    assert_eq!(found[0].ids, [0; 0]);
    assert!(found[0].ended && !found[1].ended);
    let found = alone(2, (0, 1), 2, 0.0);
    assert_eq!(found[0].ids, [A]);
    assert_eq!(found[1].ids, [B]);
    // Two ways to the same token: the earlier hypothesis goes first, and stays so.
    for beam in [2, 3, 8] {
        let found = alone(4, (0, 9), beam, 1.0);
        let ids: Vec<_> = found.iter().map(|found| &found.ids[..]).collect();
        assert_eq!(ids, [[A, C], [B, C]]);
    }
}

/// Chain 0 with a beam of 2: a b ends at the third step, and then the best live one, a b a, has 0.084.
#[test]
fn search_stops_once_nothing_can_win() {
    let steps = |alpha, most| search(&[0], &[(0, most)], 2, alpha).1;
    assert_eq!(steps(0.0, 9), [1, 2, 2]);
    assert_eq!(steps(-1.0, 9), [1, 2, 2]);
    // ln 0.084 over (14 / 6)^2 is -0.455, and b has ln 0.32 over (7 / 6)^2, -0.837.
    assert!(steps(2.0, 9).len() > 3);
    // With room for 4 tokens it is -2.477 over (9 / 6)^2, -1.101.
    assert_eq!(steps(2.0, 4), [1, 2, 2]);
}

#[test]
fn what_can_no_longer_end_is_not_waited_for() {
    // Chain 1 with a minimum of 0 has two that ended after two steps.
    assert_eq!(search(&[1], &[(0, 50)], 2, 0.0).1, [1, 2]);
    // No end before the limit: nothing ends, and all steps are taken.
    let (found, steps) = search(&[1], &[(3, 3)], 2, 0.0);
    assert_eq!(steps, [1, 2, 2]);
    assert_eq!(found[0].len(), 1);
    assert_eq!(
        (&found[0][0].ids[..], found[0][0].ended),
        (&[C; 3][..], false)
    );
}

#[test]
fn sentences_that_are_done_leave_the_batch() {
    let (_, steps) = search(&[2, 0, 1], &[(0, 9), (0, 9), (0, 9)], 2, 0.0);
    assert_eq!(steps[..5], [3, 6, 4, 2, 2]);
    let (found, steps) = search(&[2, 0, 1], &[(0, 0), (0, 9), (0, 0)], 2, 0.0);
    assert_eq!(steps, [1, 2, 2]);
    assert_eq!(found[0], [Hypothesis::default()]);
    assert_eq!(found[2], [Hypothesis::default()]);
    assert_eq!(search(&[0], &[(0, 0)], 2, 0.0).1, [0; 0]);
}

#[test]
fn a_sentence_in_a_batch_is_the_sentence_alone() {
    let lengths = [(0, 9), (2, 3), (1, 1), (0, 0), (3, 6)];
    for (beam, alpha) in [(2, 0.0), (3, 1.0), (5, -1.0), (8, 0.6)] {
        let mut cases = Vec::new();
        for chain in 0..6 {
            cases.extend(lengths.map(|lengths| (chain, lengths)));
        }
        // Each in every place: neighbours are done before it and after it.
        for _ in 0..cases.len() {
            cases.rotate_left(1);
            let (chains, lengths): (Vec<u32>, Vec<_>) = cases.iter().copied().unzip();
            let (together, _) = search(&chains, &lengths, beam, alpha);
            for ((chain, lengths), together) in cases.iter().zip(&together) {
                let name = format!("chain {chain}, {lengths:?}, beam {beam}");
                same(together, &alone(*chain, *lengths, beam, alpha), &name);
            }
        }
    }
}

#[test]
fn a_way_that_leads_nowhere_is_what_was_found_of_it() {
    let found = alone(3, (0, 9), 4, 1.0);
    let [found] = found.as_slice() else {
        panic!("one way, got {found:?}")
    };
    assert_eq!(found.ids, [A, B]);
    assert!(!found.ended && found.log_probability.abs() < 1e-6);
}

#[test]
fn more_hypotheses_than_tokens_are_no_accident() {
    for beam in [VOCABULARY, VOCABULARY + 1, 1000] {
        let found = alone(0, (0, 3), beam, 0.0);
        same(&found, &all(0, (0, 3), 0.0), &format!("beam {beam}"));
    }
}

#[test]
#[should_panic(expected = "beam_search: a request for each source")]
fn bounds_must_be_as_many_as_sources() {
    search(&[0, 1], &[(0, 9)], 2, 0.0);
}

#[test]
#[should_panic(expected = "beam_search: expected a beam of at least 1, got 0")]
fn nothing_is_no_beam() {
    search(&[0], &[(0, 9)], 0, 0.0);
}
