//! A model that is right learns a small batch by heart.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor};
use regard_kernels::{AdamStep, adam};
use regard_nn::{
    Init, Key, Pass, ResidualForm, Seq2Seq, Tokens, TransformerConfig, Tying, cross_entropy,
};

use crate::parts::{gradients, replace, vector};
use crate::sentences::{END, Padding, START, Sentences, VOCABULARY};

const STEPS: u64 = 150;

#[test]
fn one_batch_is_learned_by_heart() {
    let device = crate::device().autodiff();
    let sentences = Sentences::new([7, 11, 5, 2, 3], [5, 3, 11, 2, 7]);
    let batch = sentences.batch(Padding::default(), &device);
    for (residual, tie) in [
        (ResidualForm::Pre, Tying::All),
        (ResidualForm::Post, Tying::None),
    ] {
        let config = TransformerConfig {
            d_model: 24,
            n_heads: 3,
            d_ff: 37,
            encoder_layers: 1,
            decoder_layers: 1,
            residual,
            tie,
            ..TransformerConfig::default()
        };
        let mut model = config.init(VOCABULARY, VOCABULARY, &Init::new(1, &device));
        let mut moments: BTreeMap<String, [Vec<f32>; 2]> = BTreeMap::new();
        for step in 1..=STEPS {
            let pass = Pass::training(Key::new(1).nth(step), 0);
            let loss = cross_entropy(&model, &batch, 0.0, &pass);
            let gradients = gradients(&model, "", loss.objective.backward());
            let constants = AdamStep {
                step,
                rate: 0.01,
                beta1: 0.9,
                beta2: 0.98,
                epsilon: 1e-9,
                weight_decay: 0.0,
                gradient_scale: 1.0 / batch.tokens as f64,
            };
            model = replace(model, "", |name, mut values| {
                let zeros = || [vec![0.0; values.len()], vec![0.0; values.len()]];
                let [first, second] = moments.entry(name.into()).or_insert_with(zeros);
                adam(&mut values, &gradients[name], first, second, &constants);
                values
            });
        }

        let loss = cross_entropy(&model, &batch, 0.0, &Pass::evaluation());
        let nats = vector(loss.nats)[0] / loss.tokens as f32;
        assert!(
            nats < 0.05,
            "{config:?}: {nats} nats per token after {STEPS} steps"
        );
        let source = sentences.source(Padding::default(), &device);
        let outputs = sentences.outputs();
        assert_eq!(greedy(&model, &source, &device), outputs, "{config:?}");
    }
}

/// The likeliest token, step by step, up to the end token or for twenty steps.
fn greedy(model: &impl Seq2Seq, source: &Tokens, device: &Device) -> Vec<Vec<u32>> {
    let pass = Pass::evaluation();
    let memory = model.encode(source, &pass);
    let mut state = model.start(&memory);
    let rows = source.lengths.len();
    let mut said: Vec<Vec<u32>> = vec![Vec::new(); rows];
    let mut tokens = Tensor::full([rows], START, device);
    for _ in 0..20 {
        let step = model.step(tokens, &memory, state, &pass);
        state = step.state;
        tokens = step.logits.argmax(1).reshape([rows]);
        let next = tokens.clone().into_data();
        for (row, id) in said.iter_mut().zip(next.iter::<u32>()) {
            if !row.contains(&END) {
                row.push(id);
            }
        }
    }
    said
}
