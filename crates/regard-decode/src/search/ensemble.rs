//! Several models that say one thing.

use burn::tensor::activation::softmax;
use burn::tensor::{Int, Tensor};
use regard_nn::{Model, Pass, Rnn, Rows, Seq2Seq, Step, Tokens, Transformer};

use super::Steps;

/// Models of any kind, with the same vocabularies, whose distributions are averaged at each step.
///
/// ```text
/// p(c) = 1/M (p_1(c) + ... + p_M(c))
/// ```
///
/// Of one model, it is that model.
///
/// # References
///
/// Sutskever, Vinyals, Le. Sequence to Sequence Learning with Neural Networks. 2014. <https://arxiv.org/abs/1409.3215>,
/// section 3.6.
#[derive(Debug)]
pub struct Ensemble<'a>(Vec<&'a Model>);

impl<'a> Ensemble<'a> {
    /// # Panics
    ///
    /// If there are no models.
    pub fn new(models: Vec<&'a Model>) -> Self {
        assert!(!models.is_empty(), "Ensemble: expected models, got none");
        Self(models)
    }
}

/// What each model has of it.
#[derive(Debug)]
pub struct Each<T, R>(Vec<Either<T, R>>);

/// What a model of some kind has of it.
#[derive(Debug)]
enum Either<T, R> {
    Transformer(T),
    Rnn(R),
}

type Memory = Each<<Transformer as Seq2Seq>::Memory, <Rnn as Seq2Seq>::Memory>;
type State = Each<<Transformer as Seq2Seq>::State, <Rnn as Seq2Seq>::State>;

impl<T: Rows, R: Rows> Rows for Each<T, R> {
    fn select(self, rows: &[usize]) -> Self {
        let select = |one: Either<T, R>| match one {
            Either::Transformer(one) => Either::Transformer(one.select(rows)),
            Either::Rnn(one) => Either::Rnn(one.select(rows)),
        };
        Self(self.0.into_iter().map(select).collect())
    }
}

impl Steps for Ensemble<'_> {
    type Memory = Memory;
    type State = State;

    fn encode(&self, source: &Tokens) -> Memory {
        let pass = Pass::evaluation();
        let encode = |model: &&Model| match model {
            Model::Transformer(model) => Either::Transformer(Seq2Seq::encode(model, source, &pass)),
            Model::Rnn(model) => Either::Rnn(Seq2Seq::encode(model, source, &pass)),
        };
        Each(self.0.iter().map(encode).collect())
    }

    fn start(&self, memory: &Memory) -> State {
        let start = |(model, memory): (&&Model, &_)| match (model, memory) {
            (Model::Transformer(model), Either::Transformer(memory)) => {
                Either::Transformer(Seq2Seq::start(model, memory))
            }
            (Model::Rnn(model), Either::Rnn(memory)) => Either::Rnn(Seq2Seq::start(model, memory)),
            _ => foreign(),
        };
        Each(self.0.iter().zip(&memory.0).map(start).collect())
    }

    fn step(&self, tokens: Tensor<1, Int>, memory: &Memory, state: State) -> Step<State> {
        let pass = Pass::evaluation();
        let mut states = Vec::new();
        let mut all = Vec::new();
        for ((model, memory), state) in self.0.iter().zip(&memory.0).zip(state.0) {
            let tokens = tokens.clone();
            let logits = match (model, memory, state) {
                (
                    Model::Transformer(model),
                    Either::Transformer(memory),
                    Either::Transformer(state),
                ) => {
                    let step = Seq2Seq::step(model, tokens, memory, state, &pass);
                    states.push(Either::Transformer(step.state));
                    step.logits
                }
                (Model::Rnn(model), Either::Rnn(memory), Either::Rnn(state)) => {
                    let step = Seq2Seq::step(model, tokens, memory, state, &pass);
                    states.push(Either::Rnn(step.state));
                    step.logits
                }
                _ => foreign(),
            };
            all.push(logits);
        }
        let state = Each(states);
        if let [_] = all.as_slice() {
            return Step {
                logits: all.swap_remove(0),
                state,
            };
        }
        let count = all.len() as f64;
        let sum = all
            .into_iter()
            .map(|logits| softmax(logits, 1))
            .reduce(|sum, other| sum + other);
        let mean = sum.unwrap_or_else(|| foreign()) / count;
        Step {
            logits: mean.log(),
            state,
        }
    }
}

fn foreign() -> ! {
    panic!("Ensemble: memory and state must be those of its models")
}
