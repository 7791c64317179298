//! A model whose answers can be computed by hand: the next token depends on the last one alone.

use burn::tensor::{Device, Int, Tensor, TensorData};
use regard_nn::{Decoded, Output, Pass, Rows, Seq2Seq, Step, Tokens};

/// Ids of `</s>` and of three letters; the ids below are the other special ones.
pub(crate) const END: u32 = 3;
pub(crate) const A: u32 = 4;
pub(crate) const B: u32 = 5;
pub(crate) const C: u32 = 6;
const START: u32 = 2;
const VOCABULARY: usize = 7;

/// The probability of going from one token to another.
type Chain = &'static [(u32, u32, f32)];

/// Which chain a sentence follows is the first id of its source.
///
/// ```text
/// 0   <s> -> a 0.6, b 0.4     a -> b 0.7, </s> 0.3     b -> </s> 0.8, a 0.2
/// 1   <s> -> </s> 0.5, c 0.5  c -> </s> 0.7, c 0.3
/// 2   <s> -> a 0.5, b 0.5     a -> a 0.9, </s> 0.1     b -> </s> 1
/// ```
const CHAINS: [Chain; 3] = [
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
];

#[derive(Debug)]
pub(crate) struct Markov;

/// The chain of each row.
#[derive(Debug)]
pub(crate) struct Chains(Vec<usize>);

/// What each row has read so far.
#[derive(Debug)]
pub(crate) struct History(Vec<Vec<u32>>);

/// Sources that follow the given chains, and the device they are on.
pub(crate) fn sources(chains: &[u32]) -> Tokens {
    Tokens::new(chains, &vec![1; chains.len()], &Device::flex())
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
        assert_eq!(
            (memory.0.len(), state.0.len()),
            (rows, rows),
            "tokens, memory and state belong together"
        );
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
            for &(_, to, p) in CHAINS[memory.0[row]]
                .iter()
                .filter(|(from, _, _)| *from == token)
            {
                logits[row * VOCABULARY + to as usize] = p.ln() + 5.0 + row as f32;
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
