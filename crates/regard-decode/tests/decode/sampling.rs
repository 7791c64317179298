//! What is drawn is as frequent as it is probable.

use std::collections::BTreeMap;

use regard_decode::{Hypothesis, Request, Rules, SampleOptions, TargetLength, greedy, sample};
use regard_text::SpecialIds;

use crate::markov::{A, B, C, Markov, sources};
use crate::oracle::{every, penalty, same};

pub(crate) fn requests(numbers: &[u64], most: usize) -> Vec<Request> {
    let request = |&number| Request {
        number,
        ..Request::from(TargetLength { least: 0, most })
    };
    numbers.iter().map(request).collect()
}

fn draw(chains: &[u32], requests: &[Request], options: &SampleOptions) -> Vec<Vec<Hypothesis>> {
    let special = SpecialIds::default();
    sample(
        &Markov::default(),
        &sources(chains),
        requests,
        special,
        options,
    )
}

#[test]
fn hypotheses_are_as_frequent_as_they_are_probable() {
    let options = SampleOptions {
        samples: 4000,
        ..SampleOptions::default()
    };
    for chain in [0, 2, 5, 6] {
        let requests = requests(&[7], 3);
        let found = draw(&[chain], &requests, &options).remove(0);
        let mut counts: BTreeMap<(&[u32], bool), f64> = BTreeMap::new();
        for one in &found {
            *counts.entry((&one.ids, one.ended)).or_default() += 1.0;
        }
        let all = every(chain, &requests[0], penalty(0.0), &Rules::default());
        let mut seen = 0.0;
        for one in &all {
            let count = counts.get(&(&one.ids, one.ended)).copied().unwrap_or(0.0);
            let p = one.log_probability.exp();
            let mean = 4000.0 * p;
            // Five standard deviations.
            let bound = 5.0 * (mean * (1.0 - p)).sqrt();
            assert!(
                (count - mean).abs() <= bound.max(1e-9),
                "{one:?}: {count}, {mean}"
            );
            seen += count;
        }
        assert!((seen - 4000.0).abs() < 1e-9, "nothing impossible is drawn");
        for one in &found {
            let same = all
                .iter()
                .find(|other| (&other.ids, other.ended) == (&one.ids, one.ended));
            let expected = same.unwrap().log_probability;
            assert!((one.log_probability - expected).abs() < 1e-5);
            assert_eq!(one.score.to_bits(), one.log_probability.to_bits());
        }
    }
}

#[test]
fn one_token_left_is_greedy_search() {
    let (model, special, rules) = (Markov::default(), SpecialIds::default(), Rules::default());
    let chains: Vec<u32> = (5..15).collect();
    let numbers: Vec<u64> = (0..10).collect();
    let requests = requests(&numbers, 6);
    let expected = greedy(&model, &sources(&chains), &requests, special, &rules);
    for options in [
        SampleOptions {
            top_k: 1,
            ..SampleOptions::default()
        },
        SampleOptions {
            top_p: 1e-9,
            ..SampleOptions::default()
        },
        SampleOptions {
            min_p: 1.0,
            ..SampleOptions::default()
        },
        SampleOptions {
            temperature: 1e-6,
            ..SampleOptions::default()
        },
    ] {
        let found: Vec<Hypothesis> = draw(&chains, &requests, &options).concat();
        same(&found, &expected, &format!("{options:?}"));
    }
}

#[test]
fn a_draw_depends_on_seed_and_number_alone() {
    let options = SampleOptions {
        samples: 3,
        ..SampleOptions::default()
    };
    let numbers: Vec<u64> = (0..12).collect();
    let chains: Vec<u32> = (0..12).map(|i| 5 + i % 3).collect();
    let all = draw(&chains, &requests(&numbers, 8), &options);
    for i in 0..12 {
        let alone = draw(&chains[i..=i], &requests(&numbers[i..=i], 8), &options);
        same(&alone[0], &all[i], "alone");
    }
    let more = SampleOptions {
        samples: 5,
        ..options.clone()
    };
    let more = draw(&chains, &requests(&numbers, 8), &more);
    for (few, more) in all.iter().zip(&more) {
        same(few, &more[..3], "the first of more");
    }
    assert_ne!(all[0], all[3], "other numbers, the same chain");
    let other = SampleOptions { seed: 2, ..options };
    assert_ne!(draw(&chains, &requests(&numbers, 8), &other), all);
}

#[test]
fn rules_hold_for_what_is_drawn() {
    let options = SampleOptions {
        samples: 50,
        rules: Rules {
            suppressed: vec![B],
            no_repeat_ngram: 1,
            ..Rules::default()
        },
        ..SampleOptions::default()
    };
    let request = Request {
        prefix: vec![C],
        ..Request::from(TargetLength { least: 2, most: 6 })
    };
    for one in draw(&[5], &[request], &options).concat() {
        assert_eq!(one.ids, [C, A]);
    }
}

#[test]
#[should_panic(expected = "sample: expected at least 1 sample, got 0")]
fn no_samples() {
    let options = SampleOptions {
        samples: 0,
        ..SampleOptions::default()
    };
    draw(&[5], &requests(&[0], 3), &options);
}
