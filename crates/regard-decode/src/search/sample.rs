//! Hypotheses drawn at random, as probable as the model says.

use burn::tensor::Tensor;
use burn::tensor::activation::log_softmax;
use regard_kernels::Key;
use regard_nn::{Rows, Tokens};
use regard_text::SpecialIds;

use super::greedy::follow;
use super::rules::{Continuation, Open};
use super::{Hypothesis, Request, Rules, Steps};

/// How tokens are drawn.
///
/// ```text
/// q(c) ~ p(c)^(1 / temperature)     over the tokens c that are left
/// ```
///
/// What is left is decided in this order, each time from what the one before left: the `top_k` most probable; as few of the most
/// probable as have `top_p` together, at temperature; those at least `min_p` times as probable as the most probable one.
///
/// # References
///
/// Top-k: Fan et al. 2018. <https://arxiv.org/abs/1805.04833>. Top-p: Holtzman et al. 2019. <https://arxiv.org/abs/1904.09751>.
/// Min-p: Nguyen et al. 2024. <https://arxiv.org/abs/2407.01082>.
#[derive(Clone, Debug, PartialEq)]
pub struct SampleOptions {
    /// Hypotheses of each source, from 1.
    pub samples: usize,
    /// Above 0: below 1 what is probable becomes more so.
    pub temperature: f64,
    /// Tokens that are left at each step; 0 for all.
    pub top_k: usize,
    /// Share of the probability that is left, above 0, at most 1.
    pub top_p: f64,
    /// Least probability that is left, relative to the highest; from 0 to 1.
    pub min_p: f64,
    /// Every draw is a function of it, the number of the request, and the place: that of the sample and the step, or the tokens
    /// before.
    pub seed: u64,
    /// What is added to the model's word, before the temperature.
    pub rules: Rules,
}

impl Default for SampleOptions {
    fn default() -> Self {
        Self {
            samples: 1,
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            seed: 1,
            rules: Rules::default(),
        }
    }
}

/// Hypotheses of each source, in the order in which they were drawn; the same may be drawn twice, which
/// [`sample_distinct`](super::sample_distinct) does not do.
///
/// Scores are the log-probabilities. Constraints of requests are not read. What is drawn for a source does not depend on the
/// others in the batch.
///
/// # Panics
///
/// If there are not as many requests as sources, or no samples are asked for.
pub fn sample<M: Steps>(
    model: &M,
    source: &Tokens,
    requests: &[Request],
    special: SpecialIds,
    options: &SampleOptions,
) -> Vec<Vec<Hypothesis>> {
    assert_eq!(
        source.lengths.len(),
        requests.len(),
        "sample: a request for each source"
    );
    let samples = options.samples;
    assert!(samples > 0, "sample: expected at least 1 sample, got 0");
    // Each sample has a row of memory of its own, so that what has ended can leave.
    let rows: Vec<usize> = (0..requests.len() * samples)
        .map(|row| row / samples)
        .collect();
    let memory = model.encode(source).select(&rows);
    let repeated: Vec<Request> = rows.iter().map(|&row| requests[row].clone()).collect();
    let root = Key::new(options.seed).at("sample");
    let device = source.ids.device();
    let choose = |logits: Tensor<2>, rows: &[usize], open: &[Open]| {
        let (probabilities, width) = log_probabilities(logits);
        let drawn = probabilities.chunks(width).zip(rows).zip(open);
        drawn
            .map(|((row, &hypothesis), open)| {
                let key = root
                    .nth(open.request.number)
                    .nth((hypothesis % samples) as u64);
                let draw = key.uniform(open.ids.len() as u64);
                options.draw(row, open, special.end, draw)
            })
            .collect()
    };
    let mut found = follow(model, memory, &repeated, (special, &device), choose);
    for hypothesis in &mut found {
        hypothesis.score = hypothesis.log_probability;
    }
    found.chunks(samples).map(<[_]>::to_vec).collect()
}

/// Those of all tokens, row by row, and how many there are in a row.
pub(super) fn log_probabilities(logits: Tensor<2>) -> (Vec<f32>, usize) {
    let [_, width] = logits.dims();
    let data = log_softmax(logits, 1).into_data();
    (data.iter::<f32>().collect(), width)
}

impl SampleOptions {
    /// The token at `draw`, from `[0, 1)`, of the distribution; none if no token is possible.
    fn draw(&self, row: &[f32], open: &Open, end: u32, draw: f64) -> Option<Continuation> {
        let left = self.left(row, open, end);
        let total: f64 = left.iter().map(|one| one.1).sum();
        let mut rest = draw * total;
        let chosen = left.iter().find(|one| {
            rest -= one.1;
            rest < 0.0
        });
        // Rounding may leave a trifle.
        let id = chosen.or(left.last())?.0;
        let log_probability = f64::from(row[id as usize]);
        Some(Continuation {
            id,
            log_probability,
            rank: log_probability,
        })
    }

    /// The tokens that may be drawn, by id, and how probable they are relative to the most probable one. `row` has the model's
    /// log-probabilities.
    pub(super) fn left(&self, row: &[f32], open: &Open, end: u32) -> Vec<(u32, f64)> {
        let mut ranks: Vec<f64> = row.iter().copied().map(f64::from).collect();
        self.rules.apply(&mut ranks, open, end);
        let mut left: Vec<(u32, f64)> = (0..)
            .zip(ranks)
            .filter(|&(_, rank)| rank > f64::NEG_INFINITY)
            .collect();
        let highest = left
            .iter()
            .map(|one| one.1)
            .fold(f64::NEG_INFINITY, f64::max);
        for one in &mut left {
            one.1 = ((one.1 - highest) / self.temperature).exp();
        }
        self.filter(&mut left);
        left
    }

    /// Leaves the tokens that may be drawn, the most probable first where order mattered; weights relative to the highest.
    fn filter(&self, left: &mut Vec<(u32, f64)>) {
        let most = if self.top_k == 0 {
            left.len()
        } else {
            self.top_k.min(left.len())
        };
        let order = |a: &(u32, f64), b: &(u32, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if most < left.len() {
            left.select_nth_unstable_by(most, order);
            left.truncate(most);
        }
        if self.top_p < 1.0 {
            left.sort_unstable_by(order);
            let total: f64 = left.iter().map(|one| one.1).sum();
            let mut have = 0.0;
            let enough = left.iter().position(|one| {
                have += one.1;
                have >= self.top_p * total
            });
            left.truncate(enough.map_or(left.len(), |place| place + 1));
        }
        if self.min_p > 0.0 {
            left.retain(|one| one.1 >= self.min_p);
        }
        left.sort_unstable_by_key(|one| one.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TargetLength;

    fn left(options: &SampleOptions, weights: &[f64]) -> Vec<u32> {
        let mut left: Vec<(u32, f64)> = (0..).zip(weights.iter().copied()).collect();
        options.filter(&mut left);
        left.into_iter().map(|one| one.0).collect()
    }

    /// Probabilities 0.1, 0.4, 0.2, 0.3, relative to the highest.
    const WEIGHTS: [f64; 4] = [0.25, 1.0, 0.5, 0.75];

    #[test]
    fn hand_computed_filters() {
        let all = SampleOptions::default();
        assert_eq!(left(&all, &WEIGHTS), [0, 1, 2, 3]);
        for (top_k, expected) in [
            (1, &[1][..]),
            (2, &[1, 3]),
            (3, &[1, 2, 3]),
            (9, &[0, 1, 2, 3]),
        ] {
            let options = SampleOptions {
                top_k,
                ..all.clone()
            };
            assert_eq!(left(&options, &WEIGHTS), expected);
        }
        for (top_p, expected) in [
            (0.1, &[1][..]),
            (0.41, &[1, 3]),
            (0.71, &[1, 2, 3]),
            (0.95, &[0, 1, 2, 3]),
        ] {
            let options = SampleOptions {
                top_p,
                ..all.clone()
            };
            assert_eq!(left(&options, &WEIGHTS), expected);
        }
        for (min_p, expected) in [(0.2, &[0, 1, 2, 3][..]), (0.5, &[1, 2, 3]), (1.0, &[1])] {
            let options = SampleOptions {
                min_p,
                ..all.clone()
            };
            assert_eq!(left(&options, &WEIGHTS), expected);
        }
        // Of equals the lower ids; of the three that top-k leaves, two have 0.7 / 0.9 of the probability.
        let both = SampleOptions {
            top_k: 3,
            top_p: 0.75,
            ..all.clone()
        };
        assert_eq!(left(&both, &WEIGHTS), [1, 3]);
        assert_eq!(left(&SampleOptions { top_k: 2, ..all }, &[1.0; 4]), [0, 1]);
    }

    #[test]
    fn a_draw_is_a_place_in_the_distribution() {
        let request = Request::from(TargetLength { least: 0, most: 9 });
        let open = Open::new(&[], &request);
        let row = [0.1_f32, 0.4, 0.2, 0.3].map(f32::ln);
        let draw = |temperature, draw| {
            let options = SampleOptions {
                temperature,
                ..SampleOptions::default()
            };
            options.draw(&row, &open, 9, draw).unwrap()
        };
        for (place, expected) in [
            (0.0, 0),
            (0.09, 0),
            (0.11, 1),
            (0.49, 1),
            (0.51, 2),
            (0.71, 3),
            (0.9999, 3),
        ] {
            let drawn = draw(1.0, place);
            assert_eq!(drawn.id, expected, "{place}");
            assert!((drawn.log_probability - f64::from(row[expected as usize])).abs() < 1e-9);
        }
        // At 1/2 they are as their squares: 1, 16, 4, 9 of 30.
        for (place, expected) in [
            (0.03, 0),
            (0.04, 1),
            (0.56, 1),
            (0.57, 2),
            (0.69, 2),
            (0.71, 3),
        ] {
            assert_eq!(draw(0.5, place).id, expected, "{place}");
        }
        assert_eq!(draw(1e-9, 0.999).id, 1);
    }
}
