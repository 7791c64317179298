//! What beam search says of hypotheses, for every kind of model, is what reading them whole says.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Device, Int, Tensor, TensorData};
use regard_decode::{BeamOptions, Hypothesis, LengthPenalty, Request, TargetLength, beam_search};
use regard_nn::{
    Init, Model, ModelConfig, Pass, PositionKind, RnnConfig, SelfAttentionKind, Seq2Seq, Tokens,
    TransformerConfig, Tying, each_model,
};
use regard_text::SpecialIds;

pub(crate) const VOCABULARY: usize = 23;
pub(crate) const SOURCES: [&[u32]; 4] =
    [&[5, 9, 4, 17, 3], &[11, 3], &[7, 7, 20, 8, 21, 13, 3], &[3]];

pub(crate) fn models() -> Vec<(String, ModelConfig)> {
    let transformer = TransformerConfig {
        d_model: 8,
        n_heads: 2,
        d_ff: 12,
        encoder_layers: 1,
        decoder_layers: 2,
        tie: Tying::None,
        ..TransformerConfig::default()
    };
    let rnn = RnnConfig {
        d_model: 8,
        layers: 2,
        tie: Tying::None,
        ..RnnConfig::default()
    };
    let mut models = vec![
        (
            "bottleneck".to_owned(),
            ModelConfig::Bottleneck(rnn.clone()),
        ),
        ("bahdanau".to_owned(), ModelConfig::Bahdanau(rnn.clone())),
        ("luong".to_owned(), ModelConfig::Luong(rnn)),
    ];
    for positions in [
        PositionKind::Sinusoidal,
        PositionKind::Rotary,
        PositionKind::Alibi,
        PositionKind::T5,
        PositionKind::Shaw,
    ] {
        let config = TransformerConfig {
            positions,
            ..transformer.clone()
        };
        models.push((format!("{positions:?}"), ModelConfig::Transformer(config)));
    }
    for attention in [
        SelfAttentionKind::Window,
        SelfAttentionKind::Linear,
        SelfAttentionKind::Memory,
    ] {
        let config = TransformerConfig {
            attention,
            ..transformer.clone()
        };
        models.push((format!("{attention:?}"), ModelConfig::Transformer(config)));
    }
    let grouped = TransformerConfig {
        n_heads: 4,
        n_kv_heads: Some(2),
        query_key_norm: true,
        ..transformer
    };
    models.push(("grouped".to_owned(), ModelConfig::Transformer(grouped)));
    models
}

pub(crate) fn tokens(rows: &[&[u32]], device: &Device) -> Tokens {
    let longest = rows.iter().map(|row| row.len()).max().unwrap();
    let padded = rows.iter().flat_map(|row| {
        let padding = std::iter::repeat_n(0, longest - row.len());
        row.iter().copied().chain(padding)
    });
    let lengths: Vec<usize> = rows.iter().map(|row| row.len()).collect();
    Tokens::new(&padded.collect::<Vec<_>>(), &lengths, device)
}

fn search(model: &Model, sources: &[&[u32]], beam: usize, device: &Device) -> Vec<Vec<Hypothesis>> {
    let source = tokens(sources, device);
    let request = |source: &&[u32]| {
        Request::from(TargetLength {
            least: source.len() % 3,
            most: 3 + 3 * source.len(),
        })
    };
    let requests: Vec<Request> = sources.iter().map(request).collect();
    let options = BeamOptions {
        beam,
        length_penalty: LengthPenalty {
            alpha: 0.6,
            ..LengthPenalty::default()
        },
        ..BeamOptions::default()
    };
    let special = SpecialIds::default();
    each_model!(model, model => beam_search(model, &source, &requests, special, &options))
}

/// The log-probability of a hypothesis that is read at once.
fn read(model: &Model, source: &[u32], hypothesis: &Hypothesis, device: &Device) -> f64 {
    read_tokens(model, source, hypothesis, device).iter().sum()
}

/// That of each of its tokens, the end included if it was reached.
pub(crate) fn read_tokens(
    model: &Model,
    source: &[u32],
    hypothesis: &Hypothesis,
    device: &Device,
) -> Vec<f64> {
    let special = SpecialIds::default();
    let mut target = vec![special.start];
    target.extend(&hypothesis.ids);
    target.extend(hypothesis.ended.then_some(special.end));
    let read = &target[..target.len() - 1];
    let (source, read) = (tokens(&[source], device), tokens(&[read], device));
    let logits: Tensor<2> = each_model!(model, model => {
        let decoded = model.forward(&source, &read, &Pass::evaluation());
        model.output().logits(decoded.hidden)
    });
    let data = TensorData::new(target[1..].to_vec(), [target.len() - 1, 1]);
    let said = Tensor::<2, Int>::from_data(data, device);
    let chosen = log_softmax(logits, 1).gather(1, said).into_data();
    chosen.iter::<f64>().collect()
}

#[test]
fn hypotheses_are_as_probable_as_search_said() {
    let device = crate::device();
    let (mut ended, mut all) = (0, 0);
    for (name, config) in models() {
        for seed in [1, 2] {
            let model = config.init(VOCABULARY, VOCABULARY, &Init::new(seed, &device));
            for (source, found) in SOURCES.iter().zip(search(&model, &SOURCES, 4, &device)) {
                assert_eq!(found.len(), 4, "{name}");
                for hypothesis in found {
                    let expected = read(&model, source, &hypothesis, &device);
                    let difference = hypothesis.log_probability - expected;
                    assert!(
                        difference.abs() < 1e-4,
                        "{name}: {hypothesis:?}, {expected}"
                    );
                    ended += usize::from(hypothesis.ended);
                    all += 1;
                }
            }
        }
    }
    assert!(ended > all / 4, "only {ended} of {all} ended");
}

#[test]
fn a_sentence_in_a_batch_is_the_sentence_alone() {
    let device = crate::device();
    for (name, config) in models() {
        let model = config.init(VOCABULARY, VOCABULARY, &Init::new(3, &device));
        for beam in [1, 2, 5] {
            let together = search(&model, &SOURCES, beam, &device);
            for (source, together) in SOURCES.iter().zip(&together) {
                let alone = search(&model, &[source], beam, &device).remove(0);
                assert_eq!(together.len(), alone.len(), "{name}, beam {beam}");
                for (together, alone) in together.iter().zip(&alone) {
                    assert_eq!(together.ids, alone.ids, "{name}, beam {beam}");
                    let difference = together.score - alone.score;
                    assert!(difference.abs() < 1e-5, "{name}, beam {beam}: {difference}");
                }
            }
        }
    }
}

/// The best of more is at least as good where the penalty is that of no length and both ended within bounds.
#[test]
fn a_wider_beam_is_seldom_worse() {
    let device = crate::device();
    let (mut better, mut worse) = (0, 0);
    for (_, config) in models() {
        let model = config.init(VOCABULARY, VOCABULARY, &Init::new(4, &device));
        let [narrow, wide] = [1, 6].map(|beam| search(&model, &SOURCES, beam, &device));
        for (narrow, wide) in narrow.iter().zip(&wide) {
            let [narrow, wide] = [&narrow[0], &wide[0]].map(|best| (best.ended, best.score));
            better += usize::from(wide > narrow);
            worse += usize::from(wide < narrow);
        }
    }
    assert!(better > 3 * worse && better > 5, "{better} and {worse}");
}
