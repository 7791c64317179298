//! A model whose answers can be computed by hand: the next token depends on the last one alone, or on the last two.

use std::cell::RefCell;

use burn::tensor::{Int, Tensor, TensorData};
use regard_nn::{Decoded, Output, Pass, Rows, Seq2Seq, Step, Tokens};

/// Ids of `</s>` and of three letters; the ids below are the other special ones.
pub(crate) const END: u32 = 3;
pub(crate) const A: u32 = 4;
pub(crate) const B: u32 = 5;
pub(crate) const C: u32 = 6;
pub(crate) const START: u32 = 2;
pub(crate) const VOCABULARY: usize = 7;

/// The probability of going from one token to another.
type Chain = &'static [(u32, u32, f32)];

/// Which chain a sentence follows is the first id of its source.
///
/// ```text
/// 0   <s> -> a 0.6, b 0.4     a -> b 0.7, </s> 0.3     b -> </s> 0.8, a 0.2
/// 1   <s> -> </s> 0.5, c 0.5  c -> </s> 0.7, c 0.3
/// 2   <s> -> a 0.5, b 0.5     a -> a 0.9, </s> 0.1     b -> </s> 1
/// 3   <s> -> a 1              a -> b 1                 b -> nothing
/// 4   <s> -> a 0.5, b 0.5     a, b -> c 1              c -> </s> 1
/// ```
///
/// From 5 on, every letter and the end may follow the last two tokens, with probabilities without a pattern.
const CHAINS: [Chain; 5] = [
    &[
        (START, A, 0.6),
        (START, B, 0.4),
        (A, B, 0.7),
        (A, END, 0.3),
        (B, END, 0.8),
        (B, A, 0.2),
    ],
    &[
        (START, END, 0.5),
        (START, C, 0.5),
        (C, END, 0.7),
        (C, C, 0.3),
    ],
    &[
        (START, A, 0.5),
        (START, B, 0.5),
        (A, A, 0.9),
        (A, END, 0.1),
        (B, END, 1.0),
    ],
    &[(START, A, 1.0), (A, B, 1.0)],
    &[
        (START, A, 0.5),
        (START, B, 0.5),
        (A, C, 1.0),
        (B, C, 1.0),
        (C, END, 1.0),
    ],
];

/// The probability of `to` in a chain, after `history`.
pub(crate) fn probability(chain: usize, history: &[u32], to: u32) -> f32 {
    let last = history[history.len() - 1];
    if let Some(chain) = CHAINS.get(chain) {
        let step = chain.iter().find(|step| (step.0, step.1) == (last, to));
        return step.map_or(0.0, |step| step.2);
    }
    if !(END..=C).contains(&to) {
        return 0.0;
    }
    let before = history.iter().rev().nth(1).copied().unwrap_or(0);
    let weight = |to: u32| {
        let place = (u32::try_from(chain).unwrap() * 7 + before) * 49 + last * 7 + to;
        1.0 + (place.wrapping_mul(2_654_435_761) >> 24) as f32
    };
    weight(to) / (END..=C).map(weight).sum::<f32>()
}

/// Counts its steps.
#[derive(Debug, Default)]
pub(crate) struct Markov {
    /// The rows of each step.
    pub(crate) steps: RefCell<Vec<usize>>,
}

/// The chain of each row.
#[derive(Debug)]
pub(crate) struct Chains(Vec<usize>);

/// What each row has read so far.
#[derive(Debug)]
pub(crate) struct History(Vec<Vec<u32>>);

/// Sources that follow the given chains, and the device they are on.
pub(crate) fn sources(chains: &[u32]) -> Tokens {
    Tokens::new(chains, &vec![1; chains.len()], &crate::device())
}

fn integers(tensor: Tensor<1, Int>) -> Vec<usize> {
    let ids = tensor.into_data().iter::<i64>().collect::<Vec<i64>>();
    ids.into_iter()
        .map(|id| usize::try_from(id).unwrap())
        .collect()
}

impl Seq2Seq for Markov {
    type Memory = Chains;
    type State = History;

    fn encode(&self, source: &Tokens, _: &Pass) -> Chains {
        Chains(integers(source.ids.clone()))
    }

    fn start(&self, memory: &Chains) -> History {
        History(vec![Vec::new(); memory.0.len()])
    }

    fn step(
        &self,
        tokens: Tensor<1, Int>,
        memory: &Chains,
        mut state: History,
        _: &Pass,
    ) -> Step<History> {
        let device = tokens.device();
        let tokens = integers(tokens);
        let rows = tokens.len();
        assert_eq!(state.0.len(), rows, "tokens and state belong together");
        assert!(
            rows.is_multiple_of(memory.0.len()),
            "every source has as many hypotheses"
        );
        self.steps.borrow_mut().push(rows);
        // Logits need not be normalised.
        let mut logits = vec![f32::NEG_INFINITY; rows * VOCABULARY];
        for (row, &token) in tokens.iter().enumerate() {
            let token = u32::try_from(token).unwrap();
            let history = &mut state.0[row];
            assert_eq!(
                history.is_empty(),
                token == START,
                "every row begins with the start token"
            );
            assert_ne!(token, END, "a row that has ended leaves the batch");
            history.push(token);
            let chain = memory.0[row / (rows / memory.0.len())];
            for to in END..=C {
                let p = probability(chain, history, to);
                logits[row * VOCABULARY + to as usize] = p.ln() + (row % 7) as f32;
            }
        }
        Step {
            logits: Tensor::from_data(TensorData::new(logits, [rows, VOCABULARY]), &device),
            state,
        }
    }

    fn forward(&self, _: &Tokens, _: &Tokens, _: &Pass) -> Decoded {
        unreachable!("search never forces a target")
    }

    fn output(&self) -> Output {
        unreachable!("search takes logits")
    }
}

impl Rows for Chains {
    fn select(self, rows: &[usize]) -> Self {
        Self(rows.iter().map(|&row| self.0[row]).collect())
    }
}

impl Rows for History {
    fn select(self, rows: &[usize]) -> Self {
        Self(rows.iter().map(|&row| self.0[row].clone()).collect())
    }
}
