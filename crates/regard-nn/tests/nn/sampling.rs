//! Scheduled sampling, for every kind of model.

use burn::module::Module;
use burn::tensor::Device;
use regard_nn::{
    Batch, Init, Key, Pass, RnnConfig, RnnKind, Seq2Seq, Tokens, TransformerConfig,
    scheduled_sampling,
};

use crate::sentences::{Padding, Sentences, VOCABULARY};

fn sentences() -> Sentences {
    Sentences::new([4, 2, 7], [6, 1, 9])
}

fn pass(gold: f64, first_row: u64) -> Pass {
    Pass::training(Key::new(3), first_row).with_gold(gold)
}

fn batch(sentences: &Sentences, device: &Device) -> Batch {
    sentences.batch(Padding::default(), device)
}

fn ids(tokens: &Tokens) -> Vec<u32> {
    tokens.ids.clone().into_data().iter::<u32>().collect()
}

/// What the model finds most probable behind each token of a packed target.
fn most_probable<M: Seq2Seq>(model: &M, source: &Tokens, target_in: &Tokens) -> Vec<u32> {
    let decoded = model.forward(source, target_in, &Pass::evaluation());
    let logits = model.output().logits(decoded.hidden);
    logits.argmax(1).into_data().iter::<u32>().collect()
}

/// Every token is the true one or what the model says behind those before it; a row begins with the true one. The number of
/// tokens that differ from the true ones.
fn check<M: Seq2Seq + Module>(name: &str, model: &M, gold: f64) -> usize {
    let device = crate::device().autodiff();
    let sentences = sentences();
    let batch = batch(&sentences, &device);
    let chosen = scheduled_sampling(model, &batch, &pass(gold, 0));
    assert_eq!(chosen.lengths, batch.target_in.lengths);
    let said = most_probable(model, &batch.source, &chosen);
    let (got, truth) = (ids(&chosen), ids(&batch.target_in));
    let mut changed = 0;
    for sequence in 0..3 {
        let range = chosen.sequences().range(sequence);
        assert_eq!(got[range.start], truth[range.start], "{name}");
        for row in range.skip(1) {
            let allowed = if gold == 0.0 {
                vec![said[row - 1]]
            } else {
                vec![said[row - 1], truth[row]]
            };
            assert!(allowed.contains(&got[row]), "{name}, row {row}");
            changed += usize::from(got[row] != truth[row]);
        }
    }

    let again = scheduled_sampling(model, &batch, &pass(gold, 0));
    assert_eq!(ids(&again), got, "{name}: the same draws");
    let padding = Padding {
        extra: 3,
        id: 5,
        computed: true,
    };
    let padded = scheduled_sampling(model, &sentences.batch(padding, &device), &pass(gold, 0));
    let real: Vec<u32> = {
        let (ids, sequences) = (ids(&padded), padded.sequences());
        (0..3)
            .flat_map(|row| ids[sequences.range(row)].to_vec())
            .collect()
    };
    assert_eq!(real, got, "{name}: with padding that is computed");
    let last = self::batch(&sentences.rows(2..3), &device);
    let alone = scheduled_sampling(model, &last, &pass(gold, 2));
    assert_eq!(
        ids(&alone),
        got[got.len() - 10..],
        "{name}: cut from its batch"
    );
    changed
}

#[test]
fn what_is_not_the_true_token_is_what_the_model_says() {
    let init = Init::new(1, &crate::device().autodiff());
    let config = RnnConfig {
        d_model: 8,
        ..RnnConfig::default()
    };
    for gold in [0.0, 0.5] {
        let mut changed = Vec::new();
        for kind in [RnnKind::Bottleneck, RnnKind::Bahdanau, RnnKind::Luong] {
            let model = config.init(kind, VOCABULARY, VOCABULARY, &init);
            changed.push(check(&format!("{kind:?}"), &model, gold));
        }
        let transformer = TransformerConfig {
            d_model: 8,
            d_ff: 16,
            n_heads: 2,
            ..TransformerConfig::default()
        };
        let model = transformer.init(VOCABULARY, VOCABULARY, &init);
        changed.push(check("transformer", &model, gold));
        // Of 16 tokens behind the first ones, with half of them gold.
        let expected = if gold == 0.0 { 10..=16 } else { 2..=12 };
        for changed in changed {
            assert!(expected.contains(&changed), "gold {gold}: {changed}");
        }
    }
}

#[test]
fn nothing_changes_without_draws_or_with_gold_alone() {
    let device = crate::device().autodiff();
    let config = RnnConfig {
        d_model: 8,
        ..RnnConfig::default()
    };
    let model = config.init(
        RnnKind::Luong,
        VOCABULARY,
        VOCABULARY,
        &Init::new(1, &device),
    );
    let batch = batch(&sentences(), &device);
    for pass in [pass(1.0, 0), Pass::evaluation().with_gold(0.0)] {
        let chosen = scheduled_sampling(&model, &batch, &pass);
        assert_eq!(ids(&chosen), ids(&batch.target_in));
    }
}
