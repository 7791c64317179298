//! A recurrent network that looks at a memory before each step.

use burn::tensor::Tensor;

use super::steps::Steps;
use super::{Direction, RecurrentCell, RecurrentWeights, check};
use crate::rows::take_rows;
use crate::{AttentionMask, Normalizer, Sequences, attention_weights, linear};

/// What a network looks at: keys and values of B' sequences.
#[derive(Clone, Debug)]
pub struct AttendedMemory {
    /// What queries are scored against, `[M, A]`.
    pub keys: Tensor<2>,
    /// What is averaged, `[M, D]`.
    pub values: Tensor<2>,
    /// Where each sequence lies in both.
    pub sequences: Sequences,
}

/// The parameters of additive attention, and how the context reaches the gates.
#[derive(Clone, Debug)]
pub struct AdditiveWeights {
    /// Q, `[H, A]`: from the state to the query.
    pub query: Tensor<2>,
    /// w, `[A]`.
    pub score: Tensor<1>,
    /// C, `[D, G]`: from the context to the gates.
    pub context: Tensor<2>,
}

/// What [`attentive_recurrence`] gives.
#[derive(Clone, Debug)]
pub struct AttentiveStates {
    /// The state after each position, `[N, Z]`.
    pub states: Tensor<2>,
    /// The context that each position saw, `[N, D]`.
    pub contexts: Tensor<2>,
}

/// A recurrent network that looks at a memory with its last state before each step: the decoder of Bahdanau, Cho and Bengio.
///
/// ```text
/// e_tj = w . tanh(h_(t-1) Q + k_j)
/// c_t  = sum_j softmax_j(e_t) v_j                        j over the positions of the memory's sequence
/// s_t  = cell(x_t + c_t C, s_(t-1))                      h_t is the part of s_t that is seen, s_(-1) = start
/// ```
///
/// with the formulas of [`RecurrentCell`].
///
/// # Shapes
///
/// | value | shape | meaning |
/// |-------|-------|---------|
/// | `x` | `[N, G]` | gates' share of the input, bias included |
/// | `start` | `[B, Z]` | state before the first position |
/// | `weights.weight` | `[H, G]` | |
/// | `attention` | `[H, A]`, `[A]`, `[D, G]` | Q, w, C |
/// | `memory` | `[M, A]`, `[M, D]` | keys and values of B' sequences |
/// | `states`, `contexts` | `[N, Z]`, `[N, D]` | |
///
/// # Behaviour
///
/// - B is a multiple of B': sequence b looks at sequence `b / (B / B')` of the memory, as hypotheses of a search do.
/// - Rows of no sequence are not read and come out as 0. An empty sequence of the memory gives a zero context.
/// - On the CPU this is one operation that keeps no hidden layer of the scores: its backward pass makes them again.
/// - Cost: `O(N (H + D) G + N S A)` time; `O(N (G + A + D + S))` memory on the CPU, `O(N S A)` elsewhere.
///
/// # Panics
///
/// If the shapes are not as above, or A or D is 0.
///
/// # Differences
///
/// Paper: the same, with `RecurrentCell::GruResetBefore`. PyTorch, burn: no counterpart; there it is a loop over positions.
///
/// # References
///
/// Bahdanau, Cho, Bengio. Neural Machine Translation by Jointly Learning to Align and Translate. 2014.
/// <https://arxiv.org/abs/1409.0473>, section A.2.2.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::*;
///
/// let device = Device::flex();
/// let zeros = |shape| Tensor::<2>::zeros(shape, &device);
/// let states = attentive_recurrence(
///     RecurrentCell::Gru,
///     zeros([4, 3]),
///     zeros([2, 1]),
///     RecurrentWeights { weight: zeros([1, 3]), candidate_bias: None },
///     AdditiveWeights { query: zeros([1, 1]), score: Tensor::zeros([1], &device), context: zeros([1, 3]) },
///     &AttendedMemory {
///         keys: zeros([3, 1]),
///         values: Tensor::from_floats([[1.0], [3.0], [5.0]], &device),
///         sequences: Sequences::packed(vec![2, 1]),
///     },
///     &Sequences::padded(vec![2, 1], 2),
/// );
/// // Equal scores: the mean of what there is; the last row is padding.
/// assert_eq!(states.contexts.into_data().as_slice::<f32>().unwrap(), [2.0, 2.0, 5.0, 0.0]);
/// ```
pub fn attentive_recurrence(
    cell: RecurrentCell,
    x: Tensor<2>,
    start: Tensor<2>,
    weights: RecurrentWeights,
    attention: AdditiveWeights,
    memory: &AttendedMemory,
    sequences: &Sequences,
) -> AttentiveStates {
    check(
        "attentive_recurrence",
        cell,
        &x,
        &start,
        &weights,
        sequences,
    );
    let [width, gates] = weights.weight.dims();
    attention.check(memory, [width, gates], sequences);
    let state_width = cell.state_width(width);

    #[cfg(feature = "flex")]
    if let Some(both) = fused(cell, [&x, &start], &weights, &attention, memory, sequences) {
        return cut(both, state_width);
    }
    let steps = Steps::new(sequences, Direction::Forward);
    let looked_at = Looked::new(memory, &steps, sequences.count());
    let mut state = steps.sorted(start);
    let mut rows = vec![];
    for x in steps.cut(x) {
        let [active, _] = x.dims();
        state = state.slice(0..active);
        let query = linear(
            state.clone().narrow(1, 0, width),
            attention.query.clone(),
            None,
        );
        let context = looked_at.context(query, &attention.score); // [active, D]
        let x = x + linear(context.clone(), attention.context.clone(), None);
        state = cell.step(x, state, &weights);
        rows.push(Tensor::cat(vec![state.clone(), context], 1));
    }
    let [_, d_memory] = memory.values.dims();
    let like = Tensor::zeros(
        [0, state_width + d_memory],
        (&state.device(), state.dtype()),
    );
    cut(steps.joined(rows, &like), state_width)
}

/// States and contexts, of both side by side.
fn cut(both: Tensor<2>, state_width: usize) -> AttentiveStates {
    let [_, columns] = both.dims();
    AttentiveStates {
        states: both.clone().narrow(1, 0, state_width),
        contexts: both.narrow(1, state_width, columns - state_width),
    }
}

#[cfg(feature = "flex")]
fn fused(
    cell: RecurrentCell,
    [x, start]: [&Tensor<2>; 2],
    weights: &RecurrentWeights,
    attention: &AdditiveWeights,
    memory: &AttendedMemory,
    sequences: &Sequences,
) -> Option<Tensor<2>> {
    use crate::flex::{AttentiveOp, Operand, apply};

    let [x, start, weight, bias] = super::operands(x, start, weights)?;
    let op = AttentiveOp {
        cell,
        sequences: sequences.clone(),
        memory: memory.sequences.clone(),
    };
    let operands = [
        x,
        start,
        weight,
        bias,
        Operand::new(&attention.query)?,
        Operand::new(&attention.score)?,
        Operand::new(&attention.context)?,
        Operand::new(&memory.keys)?,
        Operand::new(&memory.values)?,
    ];
    Some(apply(op, operands))
}

impl AdditiveWeights {
    fn check(&self, memory: &AttendedMemory, [width, gates]: [usize; 2], sequences: &Sequences) {
        let ([_, d_attention], [_, d_memory]) = (memory.keys.dims(), memory.values.dims());
        let (rows, count) = (memory.sequences.rows(), memory.sequences.count());
        assert!(
            memory.keys.dims()[0] == rows
                && memory.values.dims()[0] == rows
                && self.query.dims() == [width, d_attention]
                && self.score.dims() == [d_attention]
                && d_attention > 0
                && d_memory > 0
                && self.context.dims() == [d_memory, gates]
                && sequences.count().is_multiple_of(count),
            "attentive_recurrence: expected query [{width}, A], score [A], context [D, {gates}], keys [{rows}, A], values [{rows}, D] and \
             a multiple of {count} sequences, got {:?}, {:?}, {:?}, {:?}, {:?} and {}",
            self.query.dims(),
            self.score.dims(),
            self.context.dims(),
            memory.keys.dims(),
            memory.values.dims(),
            sequences.count()
        );
    }
}

/// The memory with padding, a row of it for each sequence that looks, in the order of steps.
struct Looked {
    /// `[B, S, A]`
    keys: Tensor<3>,
    /// `[B, S, D]`
    values: Tensor<3>,
    lengths: Vec<usize>,
}

impl Looked {
    fn new(memory: &AttendedMemory, steps: &Steps, sequences: usize) -> Self {
        let longest = memory.sequences.longest();
        let looks = sequences.checked_div(memory.sequences.count()).unwrap_or(1);
        let padding = memory.sequences.rows();
        let mut rows = Vec::new();
        let mut lengths = Vec::new();
        for &sequence in steps.order() {
            let range = memory.sequences.range(sequence / looks.max(1));
            lengths.push(range.len());
            let missing = longest - range.len();
            rows.extend(range.chain(std::iter::repeat_n(padding, missing)));
        }
        let padded = |x: &Tensor<2>| {
            let [_, width] = x.dims();
            let context = (&x.device(), x.dtype());
            if longest == 0 {
                return Tensor::zeros([lengths.len(), 0, width], context); // to burn's reshape 0 means the size before
            }
            let all = Tensor::cat(vec![x.clone(), Tensor::zeros([1, width], context)], 0);
            take_rows(all, &rows).reshape([lengths.len(), longest, width])
        };
        Self {
            keys: padded(&memory.keys),
            values: padded(&memory.values),
            lengths,
        }
    }

    /// What the first rows see with `query: [R, A]`.
    fn context(&self, query: Tensor<2>, score: &Tensor<1>) -> Tensor<2> {
        let ([active, d_attention], [_, longest, d_memory]) = (query.dims(), self.values.dims());
        if longest == 0 {
            return Tensor::zeros([active, d_memory], (&query.device(), query.dtype()));
        }
        let hidden = query.unsqueeze_dim::<3>(1) + self.keys.clone().slice(0..active); // [R, S, A]
        let hidden = hidden.tanh().reshape([active * longest, d_attention]);
        let scores = linear(hidden, score.clone().unsqueeze_dim(1), None);
        let mask = AttentionMask::key_lengths(&self.lengths[..active]);
        let weights = attention_weights(
            scores.reshape([active, 1, 1, longest]),
            &mask,
            Normalizer::Softmax,
        );
        let context = weights
            .reshape([active, 1, longest])
            .matmul(self.values.clone().slice(0..active)); // [R, 1, D]
        context.reshape([active, d_memory])
    }
}
