//! One hypothesis for each row, a token at a time.

use burn::tensor::{Device, Tensor};
use regard_nn::{Rows, Tokens};
use regard_text::SpecialIds;

use super::rules::{Continuation, Open};
use super::{Hypothesis, Request, Rules, Steps, vector};

/// Takes the token of highest rank at each step, until the end token or the limit.
///
/// `requests[b]` is asked of source `b`; its constraints are not read. Ties go to the lower id. Rows that have ended leave the
/// batch. Scores are sums of ranks: log-probabilities, where no rule says otherwise.
///
/// # Panics
///
/// If there are not as many requests as sources.
pub fn greedy<M: Steps>(
    model: &M,
    source: &Tokens,
    requests: &[Request],
    special: SpecialIds,
    rules: &Rules,
) -> Vec<Hypothesis> {
    assert_eq!(
        source.lengths.len(),
        requests.len(),
        "greedy: a request for each source"
    );
    let memory = model.encode(source);
    let device = source.ids.device();
    greedy_from(model, memory, requests, (special, rules), &device)
}

/// [`greedy`], once the sources are encoded.
pub(crate) fn greedy_from<M: Steps>(
    model: &M,
    memory: M::Memory,
    requests: &[Request],
    (special, rules): (SpecialIds, &Rules),
    device: &Device,
) -> Vec<Hypothesis> {
    follow(
        model,
        memory,
        requests,
        (special, device),
        |logits, _, open| best(rules, logits, open, special.end),
    )
}

/// What each row says next: nothing where that is impossible, or no number.
fn best(rules: &Rules, logits: Tensor<2>, open: &[Open], end: u32) -> Vec<Option<Continuation>> {
    let is_possible = |best: &&Continuation| best.rank > f64::NEG_INFINITY;
    let first = |row: Vec<Continuation>| row.first().filter(is_possible).copied();
    let rows = rules.continuations(logits, 1, open, end).into_iter();
    rows.map(first).collect()
}

/// The tokens that [`greedy`] finds for one source, each when it is asked for.
#[derive(Debug)]
pub(crate) struct GreedySteps<M: Steps> {
    model: M,
    memory: M::Memory,
    /// `None` once nothing more is said.
    state: Option<M::State>,
    ids: Vec<u32>,
    request: Request,
    special: SpecialIds,
    rules: Rules,
    device: Device,
}

impl<M: Steps> GreedySteps<M> {
    pub(crate) fn new(
        model: M,
        source: &Tokens,
        request: Request,
        (special, rules): (SpecialIds, Rules),
    ) -> Self {
        let memory = model.encode(source);
        Self {
            state: Some(model.start(&memory)),
            device: source.ids.device(),
            model,
            memory,
            ids: Vec::new(),
            request,
            special,
            rules,
        }
    }
}

impl<M: Steps> Iterator for GreedySteps<M> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.ids.len() >= self.request.length.most {
            return None;
        }
        let state = self.state.take()?;
        let SpecialIds { start, end, .. } = self.special;
        let token = self.ids.last().copied().unwrap_or(start);
        let token = vector(&[token], &self.device);
        let step = self.model.step(token, &self.memory, state);
        let open = Open::new(&self.ids, &self.request);
        let id = best(&self.rules, step.logits, &[open], end)[0]?.id;
        if id == end {
            return None;
        }
        self.state = Some(step.state);
        self.ids.push(id);
        Some(id)
    }
}

/// One hypothesis for each row of memory. `choose` takes logits, which requests their rows belong to, and the hypotheses so
/// far, and chooses a token for each; a hypothesis for which there is none stops.
pub(super) fn follow<M: Steps>(
    model: &M,
    mut memory: M::Memory,
    requests: &[Request],
    (special, device): (SpecialIds, &Device),
    mut choose: impl FnMut(Tensor<2>, &[usize], &[Open]) -> Vec<Option<Continuation>>,
) -> Vec<Hypothesis> {
    let mut state = model.start(&memory);
    let mut hypotheses = vec![Hypothesis::default(); requests.len()];
    // Which hypothesis each row of the state continues, and with which token.
    let mut rows: Vec<usize> = (0..requests.len())
        .filter(|&row| requests[row].length.most > 0)
        .collect();
    if rows.len() < requests.len() && !rows.is_empty() {
        state = state.select(&rows);
        memory = memory.select(&rows);
    }
    let mut tokens = vec![special.start; rows.len()];

    while !rows.is_empty() {
        let step = model.step(vector(&tokens, device), &memory, state);
        state = step.state;

        let open = |&row: &usize| Open::new(&hypotheses[row].ids, &requests[row]);
        let open: Vec<Open> = rows.iter().map(open).collect();
        let chosen = choose(step.logits, &rows, &open);
        let mut live = Vec::new();
        tokens.clear();
        for (place, (&row, chosen)) in rows.iter().zip(chosen).enumerate() {
            let Some(chosen) = chosen else {
                continue;
            };
            let hypothesis = &mut hypotheses[row];
            hypothesis.log_probability += chosen.log_probability;
            hypothesis.score += chosen.rank;
            if chosen.id == special.end {
                hypothesis.ended = true;
                continue;
            }
            hypothesis.ids.push(chosen.id);
            if hypothesis.ids.len() < requests[row].length.most {
                live.push(place);
                tokens.push(chosen.id);
            }
        }
        if live.len() < rows.len() && !live.is_empty() {
            state = state.select(&live);
            memory = memory.select(&live);
        }
        rows = live.iter().map(|&place| rows[place]).collect();
    }
    hypotheses
}
