//! What is drawn without replacement is what drawing again, whenever it was there before, would give.

use regard_decode::{
    DecodeConfig, Hypothesis, Request, Rules, SampleOptions, SearchKind, TargetLength, sample,
    sample_distinct,
};
use regard_nn::{Init, each_model};
use regard_text::SpecialIds;
use regard_text::corpus::Example;
use std::collections::{BTreeMap, BTreeSet};

use crate::hypotheses::{SOURCES, VOCABULARY, models, read_tokens, tokens};
use crate::markov::{A, B, C, Markov, sources};
use crate::oracle::{every, penalty, repeats, same};
use crate::sampling::requests;
use crate::scoring::{configured, pairs};

fn draw(chains: &[u32], requests: &[Request], options: &SampleOptions) -> Vec<Vec<Hypothesis>> {
    let (model, special) = (Markov::default(), SpecialIds::default());
    sample_distinct(&model, &sources(chains), requests, special, options)
}

fn samples(samples: usize) -> SampleOptions {
    SampleOptions {
        samples,
        ..SampleOptions::default()
    }
}

/// A hypothesis, to be counted.
type Name = (Vec<u32>, bool);

fn name(one: &Hypothesis) -> Name {
    (one.ids.clone(), one.ended)
}

/// So many draws of chain `chain`, each with a number of its own.
fn many(chain: u32, times: u64, most: usize, options: &SampleOptions) -> Vec<Vec<Hypothesis>> {
    let numbers: Vec<u64> = (0..times).collect();
    let chains = vec![chain; numbers.len()];
    draw(&chains, &requests(&numbers, most), options)
}

/// Whether something of probability `p` happens `count` times in `times`: within five deviations.
#[track_caller]
fn as_often(count: f64, p: f64, times: u64, name: &str) {
    let mean = times as f64 * p;
    let bound = 5.0 * (mean * (1.0 - p)).max(0.0).sqrt();
    assert!(
        (count - mean).abs() <= bound.max(1e-6),
        "{name}: {count}, {mean}"
    );
}

#[test]
fn as_many_as_there_are_is_all_there_are() {
    for chain in [0, 1, 2, 3, 5, 6, 7] {
        for prefix in [vec![], vec![C, A]] {
            // What a chain cannot say cannot be told from what it says.
            if !prefix.is_empty() && chain < 5 {
                continue;
            }
            let request = Request {
                prefix,
                ..Request::from(TargetLength { least: 1, most: 4 })
            };
            let rules = Rules {
                suppressed: vec![B],
                ..Rules::default()
            };
            for rules in [Rules::default(), rules] {
                let expected = every(chain, &request, penalty(0.0), &rules);
                // That a beginning cannot go on is a hypothesis of its own.
                if expected.is_empty() || chain == 3 {
                    continue;
                }
                for more in [0, 9] {
                    let options = SampleOptions {
                        rules: rules.clone(),
                        ..samples(expected.len() + more)
                    };
                    let mut found = draw(&[chain], std::slice::from_ref(&request), &options);
                    let mut found = found.remove(0);
                    found.sort_by_key(name);
                    let mut expected = expected.clone();
                    expected.sort_by_key(name);
                    same(&found, &expected, &format!("chain {chain}, {request:?}"));
                }
            }
        }
    }
    // a b, behind which nothing comes.
    let found = draw(&[3], &requests(&[0], 9), &samples(4)).remove(0);
    let names: Vec<Name> = found.iter().map(name).collect();
    assert_eq!(names, [(vec![A, B], false)]);
}

#[test]
fn the_first_is_drawn_as_a_single_one_is() {
    let times = 4000;
    for chain in [0, 5] {
        for (temperature, top_p) in [(1.0, 1.0), (0.5, 1.0), (2.0, 0.8)] {
            let options = SampleOptions {
                temperature,
                top_p,
                ..samples(3)
            };
            let mut first: BTreeMap<Name, f64> = BTreeMap::new();
            for found in many(chain, times, 3, &options) {
                *first.entry(name(&found[0])).or_default() += 1.0;
            }
            let options = SampleOptions {
                samples: usize::try_from(times).unwrap(),
                ..options
            };
            let (model, special) = (Markov::default(), SpecialIds::default());
            let request = requests(&[7], 3);
            let plain = sample(&model, &sources(&[chain]), &request, special, &options);
            let mut single: BTreeMap<Name, f64> = BTreeMap::new();
            for one in &plain[0] {
                *single.entry(name(one)).or_default() += 1.0;
            }
            let names: BTreeSet<&Name> = first.keys().chain(single.keys()).collect();
            assert!(names.len() > 3);
            for name in names {
                let [first, single] =
                    [&first, &single].map(|counts| counts.get(name).copied().unwrap_or(0.0));
                // Both are random: the variance of their difference is that of both together, at least one draw's.
                let p = (first + single) / (2.0 * times as f64);
                let bound = 5.0 * (2.0 * times as f64 * p * (1.0 - p)).sqrt();
                assert!(
                    (first - single).abs() <= bound,
                    "temperature {temperature}, {name:?}: {first}, {single}"
                );
            }
            if temperature.to_bits() == 1.0_f64.to_bits() {
                for one in every(chain, &request[0], penalty(0.0), &Rules::default()) {
                    let count = first.get(&name(&one)).copied().unwrap_or(0.0);
                    as_often(count, one.log_probability.exp(), times, &format!("{one:?}"));
                }
            }
        }
    }
}

/// Of probabilities p and q, the one first and then the other has p q / (1 - p).
#[test]
fn pairs_are_as_frequent_as_two_draws_one_after_the_other() {
    let times = 6000;
    for chain in [0, 2, 6] {
        let request = requests(&[0], 2);
        let all: Vec<(Name, f64)> = every(chain, &request[0], penalty(0.0), &Rules::default())
            .iter()
            .map(|one| (name(one), one.log_probability.exp()))
            .collect();
        let mut counts: BTreeMap<(Name, Name), f64> = BTreeMap::new();
        for found in many(chain, times, 2, &samples(2)) {
            *counts
                .entry((name(&found[0]), name(&found[1])))
                .or_default() += 1.0;
        }
        let mut seen = 0.0;
        for (i, (first, p)) in all.iter().enumerate() {
            let mut included = *p;
            let mut count_included = 0.0;
            for (j, (second, q)) in all.iter().enumerate() {
                if i == j {
                    continue;
                }
                let count = |one: &Name, other: &Name| {
                    let pair = (one.clone(), other.clone());
                    counts.get(&pair).copied().unwrap_or(0.0)
                };
                let ordered = count(first, second);
                as_often(
                    ordered,
                    p * q / (1.0 - p),
                    times,
                    &format!("{first:?}, {second:?}"),
                );
                seen += ordered;
                included += q * p / (1.0 - q);
                count_included += ordered + count(second, first);
            }
            as_often(
                count_included,
                included,
                times,
                &format!("{first:?} included"),
            );
        }
        assert!(
            (seen - times as f64).abs() < 1e-9,
            "nothing impossible is drawn"
        );
    }
}

#[test]
fn a_draw_depends_on_seed_and_number_and_fewer_are_the_first_of_more() {
    let numbers: Vec<u64> = (0..12).collect();
    let chains: Vec<u32> = (0..12).map(|i| [5, 0, 6, 2, 7, 1][i % 6]).collect();
    let mut requests = requests(&numbers, 6);
    requests[3].length.most = 0;
    requests[5].length.least = 2;
    requests[8].prefix = vec![B, B];
    let all = draw(&chains, &requests, &samples(4));
    for i in 0..12 {
        let alone = draw(&chains[i..=i], &requests[i..=i], &samples(4));
        same(&alone[0], &all[i], "alone");
        let names: BTreeSet<Name> = all[i].iter().map(name).collect();
        assert_eq!(names.len(), all[i].len(), "{:?}", all[i]);
    }
    for (many, few) in draw(&chains, &requests, &samples(9)).iter().zip(&all) {
        same(&many[..few.len()], few, "the first of more");
    }
    assert_ne!(all[0], all[6], "other numbers, the same chain");
    let other = SampleOptions {
        seed: 2,
        ..samples(4)
    };
    assert_ne!(draw(&chains, &requests, &other), all);
}

#[test]
fn rules_and_filters_hold() {
    let options = SampleOptions {
        top_k: 2,
        min_p: 0.05,
        rules: Rules {
            suppressed: vec![A],
            no_repeat_ngram: 2,
            repetition_penalty: 1.4,
            end_bias: -0.5,
        },
        ..samples(20)
    };
    let mut longest = 0;
    for chain in 5..15 {
        let request = Request {
            prefix: vec![C],
            ..Request::from(TargetLength { least: 2, most: 6 })
        };
        let found = draw(&[chain], &[request], &options).remove(0);
        for one in &found {
            assert!((2..=6).contains(&one.ids.len()), "{one:?}");
            assert!(one.ids[0] == C && !one.ids.contains(&A), "{one:?}");
            assert!(!repeats(&one.ids, 2), "{one:?}");
            longest = longest.max(one.ids.len());
        }
    }
    assert!(longest > 3);
    // Of one token at each step there is one hypothesis.
    let one = SampleOptions {
        top_k: 1,
        ..samples(20)
    };
    assert_eq!(draw(&[5], &requests(&[0], 6), &one)[0].len(), 1);
}

#[test]
fn every_kind_of_model_says_what_reading_says() {
    let device = crate::device();
    let special = SpecialIds::default();
    for (name, config) in models() {
        let model = config.init(VOCABULARY, VOCABULARY, &Init::new(1, &device));
        let requests = requests(&[0, 1, 2, 3], 9);
        let source = tokens(&SOURCES, &device);
        let options = samples(5);
        let all = each_model!(&model, model => {
            sample_distinct(model, &source, &requests, special, &options)
        });
        for (i, found) in all.iter().enumerate() {
            assert_eq!(found.len(), 5, "{name}");
            for one in found {
                let expected: f64 = read_tokens(&model, SOURCES[i], one, &device).iter().sum();
                let difference = one.log_probability - expected;
                assert!(difference.abs() < 1e-4, "{name}: {one:?}, {expected}");
                assert_eq!(one.score.to_bits(), one.log_probability.to_bits());
            }
        }
    }
}

#[test]
fn a_translator_draws_different_ones_and_scores_them_alike() {
    let config = DecodeConfig {
        search: SearchKind::Gumbel,
        samples: 6,
        temperature: 1.5,
        ..DecodeConfig::default()
    };
    let translator = configured(5, 20, config.clone());
    let sources: Vec<String> = pairs(24).into_iter().map(|pair| pair.0).collect();
    let lines = translator.n_best(&sources, 6).unwrap();
    for line in &lines {
        let expected = if line.source.is_empty() { 1 } else { 6 };
        assert_eq!(line.hypotheses.len(), expected);
        let names: BTreeSet<Name> = line.hypotheses.iter().map(|one| name(&one.found)).collect();
        assert_eq!(names.len(), expected);
        let scores = line.hypotheses.iter().map(|one| -one.found.score);
        assert!(scores.is_sorted(), "{line:?}");
        for one in line.hypotheses.iter().filter(|one| one.found.ended) {
            let example = Example {
                source: line.source.clone(),
                target: one.found.ids.clone(),
            };
            let read = translator.score_ids(vec![example]).unwrap()[0].log_probability();
            assert!((one.found.log_probability - read).abs() < 1e-4);
        }
    }
    // Whatever the batches are.
    let small = DecodeConfig {
        batch_tokens: 1,
        ..config
    };
    for (one, other) in configured(5, 20, small)
        .n_best(&sources, 6)
        .unwrap()
        .iter()
        .zip(&lines)
    {
        let texts = |line: &regard_decode::NBest| -> Vec<Name> {
            line.hypotheses.iter().map(|one| name(&one.found)).collect()
        };
        assert_eq!(texts(one), texts(other));
    }
    let message = translator.n_best(&sources, 7).unwrap_err().to_string();
    assert!(
        message.ends_with("n_best: expected 1 to 6, the samples, got 7"),
        "{message}"
    );
}

#[test]
#[should_panic(expected = "sample_distinct: expected at least 1 sample, got 0")]
fn no_samples() {
    draw(&[5], &requests(&[0], 3), &samples(0));
}
