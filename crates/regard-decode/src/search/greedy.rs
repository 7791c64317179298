//! The most probable token at each step.

use burn::tensor::Device;
use regard_kernels::most_probable;
use regard_nn::{Pass, Rows, Seq2Seq, Tokens};
use regard_text::SpecialIds;

use super::{Hypothesis, TargetLength, vector};

/// Takes the most probable token at each step, until the end token or the limit.
///
/// `lengths[b]` bounds the hypothesis of source `b`. Ties go to the lower id. Rows that have ended leave the batch. There is
/// nothing to rank: scores are log-probabilities.
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
        let step = model.step(vector(&tokens, device), &memory, state, &pass);
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
    for hypothesis in &mut hypotheses {
        hypothesis.score = hypothesis.log_probability;
    }
    hypotheses
}
