//! Looking up: a memory holds pairs of a key and a symbol, a query names a key, and the symbol beside it is the answer.
//! One position answers, so attention that selects one can be held to the right one.
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "positions and symbols are small"
)]

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Gradients, Int, Tensor, TensorData, activation};
use regard_nn::{
    AttentionMask, HardAttention, HardAttentionConfig, HardEstimator, Init, Key, Linear,
    MultiHeadAttentionConfig, MultiHeadCrossAttention, Pass, ReinforceLoss, ReinforceLossConfig,
};

const KEYS: usize = 8;
const SYMBOLS: usize = 8;
const D: usize = KEYS + SYMBOLS;
const QUERIES: usize = 4;
const BATCH: usize = 32;
const HELD_OUT: usize = 512;
const STEPS: u64 = 1000;
const RATE: f64 = 0.6;
const ENTROPY_WEIGHT: f64 = 0.02;

/// Examples of 4 to 8 pairs under different keys, and queries that one of them answers.
struct Batch {
    query: Tensor<3>,
    memory: Tensor<3>,
    mask: AttentionMask,
    /// Where the answers stand, and what they are; `[B * QUERIES, 1]`.
    positions: Tensor<2, Int>,
    answers: Tensor<2, Int>,
}

impl Batch {
    fn new(examples: usize, key: Key, device: &Device) -> Self {
        let (mut query, mut memory) = (Vec::new(), Vec::new());
        let (mut lengths, mut positions, mut answers) = (Vec::new(), Vec::new(), Vec::new());
        for example in 0..examples {
            let draws = key.nth(example as u64);
            let below = |name, i: usize, n: usize| draws.at(name).bits(i as u64) as usize % n;
            let mut keys: Vec<usize> = (0..KEYS).collect();
            keys.sort_by_key(|&i| draws.at("order").bits(i as u64));
            let symbols: Vec<usize> = (0..KEYS).map(|i| below("symbol", i, SYMBOLS)).collect();
            let length = 4 + below("length", 0, KEYS - 3);
            for i in 0..KEYS {
                memory.extend(one_hot(keys[i], KEYS).chain(one_hot(symbols[i], SYMBOLS)));
            }
            for i in 0..QUERIES {
                let position = below("query", i, length);
                query.extend(one_hot(keys[position], D));
                positions.push(position as i64);
                answers.push(symbols[position] as i64);
            }
            lengths.push(length);
        }
        let floats = |values, length| {
            Tensor::from_data(TensorData::new(values, [examples, length, D]), device)
        };
        let ids = |ids| Tensor::from_data(TensorData::new(ids, [examples * QUERIES, 1]), device);
        Self {
            query: floats(query, QUERIES),
            memory: floats(memory, KEYS),
            mask: AttentionMask::key_lengths(lengths),
            positions: ids(positions),
            answers: ids(answers),
        }
    }
}

fn one_hot(i: usize, n: usize) -> impl Iterator<Item = f32> {
    (0..n).map(move |j| f32::from(u8::from(i == j)))
}

#[derive(Module, Debug)]
enum Attention {
    Soft(MultiHeadCrossAttention),
    Hard(HardAttention),
}

#[derive(Module, Debug)]
struct Reader {
    attention: Attention,
    reinforce: Option<ReinforceLoss>,
    symbols: Linear,
}

impl Reader {
    fn new(estimator: Option<HardEstimator>, init: &Init) -> Self {
        let place = init.at("attention");
        let attention = match estimator {
            None => Attention::Soft(MultiHeadAttentionConfig::new(D, 1).init_cross(&place)),
            Some(estimator) => {
                let config = HardAttentionConfig::new(D, D, 1).with_estimator(estimator);
                Attention::Hard(config.init(&place))
            }
        };
        let reinforce = ReinforceLossConfig::new(D, 1).with_entropy_weight(ENTROPY_WEIGHT);
        Self {
            attention,
            reinforce: (estimator == Some(HardEstimator::Reinforce))
                .then(|| reinforce.init(&init.at("reinforce"))),
            symbols: Linear::new(D, SYMBOLS, &init.at("symbols")),
        }
    }

    fn loss(&self, batch: &Batch, pass: &Pass) -> Tensor<1> {
        let (query, memory) = (batch.query.clone(), batch.memory.clone());
        match (&self.attention, &self.reinforce) {
            (Attention::Soft(attention), _) => {
                let output = attention.forward(query, memory, &batch.mask, pass);
                self.nats(output.context, batch).mean()
            }
            (Attention::Hard(attention), None) => {
                let output = attention.forward(query, memory, &batch.mask, pass);
                let nats = self.nats(output.attention.context, batch);
                nats.mean() - output.entropy.mean() * ENTROPY_WEIGHT
            }
            (Attention::Hard(attention), Some(reinforce)) => {
                let output = attention.forward(query.clone(), memory, &batch.mask, pass);
                let nats = self.nats(output.attention.context.clone(), batch);
                let terms = reinforce.terms(query, nats.clone(), &output);
                (nats + terms).mean()
            }
        }
    }

    /// What each answer costs, `[B, QUERIES]`.
    fn nats(&self, context: Tensor<3>, batch: &Batch) -> Tensor<2> {
        let [examples, ..] = context.dims();
        let logits = self.symbols.forward(context.flatten(0, 1));
        let of_answers = activation::log_softmax(logits, 1).gather(1, batch.answers.clone());
        -of_answers.reshape([examples, QUERIES])
    }

    fn shares(&self, batch: &Batch) -> Shares {
        let (query, memory) = (batch.query.clone(), batch.memory.clone());
        let pass = Pass::evaluation().with_attention();
        let output = match &self.attention {
            Attention::Soft(attention) => attention.forward(query, memory, &batch.mask, &pass),
            Attention::Hard(attention) => {
                let output = attention.forward(query, memory, &batch.mask, &pass);
                output.attention
            }
        };
        let logits = self.symbols.forward(output.context.flatten(0, 1));
        let weights = output.weights.expect("asked for");
        let weights = weights.reshape([HELD_OUT * QUERIES, KEYS]);
        let share = |x: Tensor<2>, expected: &Tensor<2, Int>| {
            let right = x.argmax(1).equal(expected.clone());
            right.float().mean().into_scalar::<f32>()
        };
        Shares {
            answered: share(logits, &batch.answers),
            picked: share(weights, &batch.positions),
        }
    }
}

struct Descent(Gradients);

impl ModuleMapper for Descent {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let gradient = param.val().grad(&self.0).expect("a gradient");
        param.map(|value| (value.inner() - gradient * RATE).autodiff().require_grad())
    }
}

/// How often, of held-out queries, the answer was right, and the position with the largest weight was the one that answers.
#[derive(Debug)]
pub(crate) struct Shares {
    pub(crate) answered: f32,
    pub(crate) picked: f32,
}

/// Trains a reader whose attention selects by `estimator`, or is soft, and tells how well it reads afterwards.
pub(crate) fn learn(estimator: Option<HardEstimator>, seed: u64) -> Shares {
    let device = Device::flex().autodiff();
    let key = Key::new(seed);
    let mut reader = Reader::new(estimator, &Init::new(seed, &device));
    for step in 0..STEPS {
        let batch = Batch::new(BATCH, key.at("train").nth(step), &device);
        let pass = Pass::training(key.at("draws").nth(step), 0);
        let gradients = reader.loss(&batch, &pass).backward();
        reader = reader.map(&mut Descent(gradients));
    }
    reader.shares(&Batch::new(HELD_OUT, key.at("held out"), &device))
}
