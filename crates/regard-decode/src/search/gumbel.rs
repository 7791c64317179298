//! Hypotheses drawn at random, none of them twice.

use regard_kernels::Key;
use regard_nn::{Rows, Tokens};
use regard_text::SpecialIds;

use super::rules::Open;
use super::sample::log_probabilities;
use super::{Hypothesis, Request, SampleOptions, Steps, vector};

/// Different hypotheses of each source, in the order in which they were drawn: the next each time from what is left, as
/// probable as it is among that. There are fewer than were asked for only where there are no more.
///
/// The first one is what [`sample`](super::sample()) draws from: the same distribution, with all that the options say of it. To
/// draw `k` of it is to add a Gumbel variable to the log-probability of every hypothesis that there is, and to take the `k`
/// highest. Nothing but what may be among them is looked at: beginnings have a sum, too, the highest of what continues them.
///
/// ```text
/// G(y c) ~ log q(y c) + Gumbel(0, 1)                      for every token c behind y
/// Z = max_c G(y c)
/// G'(y c) = -ln(e^-G'(y) - e^-Z + e^-G(y c))              so that max_c G'(y c) = G'(y)
/// ```
///
/// # Behaviour
///
/// - Scores are the log-probabilities of the model. Constraints of requests are not read.
/// - A draw is a function of the seed, the number of the request and the tokens: what is drawn for a source does not depend on
///   the others in the batch, and fewer samples are the first of more.
/// - Different as tokens: two may be the same text.
/// - A beginning that nothing may follow, or that the limit stops, is a hypothesis.
///
/// # Panics
///
/// If there are not as many requests as sources, or no samples are asked for.
///
/// # Differences
///
/// Kool et al. do without filters and rules; here `q` is what they leave, at temperature, normalised anew at each token.
///
/// # References
///
/// Kool, van Hoof, Welling. Stochastic Beams and Where to Find Them. 2019. <https://arxiv.org/abs/1903.06059>, algorithm 1, and
/// appendix B.3 for the numbers.
pub fn sample_distinct<M: Steps>(
    model: &M,
    source: &Tokens,
    requests: &[Request],
    special: SpecialIds,
    options: &SampleOptions,
) -> Vec<Vec<Hypothesis>> {
    assert_eq!(
        source.lengths.len(),
        requests.len(),
        "sample_distinct: a request for each source"
    );
    assert!(
        options.samples > 0,
        "sample_distinct: expected at least 1 sample, got 0"
    );
    let device = source.ids.device();
    let root = Key::new(options.seed).at("sample_distinct");
    let mut memory = model.encode(source);
    let mut state = model.start(&memory);
    let mut found = vec![vec![Hypothesis::default()]; requests.len()];
    let mut trees: Vec<Tree> = (0..requests.len())
        .filter(|&source| requests[source].length.most > 0)
        .map(|source| Tree::new(source, &requests[source], root))
        .collect();
    if trees.len() < requests.len() && !trees.is_empty() {
        let rows: Vec<usize> = trees.iter().map(|tree| tree.source).collect();
        state = state.select(&rows);
        memory = memory.select(&rows);
    }
    // Rows of each source: as many as the one with the most open beginnings has; the others repeat their last.
    let mut width = 1;

    while !trees.is_empty() {
        let tokens: Vec<u32> = trees
            .iter()
            .flat_map(|tree| tree.tokens(special.start, width))
            .collect();
        let step = model.step(vector(&tokens, &device), &memory, state);
        state = step.state;
        let (probabilities, vocabulary) = log_probabilities(step.logits);
        let before = trees.len();
        let mut places = Vec::new();
        let mut origins = Vec::new();
        let rows = probabilities.chunks(width * vocabulary);
        trees = trees
            .into_iter()
            .zip(rows)
            .enumerate()
            .filter_map(|(place, (mut tree, rows))| {
                let rows: Vec<&[f32]> = rows.chunks(vocabulary).collect();
                let beginnings = tree.advance(&rows, special.end, options);
                if beginnings.is_empty() {
                    let source = tree.source;
                    found[source] = tree.into_hypotheses();
                    return None;
                }
                places.push(place);
                origins.push(beginnings);
                Some(tree)
            })
            .collect();
        let Some(wider) = origins.iter().map(Vec::len).max() else {
            break;
        };
        let selected: Vec<usize> = places
            .iter()
            .zip(&origins)
            .flat_map(|(place, origins)| padded(origins, wider).map(move |row| place * width + row))
            .collect();
        if !selected.iter().copied().eq(0..before * width) {
            state = state.select(&selected);
        }
        if trees.len() < before {
            memory = memory.select(&places);
        }
        width = wider;
    }
    found
}

/// All of them, then the last again.
fn padded(rows: &[usize], width: usize) -> impl Iterator<Item = usize> {
    (0..width).map(|i| rows[i.min(rows.len() - 1)])
}

/// What is drawn of one source.
#[derive(Debug)]
struct Tree<'a> {
    source: usize,
    request: &'a Request,
    /// Beginnings that are continued, the highest sum first.
    open: Vec<Branch>,
    /// Hypotheses, likewise.
    finished: Vec<Branch>,
}

/// A beginning, or a whole hypothesis.
#[derive(Clone, Debug)]
struct Branch {
    hypothesis: Hypothesis,
    /// What it is drawn with.
    log_probability: f64,
    /// The same and its noise: the highest that one of its continuations has.
    sum: f64,
    /// Of the draws for what follows.
    key: Key,
}

/// A branch one token further.
#[derive(Clone, Copy, Debug)]
struct Twig {
    /// Which of the open ones it continues.
    branch: usize,
    id: u32,
    log_probability: f64,
    sum: f64,
}

impl<'a> Tree<'a> {
    fn new(source: usize, request: &'a Request, root: Key) -> Self {
        let branch = Branch {
            hypothesis: Hypothesis::default(),
            log_probability: 0.0,
            // The order of what follows does not depend on it.
            sum: 0.0,
            key: root.nth(request.number),
        };
        Self {
            source,
            request,
            open: vec![branch],
            finished: Vec::new(),
        }
    }

    /// What each row reads next.
    fn tokens(&self, start: u32, width: usize) -> impl Iterator<Item = u32> {
        (0..width).map(move |row| {
            let branch = &self.open[row.min(self.open.len() - 1)];
            branch.hypothesis.ids.last().copied().unwrap_or(start)
        })
    }

    /// Takes a step. `rows[i]` are the model's log-probabilities behind open branch `i`. Which open branch each of the new ones
    /// continues.
    fn advance(&mut self, rows: &[&[f32]], end: u32, options: &SampleOptions) -> Vec<usize> {
        let mut twigs = Vec::new();
        for (i, (branch, row)) in self.open.iter().zip(rows).enumerate() {
            let open = Open::new(&branch.hypothesis.ids, self.request);
            let left = options.left(row, &open, end);
            let first = twigs.len();
            branch.grow(i, &left, &mut twigs);
            if first == twigs.len() {
                self.finished.push(branch.clone());
            }
        }
        // Of all that is finished or may come, the highest.
        let finished = self.finished.iter().map(|branch| branch.sum);
        let mut sums: Vec<f64> = finished.chain(twigs.iter().map(|twig| twig.sum)).collect();
        if sums.len() > options.samples {
            let place = options.samples - 1;
            let (_, &mut least, _) = sums.select_nth_unstable_by(place, |a, b| b.total_cmp(a));
            twigs.retain(|twig| twig.sum >= least);
            self.finished.retain(|branch| branch.sum >= least);
        }
        twigs.sort_by(|a, b| b.sum.total_cmp(&a.sum));
        // Rounding can make equals.
        twigs.truncate(options.samples.saturating_sub(self.finished.len()));
        let before = std::mem::take(&mut self.open);
        let mut origins = Vec::new();
        for twig in twigs {
            let log_probability = f64::from(rows[twig.branch][twig.id as usize]);
            let branch = before[twig.branch].continued(twig, log_probability, end);
            let hypothesis = &branch.hypothesis;
            if hypothesis.ended || hypothesis.ids.len() == self.request.length.most {
                self.finished.push(branch);
            } else {
                self.open.push(branch);
                origins.push(twig.branch);
            }
        }
        origins
    }

    fn into_hypotheses(self) -> Vec<Hypothesis> {
        let mut finished = self.finished;
        finished.sort_by(|a, b| b.sum.total_cmp(&a.sum));
        let hypotheses = finished.into_iter().map(|branch| branch.hypothesis);
        hypotheses.collect()
    }
}

impl Branch {
    /// Adds what may follow to `twigs`. `left` has tokens and how probable they are, as parts of their sum.
    fn grow(&self, place: usize, left: &[(u32, f64)], twigs: &mut Vec<Twig>) {
        let total: f64 = left.iter().map(|one| one.1).sum();
        let first = twigs.len();
        let mut highest = f64::NEG_INFINITY;
        for &(id, weight) in left.iter().filter(|one| one.1 > 0.0) {
            let log_probability = self.log_probability + (weight / total).ln();
            let sum = log_probability + gumbel(self.key.uniform(2 * u64::from(id)));
            highest = highest.max(sum);
            twigs.push(Twig {
                branch: place,
                id,
                log_probability,
                sum,
            });
        }
        for twig in &mut twigs[first..] {
            twig.sum = truncated(twig.sum, highest, self.sum);
        }
    }

    /// One token further; `log_probability` is the model's, of that token.
    fn continued(&self, twig: Twig, log_probability: f64, end: u32) -> Self {
        let mut hypothesis = self.hypothesis.clone();
        hypothesis.log_probability += log_probability;
        hypothesis.score = hypothesis.log_probability;
        if twig.id == end {
            hypothesis.ended = true;
        } else {
            hypothesis.ids.push(twig.id);
        }
        Self {
            hypothesis,
            log_probability: twig.log_probability,
            sum: twig.sum,
            // Even numbers are draws.
            key: self.key.nth(2 * u64::from(twig.id) + 1),
        }
    }
}

/// The quantile of `uniform`, from `[0, 1)`.
fn gumbel(uniform: f64) -> f64 {
    -(-uniform.max(2.0_f64.powi(-54)).ln()).ln()
}

/// What stands for `sum` where the highest of all is to be `bound` instead of `highest`.
///
/// ```text
/// -ln(e^-bound - e^-highest + e^-sum)
/// ```
fn truncated(sum: f64, highest: f64, bound: f64) -> f64 {
    let below = sum - highest;
    // ln(1 - e^below), exact at both ends.
    let rest = if below > -std::f64::consts::LN_2 {
        (-below.exp_m1()).ln()
    } else {
        (-below.exp()).ln_1p()
    };
    let v = bound - sum + rest;
    bound - v.max(0.0) - (-v.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn truncation_is_its_formula_and_keeps_order_and_ends() {
        for (sum, highest, bound) in [
            (-1.5_f64, 0.25_f64, -0.5_f64),
            (-1.5, -1.4, 2.0),
            (-3.0, 1.0, -7.0),
            (0.2, 0.3, 0.25),
        ] {
            let expected = -((-bound).exp() - (-highest).exp() + (-sum).exp()).ln();
            let found = truncated(sum, highest, bound);
            assert!((found - expected).abs() < 1e-12, "{found}, {expected}");
        }
        // What the formula cannot do.
        for bound in [-900.0, -810.0, -30.0, 0.0, 5.0] {
            assert_eq!(
                truncated(-800.0, -800.0, bound).to_bits(),
                f64::to_bits(bound)
            );
            let sums = [-2000.0, -1000.0, -801.0, -800.5, -800.0];
            let found = sums.map(|sum| truncated(sum, -800.0, bound));
            assert!(found.is_sorted(), "{found:?}");
            // No noise takes a beginning a hundred nats below what follows it.
            assert!(bound < -850.0 || found[3] < found[4], "{found:?}");
            assert!(found.iter().all(|sum| sum.is_finite()), "{found:?}");
        }
    }

    #[test]
    fn noise_is_finite() {
        for uniform in [0.0, 1e-9, 0.5, 1.0 - 2.0_f64.powi(-53)] {
            assert!(gumbel(uniform).is_finite());
        }
        // At e^-1 it is 0.
        assert!(gumbel((-1.0_f64).exp()).abs() < 1e-12);
    }
}
