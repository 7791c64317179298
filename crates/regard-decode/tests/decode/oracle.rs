//! Every hypothesis there is, found by trying all.

use regard_decode::{Hypothesis, LengthPenalty, Request, Rules};

use crate::markov::{A, C, END, START, probability};

pub(crate) fn penalty(alpha: f64) -> LengthPenalty {
    LengthPenalty {
        alpha,
        ..LengthPenalty::default()
    }
}

pub(crate) fn contains(ids: &[u32], phrase: &[u32]) -> bool {
    ids.windows(phrase.len()).any(|window| window == phrase)
}

/// Whether some n-gram of `n` tokens stands in `ids` twice.
pub(crate) fn repeats(ids: &[u32], n: usize) -> bool {
    n > 0 && (0..ids.len()).any(|i| contains(&ids[i + 1..], ids.get(i..i + n).unwrap_or(&[0])))
}

/// Every hypothesis there is, the best first: those that end, then those that the limit stops.
pub(crate) fn every(
    chain: u32,
    request: &Request,
    penalty: LengthPenalty,
    rules: &Rules,
) -> Vec<Hypothesis> {
    let bounds = request.length;
    let mut found = Vec::new();
    let mut open = vec![(vec![START], 0.0, 0.0)];
    while let Some((history, log_probability, rank)) = open.pop() {
        let ids = &history[1..];
        let mut finish = |log_probability: f64, rank: f64, ended: bool| {
            let is_met = |phrase: &Vec<u32>| contains(ids, phrase);
            if request.constraints.iter().all(is_met) {
                found.push(Hypothesis {
                    ids: ids.to_vec(),
                    log_probability,
                    score: penalty.score(rank, ids.len() + usize::from(ended)),
                    ended,
                });
            }
        };
        if ids.len() == bounds.most {
            finish(log_probability, rank, false);
            continue;
        }
        for to in END..=C {
            let p = f64::from(probability(chain as usize, &history, to)).ln();
            let mut added = p;
            if ids.contains(&to) && request.prefix.len() <= ids.len() {
                added *= rules.repetition_penalty;
            }
            let longer = [ids, &[to]].concat();
            let is_barred = match request.prefix.get(ids.len()) {
                Some(&forced) => to != forced,
                None => rules.suppressed.contains(&to) || repeats(&longer, rules.no_repeat_ngram),
            };
            if p == f64::NEG_INFINITY || is_barred {
                continue;
            }
            if to >= A {
                let history = [&[START], longer.as_slice()].concat();
                open.push((history, log_probability + p, rank + added));
            } else if ids.len() >= bounds.least {
                finish(log_probability + p, rank + added + rules.end_bias, true);
            }
        }
    }
    found.sort_by(|a, b| {
        let by_end = b.ended.cmp(&a.ended);
        let by_score = by_end.then(b.score.total_cmp(&a.score));
        // Of equals the one that is found first.
        let by_length = by_score.then(a.ids.len().cmp(&b.ids.len()));
        by_length.then(a.ids.cmp(&b.ids))
    });
    found
}

#[track_caller]
pub(crate) fn same(got: &[Hypothesis], expected: &[Hypothesis], name: &str) {
    assert_eq!(got.len(), expected.len(), "{name}");
    for (got, expected) in got.iter().zip(expected) {
        assert_eq!(
            (&got.ids, got.ended),
            (&expected.ids, expected.ended),
            "{name}"
        );
        for (got, expected) in [
            (got.log_probability, expected.log_probability),
            (got.score, expected.score),
        ] {
            assert!((got - expected).abs() < 1e-5, "{name}: {got}, {expected}");
        }
    }
}
