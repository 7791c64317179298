//! Scheduled sampling: some of what a decoder reads is what it said itself.

use burn::module::Module;
use burn::tensor::Tensor;
use regard_kernels::most_probable;

use crate::batch::id_vector;
use crate::{Batch, Pass, Seq2Seq, Tokens};

/// What the decoder reads where teacher forcing gives way: each token, but the first, is the true one with the pass's share
/// of gold, and else the one that the model finds most probable behind what was chosen before it.
///
/// ```text
/// y~_t = y_t                                       with probability gold
///        argmax_v p(v | y~_0 .. y~_(t-1), source)  else
/// ```
///
/// # Shapes
///
/// The result has the layout of `batch.target_in`. To train, read it in its place: no gradient passes through a choice,
/// so that the gradient of the loss is that of reading what was chosen.
///
/// # Behaviour
///
/// - The choices come from the model as it is now, without dropout; whether a token is the true one is drawn by seed, step,
///   global row and position. With a share of 1, or when evaluating, everything stays as it is.
/// - Cost: the encoder, and a decoder's steps up to the last position that is not the true one in any row, without gradients. On
///   a GPU each step waits for the host.
///
/// # Differences
///
/// Paper: the model's token may be drawn from its distribution as well.
///
/// # References
///
/// Bengio, Vinyals, Jaitly, Shazeer. Scheduled Sampling for Sequence Prediction with Recurrent Neural Networks. 2015.
/// <https://arxiv.org/abs/1506.03099>
///
/// # Example
///
/// ```
/// use burn::tensor::Device;
/// use regard_nn::{
///     Batch, Init, Key, Pass, RnnConfig, RnnKind, TargetRows, Tokens, scheduled_sampling,
/// };
///
/// let device = Device::flex().autodiff();
/// let model = RnnConfig { d_model: 4, ..RnnConfig::default() };
/// let model = model.init(RnnKind::Luong, 9, 9, &Init::new(1, &device));
/// let target = TargetRows { input: &[2, 5, 6], output: &[5, 6, 3], lengths: &[3] };
/// let batch = Batch::new(Tokens::new(&[7, 8, 3], &[3], &device), target, &device);
/// let pass = Pass::training(Key::new(1), 0).with_gold(1.0);
/// let chosen = scheduled_sampling(&model, &batch, &pass);
/// assert_eq!(chosen.ids.into_data(), batch.target_in.ids.into_data());
/// ```
pub fn scheduled_sampling<M: Seq2Seq + Module>(model: &M, batch: &Batch, pass: &Pass) -> Tokens {
    let target_in = &batch.target_in;
    let Some(draws) = pass.draws().filter(|_| pass.gold() < 1.0) else {
        return target_in.clone();
    };
    let draws_of = |row: usize| draws.key.at("gold").nth(draws.first_row + row as u64);
    let device = target_in.ids.device();
    let plain = device.clone().without_autodiff();

    let sequences = target_in.sequences();
    let is_gold = |sequence: usize, position: usize| {
        draws_of(sequence).uniform(position as u64) < pass.gold()
    };
    let last_sampled = |sequence: usize| {
        let positions = 1..sequences.lengths()[sequence].max(1);
        positions
            .rev()
            .find(|&position| !is_gold(sequence, position))
    };
    let steps = (0..sequences.count()).filter_map(last_sampled).max();
    let Some(steps) = steps else {
        return target_in.clone();
    };
    let mut chosen: Vec<u32> = target_in.ids.clone().into_data().iter::<u32>().collect();
    let model = model.valid();
    let source = Tokens {
        ids: Tensor::from_data(batch.source.ids.clone().into_data(), &plain),
        ..batch.source.clone()
    };
    let evaluation = Pass::evaluation();
    let memory = model.encode(&source, &evaluation);
    let mut state = model.start(&memory);
    for position in 0..steps {
        // A row that has ended goes on with any token; nothing it says is read.
        let token = |sequence| {
            let row = sequences.range(sequence).nth(position);
            row.map_or(0, |row| chosen[row])
        };
        let tokens: Vec<u32> = (0..sequences.count()).map(token).collect();
        let tokens = id_vector(&tokens, &plain);
        let step = model.step(tokens, &memory, state, &evaluation);
        state = step.state;
        let said = most_probable(step.logits, &vec![None; sequences.count()]);
        for (sequence, (id, _)) in said.into_iter().enumerate() {
            let next = sequences.range(sequence).nth(position + 1);
            if let Some(row) = next.filter(|_| !is_gold(sequence, position + 1)) {
                chosen[row] = id;
            }
        }
    }
    Tokens {
        ids: id_vector(&chosen, &device),
        ..target_in.clone()
    }
}
