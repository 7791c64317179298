//! What is asked of search besides the probable: rules, prefixes, phrases, variety.

use std::collections::BTreeSet;

use regard_decode::{
    BeamOptions, Diversity, Hypothesis, LengthForm, LengthPenalty, Request, Rules, TargetLength,
    beam_search,
};
use regard_text::SpecialIds;

use crate::markov::{A, B, C, END, Markov, probability, sources};
use crate::oracle::{contains, every, penalty, repeats, same};

fn request(least: usize, most: usize) -> Request {
    TargetLength { least, most }.into()
}

fn with_rules(beam: usize, rules: Rules) -> BeamOptions {
    BeamOptions {
        beam,
        rules,
        length_penalty: penalty(0.6),
        ..BeamOptions::default()
    }
}

fn together(cases: &[(u32, Request)], options: &BeamOptions) -> Vec<Vec<Hypothesis>> {
    let (chains, requests): (Vec<u32>, Vec<Request>) = cases.iter().cloned().unzip();
    let special = SpecialIds::default();
    beam_search(
        &Markov::default(),
        &sources(&chains),
        &requests,
        special,
        options,
    )
}

fn alone(chain: u32, request: &Request, options: &BeamOptions) -> Vec<Hypothesis> {
    together(&[(chain, request.clone())], options).remove(0)
}

fn rules() -> Vec<Rules> {
    let mut all = vec![Rules::default()];
    for end_bias in [-2.0, 0.7, 3.0] {
        all.push(Rules {
            end_bias,
            ..Rules::default()
        });
    }
    for no_repeat_ngram in [1, 2, 3] {
        all.push(Rules {
            no_repeat_ngram,
            ..Rules::default()
        });
    }
    for repetition_penalty in [0.5, 1.3, 4.0] {
        all.push(Rules {
            repetition_penalty,
            ..Rules::default()
        });
    }
    for suppressed in [vec![A], vec![B, C], vec![END], vec![C, 999]] {
        all.push(Rules {
            suppressed,
            ..Rules::default()
        });
    }
    all.push(Rules {
        end_bias: 1.0,
        no_repeat_ngram: 2,
        repetition_penalty: 1.5,
        suppressed: vec![B],
    });
    all
}

fn requests() -> Vec<Request> {
    let mut all = vec![request(0, 4), request(2, 3)];
    for prefix in [vec![C], vec![B, B], vec![A, C, A, B]] {
        all.push(Request {
            prefix,
            ..request(0, 4)
        });
    }
    for constraints in [vec![vec![C]], vec![vec![A, A]], vec![vec![B], vec![A, C]]] {
        all.push(Request {
            constraints,
            ..request(0, 5)
        });
    }
    all.push(Request {
        prefix: vec![B, A],
        constraints: vec![vec![C, C]],
        ..request(0, 5)
    });
    all
}

#[test]
fn a_beam_as_wide_as_the_tree_finds_everything_in_order() {
    let mut cases = 0;
    for chain in 5..9 {
        for request in requests() {
            for rules in rules() {
                // A phrase is stronger than a bar, which the other tests show.
                if !request.constraints.is_empty()
                    && rules.no_repeat_ngram + rules.suppressed.len() > 0
                {
                    continue;
                }
                let expected = every(chain, &request, penalty(0.6), &rules);
                let name = format!("chain {chain}, {request:?}, {rules:?}");
                if expected.is_empty() {
                    continue;
                }
                let found = alone(chain, &request, &with_rules(400, rules));
                // A hypothesis that can go nowhere is found where nothing else is; there is no such one here.
                same(&found, &expected, &name);
                cases += 1;
            }
        }
    }
    assert!(cases > 250, "{cases}");
}

#[test]
fn a_sentence_in_a_batch_is_the_sentence_alone() {
    let diversity = [(1, 0.0), (2, 0.0), (2, 1.5), (4, 0.5)];
    for (i, rules) in rules().into_iter().enumerate() {
        let (groups, strength) = diversity[i % diversity.len()];
        for beam in [1, 4] {
            let options = BeamOptions {
                diversity: Diversity {
                    groups: groups.min(beam),
                    strength,
                },
                ..with_rules(beam, rules.clone())
            };
            let chains = [5, 0, 6, 2, 7, 8, 9, 1, 10];
            let mut cases: Vec<(u32, Request)> = chains.into_iter().zip(requests()).collect();
            for _ in 0..3 {
                cases.rotate_left(4);
                for ((chain, request), found) in cases.iter().zip(together(&cases, &options)) {
                    let name = format!("chain {chain}, {request:?}, {options:?}");
                    same(&found, &alone(*chain, request, &options), &name);
                }
            }
        }
    }
}

/// What the model gives, whatever the rules.
fn log_probability(chain: u32, hypothesis: &Hypothesis) -> f64 {
    let mut history = vec![crate::markov::START];
    let mut total = 0.0;
    let end = hypothesis.ended.then_some(END);
    for &id in hypothesis.ids.iter().chain(&end) {
        total += f64::from(probability(chain as usize, &history, id)).ln();
        history.push(id);
    }
    total
}

#[test]
fn rules_and_requests_are_kept_and_change_no_probability() {
    for chain in 5..15 {
        for rules in rules() {
            for request in requests() {
                for beam in [1, 2, 5] {
                    let found = alone(chain, &request, &with_rules(beam, rules.clone()));
                    assert!(!found.is_empty());
                    for one in &found {
                        let name = format!("chain {chain}, {request:?}, {rules:?}: {one:?}");
                        let expected = log_probability(chain, one);
                        assert!((one.log_probability - expected).abs() < 1e-5, "{name}");
                        assert!(one.ids.starts_with(&request.prefix), "{name}");
                        for phrase in &request.constraints {
                            assert!(contains(&one.ids, phrase), "{name}");
                        }
                        if request.prefix.is_empty() && request.constraints.is_empty() {
                            assert!(!repeats(&one.ids, rules.no_repeat_ngram), "{name}");
                            let is_barred = |id: &u32| rules.suppressed.contains(id);
                            assert!(!one.ids.iter().any(is_barred), "{name}");
                            assert!(!(one.ended && rules.suppressed.contains(&END)), "{name}");
                        }
                    }
                    let rank = |one: &Hypothesis| (one.ended, one.score);
                    assert!(
                        found
                            .windows(2)
                            .all(|pair| rank(&pair[0]) >= rank(&pair[1]))
                    );
                    let distinct: BTreeSet<_> =
                        found.iter().map(|one| (&one.ids, one.ended)).collect();
                    assert_eq!(distinct.len(), found.len());
                }
            }
        }
    }
}

#[test]
fn phrases_are_met_however_little_room_there_is() {
    for chain in 5..25 {
        for beam in [1, 2, 3, 8] {
            for phrases in [
                vec![vec![C, C, C]],
                vec![vec![A, B], vec![C]],
                vec![vec![B, B], vec![A, C], vec![C, B]],
            ] {
                let total: usize = phrases.iter().map(Vec::len).sum();
                for room in [0, 1, 6] {
                    let request = Request {
                        constraints: phrases.clone(),
                        ..request(0, total + room)
                    };
                    // However little the tokens please otherwise.
                    let rules = Rules {
                        suppressed: vec![A, C],
                        no_repeat_ngram: 1,
                        end_bias: 5.0,
                        ..Rules::default()
                    };
                    for rules in [Rules::default(), rules] {
                        for one in alone(chain, &request, &with_rules(beam, rules)) {
                            for phrase in &phrases {
                                assert!(contains(&one.ids, phrase), "{request:?}: {one:?}");
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Chain 0: a b has 0.336, b has 0.32, a has 0.18; b a has 0.4 x 0.2 x 0.3, b a b 0.4 x 0.2 x 0.7 x 0.8.
#[test]
fn hand_computed() {
    let ids = |request: &Request, rules: Rules| {
        let options = BeamOptions {
            length_penalty: LengthPenalty::default(),
            ..with_rules(4, rules)
        };
        alone(0, request, &options).remove(0).ids
    };
    let free = request(0, 9);
    let none = Rules::default;
    assert_eq!(ids(&free, none()), [A, B]);
    // With e^0.1 for the end, a b and b have as much more.
    assert_eq!(
        ids(
            &free,
            Rules {
                end_bias: 0.1,
                ..none()
            }
        ),
        [A, B]
    );
    assert_eq!(
        ids(
            &free,
            Rules {
                suppressed: vec![A],
                ..none()
            }
        ),
        [B]
    );
    let prefix = Request {
        prefix: vec![B, A],
        ..free.clone()
    };
    assert_eq!(ids(&prefix, none()), [B, A, B]);
    let phrase = Request {
        constraints: vec![vec![B, A]],
        ..free.clone()
    };
    // a b a b has 0.6 x 0.7 x 0.2 x 0.7 x 0.8 = 0.04704, b a b has 0.0448.
    assert_eq!(ids(&phrase, none()), [A, B, A, B]);
    // Nothing twice but what the phrase asks for: a b a has 0.6 x 0.7 x 0.2 x 0.3 = 0.0252, b a has 0.024.
    assert_eq!(
        ids(
            &phrase,
            Rules {
                no_repeat_ngram: 1,
                ..none()
            }
        ),
        [A, B, A]
    );
}

/// Per token: a b has (ln 0.336) / 3 = -0.364, b has (ln 0.32) / 2 = -0.570.
#[test]
fn the_plain_form_is_the_mean() {
    let options = BeamOptions {
        length_penalty: LengthPenalty {
            alpha: 1.0,
            form: LengthForm::Plain,
        },
        ..with_rules(4, Rules::default())
    };
    let best = alone(0, &request(0, 3), &options).remove(0);
    assert_eq!(best.ids, [A, B]);
    assert!((best.score - 0.336_f64.ln() / 3.0).abs() < 1e-6);
}

#[test]
fn groups_that_shun_each_other_say_other_things() {
    let first = |found: &[Hypothesis]| -> BTreeSet<u32> {
        found
            .iter()
            .filter_map(|one| one.ids.first().copied())
            .collect()
    };
    let search = |chain, beam, groups, strength| {
        let options = BeamOptions {
            diversity: Diversity { groups, strength },
            ..with_rules(beam, Rules::default())
        };
        alone(chain, &request(1, 5), &options)
    };
    let mut more = 0;
    for chain in 5..25 {
        let plain = search(chain, 3, 1, 0.0);
        same(
            &search(chain, 3, 1, 9.0),
            &plain,
            "one group has nobody to shun",
        );
        // Groups that do not mind each other find the same.
        same(&search(chain, 6, 2, 0.0), &plain, "two equal groups");
        let diverse = search(chain, 3, 3, 1e6);
        // Greedy search, and two that begin otherwise.
        assert_eq!(first(&diverse).len(), 3, "{diverse:?}");
        let greedy = search(chain, 1, 1, 0.0);
        assert!(diverse.iter().any(|one| one.ids == greedy[0].ids));
        more += usize::from(first(&plain).len() < 3);
    }
    assert!(more > 5, "{more}");
}

#[test]
#[should_panic(
    expected = "beam_search: a prefix of 3 tokens, but a translation may have at most 2"
)]
fn a_prefix_longer_than_the_limit() {
    let request = Request {
        prefix: vec![A; 3],
        ..request(0, 2)
    };
    alone(5, &request, &with_rules(2, Rules::default()));
}

#[test]
#[should_panic(expected = "expected a beam that is a multiple of 2 groups, got 3")]
fn groups_that_do_not_divide_the_beam() {
    let options = BeamOptions {
        diversity: Diversity {
            groups: 2,
            strength: 1.0,
        },
        ..with_rules(3, Rules::default())
    };
    alone(5, &request(0, 2), &options);
}
