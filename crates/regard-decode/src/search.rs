//! Search: from a model and sources to hypotheses. It knows a model only as [`Seq2Seq`].

use burn::tensor::{Device, Int, Tensor, TensorData};
use regard_kernels::most_probable;
use regard_nn::{Pass, Rows, Seq2Seq, Tokens, device_id};
use regard_text::SpecialIds;

/// A target that search found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hypothesis {
    /// Its ids, without start and end.
    pub ids: Vec<u32>,
    /// Sum of the log-probabilities of its tokens, the end included if it was reached; nats.
    pub log_probability: f64,
    /// Whether the end token was reached, rather than the limit.
    pub ended: bool,
}

/// Bounds on the number of tokens of a hypothesis, the end token not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetLength {
    /// The end token is not taken before.
    pub least: usize,
    /// Search stops here, end token or not.
    pub most: usize,
}

/// Takes the most probable token at each step, until the end token or the limit.
///
/// `lengths[b]` bounds the hypothesis of source `b`. Ties go to the lower id. Rows that have ended leave the batch.
///
/// # Panics
///
/// If there are not as many bounds as sources.
pub fn greedy<M: Seq2Seq>(
    model: &M,
    source: &Tokens,
    lengths: &[TargetLength],
    special: SpecialIds,
) -> Vec<Hypothesis> {
    assert_eq!(
        source.lengths.len(),
        lengths.len(),
        "greedy: bounds for each source"
    );
    let memory = model.encode(source, &Pass::evaluation());
    greedy_from(model, memory, lengths, special, &source.ids.device())
}

/// [`greedy`], once the sources are encoded.
pub(crate) fn greedy_from<M: Seq2Seq>(
    model: &M,
    mut memory: M::Memory,
    lengths: &[TargetLength],
    special: SpecialIds,
    device: &Device,
) -> Vec<Hypothesis> {
    let pass = Pass::evaluation();
    let mut state = model.start(&memory);
    let mut hypotheses = vec![Hypothesis::default(); lengths.len()];
    // Which hypothesis each row of the state continues, and with which token.
    let mut rows: Vec<usize> = (0..lengths.len())
        .filter(|&row| lengths[row].most > 0)
        .collect();
    if rows.len() < lengths.len() && !rows.is_empty() {
        state = state.select(&rows);
        memory = memory.select(&rows);
    }
    let mut tokens = vec![special.start; rows.len()];

    while !rows.is_empty() {
        let ids: Vec<i32> = tokens.iter().map(|&id| device_id(id as usize)).collect();
        let ids = Tensor::<1, Int>::from_data(TensorData::new(ids, [rows.len()]), device);
        let step = model.step(ids, &memory, state, &pass);
        state = step.state;

        let is_short = |row: usize| hypotheses[row].ids.len() < lengths[row].least;
        let barred: Vec<_> = rows
            .iter()
            .map(|&row| is_short(row).then_some(special.end))
            .collect();
        let chosen = most_probable(step.logits, &barred);
        let mut live = Vec::new();
        tokens.clear();
        for (place, (&row, (id, log_probability))) in rows.iter().zip(chosen).enumerate() {
            let hypothesis = &mut hypotheses[row];
            hypothesis.log_probability += log_probability;
            if id == special.end {
                hypothesis.ended = true;
                continue;
            }
            hypothesis.ids.push(id);
            if hypothesis.ids.len() < lengths[row].most {
                live.push(place);
                tokens.push(id);
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
