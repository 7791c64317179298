//! The transformer: the laws of every model, and what is its own.

use burn::module::Module;
use burn::tensor::Device;
use regard_nn::{
    Activation, AttentionKind, FeatureMap, Init, Key, NormKind, Normalizer, Pass, PositionKind,
    ResidualForm, RotaryPairing, SelfAttentionKind, Seq2Seq, SinusoidLayout, Transformer,
    TransformerConfig, Tying, Wavelengths, cross_entropy,
};

use crate::laws::{self, Maps, Subject};
use crate::parts::{assert_all_close, assert_close, gradients, parameters, replace, vector};
use crate::sentences::{Padding, Sentences, VOCABULARY};

/// Every form, every tying, one layer and three; widths below and above those of vector registers.
fn configs() -> Vec<TransformerConfig> {
    let mut configs = Vec::new();
    for residual in [ResidualForm::Pre, ResidualForm::Post] {
        for tie in [Tying::All, Tying::Output, Tying::None] {
            configs.push(TransformerConfig {
                residual,
                tie,
                ..small(2, 3, 7, [1, 1])
            });
            configs.push(TransformerConfig {
                residual,
                tie,
                ..small(3, 5, 11, [3, 3])
            });
        }
    }
    configs.push(small(3, 23, 37, [1, 2]));
    configs
}

/// One of each choice that is not the default, two or three together.
fn choices() -> Vec<TransformerConfig> {
    let base = || TransformerConfig {
        output_bias: Some(true),
        ..small(4, 6, 11, [2, 2])
    };
    vec![
        TransformerConfig {
            attention: SelfAttentionKind::Window,
            window: Some(3),
            positions: PositionKind::None,
            normalizer: Normalizer::Sparsemax,
            ..base()
        },
        TransformerConfig {
            attention: SelfAttentionKind::Window,
            window: Some(2),
            positions: PositionKind::Alibi,
            n_kv_heads: Some(2),
            ..base()
        },
        TransformerConfig {
            attention: SelfAttentionKind::Linear,
            positions: PositionKind::Learned,
            max_positions: Some(30),
            norm: NormKind::Rms,
            ..base()
        },
        TransformerConfig {
            attention: SelfAttentionKind::Linear,
            feature_map: Some(FeatureMap::Relu),
            sinusoid_layout: Some(SinusoidLayout::Halves),
            sinusoid_wavelengths: Some(Wavelengths::Inclusive),
            position_start: Some(2),
            embedding_scale: false,
            ..base()
        },
        TransformerConfig {
            attention: SelfAttentionKind::Memory,
            memory_slots: Some(5),
            activation: Activation::Swiglu,
            ..base()
        },
        TransformerConfig {
            positions: PositionKind::Rotary,
            n_kv_heads: Some(1),
            query_key_norm: true,
            activation: Activation::Gelu,
            bias: false,
            ..base()
        },
        TransformerConfig {
            positions: PositionKind::Rotary,
            rotary_pairing: Some(RotaryPairing::Halves),
            rotary_base: Some(100.0),
            norm: NormKind::Rms,
            residual: ResidualForm::Post,
            ..base()
        },
        TransformerConfig {
            positions: PositionKind::T5,
            position_buckets: Some(8),
            max_distance: Some(12),
            normalizer: Normalizer::Entmax15,
            ..base()
        },
        TransformerConfig {
            positions: PositionKind::Shaw,
            max_distance: Some(4),
            query_key_norm: true,
            activation: Activation::Silu,
            ..base()
        },
    ]
}

fn small(n_heads: usize, per_head: usize, d_ff: usize, layers: [usize; 2]) -> TransformerConfig {
    let [encoder_layers, decoder_layers] = layers;
    TransformerConfig {
        d_model: n_heads * per_head,
        n_heads,
        d_ff,
        encoder_layers,
        decoder_layers,
        dropout: 0.1,
        attention_dropout: 0.2,
        embedding_dropout: 0.3,
        ..TransformerConfig::default()
    }
}

fn model(config: &TransformerConfig, device: &Device) -> Transformer {
    config.init(VOCABULARY, VOCABULARY, &Init::new(1, device))
}

fn subjects(device: &Device) -> Vec<Subject<Transformer>> {
    let configs = configs().into_iter().chain(choices());
    let subject = |config: TransformerConfig| Subject {
        name: format!("{config:?}"),
        model: model(&config, device),
        device: device.clone(),
        maps: match config.attention {
            SelfAttentionKind::Window => Maps::Windowed,
            SelfAttentionKind::Memory => Maps::BesideSlots,
            SelfAttentionKind::Full | SelfAttentionKind::Linear => Maps::Whole,
        },
    };
    configs.map(subject).collect()
}

laws::tests!(super::transformer::subjects);

#[test]
fn maps_come_in_order_of_computation() {
    let device = crate::device();
    let model = model(&small(3, 5, 7, [2, 3]), &device);
    let sentences = Sentences::new([5, 2], [6, 3]);
    let source = sentences.source(Padding::default(), &device);
    let target_in = sentences.target_in(Padding::default(), &device);
    let pass = Pass::evaluation().with_attention();
    let maps = model.forward(&source, &target_in, &pass).attention;
    let got: Vec<_> = maps
        .iter()
        .map(|map| (map.kind, map.layer, map.weights.dims()))
        .collect();
    let encoder = |layer| (AttentionKind::Encoder, layer, [2, 3, 5, 5]);
    let decoder = |layer| (AttentionKind::Decoder, layer, [2, 3, 7, 7]);
    let cross = |layer| (AttentionKind::Cross, layer, [2, 3, 7, 5]);
    let expected = [
        encoder(0),
        encoder(1),
        decoder(0),
        cross(0),
        decoder(1),
        cross(1),
        decoder(2),
        cross(2),
    ];
    assert_eq!(got, expected);
}

#[test]
fn evaluation_is_the_model_without_dropout() {
    let device = crate::device();
    let dropping = small(2, 3, 7, [1, 1]);
    let plain = TransformerConfig {
        dropout: 0.0,
        attention_dropout: 0.0,
        embedding_dropout: 0.0,
        ..dropping.clone()
    };
    let batch = Sentences::new([5, 2], [3, 7]).batch(Padding::default(), &device);
    let nats = |config: &TransformerConfig, pass: &Pass| {
        vector(cross_entropy(&model(config, &device), &batch, 0.1, pass).nats)
    };
    let training = Pass::training(Key::new(1), 0);
    let expected = nats(&plain, &Pass::evaluation());
    assert_eq!(nats(&dropping, &Pass::evaluation()), expected);
    assert_eq!(nats(&plain, &training), expected);
}

#[test]
fn each_dropout_is_at_work_alone() {
    let device = crate::device();
    let base = TransformerConfig {
        dropout: 0.0,
        attention_dropout: 0.0,
        embedding_dropout: 0.0,
        ..small(2, 3, 7, [1, 1])
    };
    let batch = Sentences::new([5, 2], [3, 7]).batch(Padding::default(), &device);
    let pass = Pass::training(Key::new(1), 0);
    for attention in [
        SelfAttentionKind::Full,
        SelfAttentionKind::Window,
        SelfAttentionKind::Memory,
    ] {
        let none = TransformerConfig {
            attention,
            ..base.clone()
        };
        let configs = [
            none.clone(),
            TransformerConfig {
                dropout: 0.1,
                ..none.clone()
            },
            TransformerConfig {
                attention_dropout: 0.1,
                ..none.clone()
            },
            TransformerConfig {
                embedding_dropout: 0.1,
                ..none
            },
        ];
        let nats = configs
            .map(|config| vector(cross_entropy(&model(&config, &device), &batch, 0.0, &pass).nats));
        for (i, one) in nats.iter().enumerate() {
            assert!(nats[i + 1..].iter().all(|other| other != one), "{nats:?}");
        }
    }
}

/// Cross-attention drops weights in every model: it is silenced here, so that only the self-attention can.
#[test]
fn self_attention_of_every_kind_drops_its_weights() {
    let device = crate::device();
    let batch = Sentences::new([5, 2], [3, 7]).batch(Padding::default(), &device);
    for (attention, drops) in [
        (SelfAttentionKind::Full, true),
        (SelfAttentionKind::Window, true),
        (SelfAttentionKind::Memory, true),
        (SelfAttentionKind::Linear, false),
    ] {
        let config = TransformerConfig {
            attention,
            dropout: 0.0,
            attention_dropout: 0.3,
            embedding_dropout: 0.0,
            ..small(2, 3, 7, [1, 1])
        };
        let model = replace(model(&config, &device), "", |name, old| {
            if name.ends_with("cross_attention.output.weight") {
                vec![0.0; old.len()]
            } else {
                old
            }
        });
        let nats = |pass: Pass| vector(cross_entropy(&model, &batch, 0.0, &pass).nats);
        let [training, evaluation] = [Pass::training(Key::new(1), 0), Pass::evaluation()].map(nats);
        assert_eq!(training != evaluation, drops, "{attention:?}");
    }
}

/// Six sub-layers that say 1, 2, 4, ... 32, each half dropped out: at the first position, where even columns begin at 0,
/// their sum has 64 levels, and at most 32 if any two shared their draws.
#[test]
fn every_sublayer_draws_for_itself() {
    let device = crate::device();
    let config = TransformerConfig {
        dropout: 0.5,
        attention_dropout: 0.0,
        embedding_dropout: 0.0,
        ..small(3, 66, 7, [1, 2])
    };
    let constants = [
        ("decoder.layers.0.self_attention.output.bias", 1.0),
        ("decoder.layers.0.cross_attention.output.bias", 2.0),
        ("decoder.layers.0.feed_forward.outer.bias", 4.0),
        ("decoder.layers.1.self_attention.output.bias", 8.0),
        ("decoder.layers.1.cross_attention.output.bias", 16.0),
        ("decoder.layers.1.feed_forward.outer.bias", 32.0),
    ];
    let model = replace(model(&config, &device), "", |name, old| {
        let constant = constants.iter().find(|(bias, _)| *bias == name);
        let norm = name.contains("norm");
        match constant {
            Some((_, value)) => vec![*value; old.len()],
            None if norm => old,
            None => vec![0.0; old.len()],
        }
    });
    let sentences = Sentences::new([5], [3]);
    let source = sentences.source(Padding::default(), &device);
    let target_in = sentences.target_in(Padding::default(), &device);
    let pass = Pass::training(Key::new(1), 0);
    let hidden = vector(model.forward(&source, &target_in, &pass).hidden);
    let first = hidden[..config.d_model].iter();
    let mut levels: Vec<f32> = first.copied().step_by(2).collect();
    levels.sort_by(f32::total_cmp);
    levels.dedup_by(|a, b| (*a - *b).abs() < 1e-3);
    assert!(levels.len() > 32, "{} levels: {levels:?}", levels.len());
}

/// Work is cut into blocks of some hundred rows; one sentence fits into one block, forty-one do not.
#[test]
fn blocks_of_rows_change_no_sum() {
    let device = crate::device().autodiff();
    let model = model(&small(3, 23, 37, [1, 1]), &device);
    let sentences = Sentences::new([17; 41], [18; 41]);
    let sums = |rows: std::ops::Range<usize>| {
        let pass = Pass::training(Key::new(1), rows.start as u64);
        let batch = sentences.rows(rows).batch(Padding::default(), &device);
        let loss = cross_entropy(&model, &batch, 0.1, &pass);
        let nats = vector(loss.nats);
        (nats, gradients(&model, "", loss.objective.backward()))
    };
    let (whole_nats, whole) = sums(0..sentences.len());
    let (mut nats, mut total) = sums(0..1);
    for row in 1..sentences.len() {
        let (more, other) = sums(row..row + 1);
        nats[0] += more[0];
        for (sum, addend) in total.values_mut().zip(other.values()) {
            for (sum, addend) in sum.iter_mut().zip(addend) {
                *sum += addend;
            }
        }
    }
    assert_close(&nats, &whole_nats, 1e-5, "nats");
    assert_all_close(&total, &whole, 1e-5, "gradients");
}

#[test]
fn parameters_are_as_many_as_by_hand() {
    let device = crate::device();
    let (source, target) = (19, 17);
    for config in configs() {
        let source = if config.tie == Tying::All {
            target
        } else {
            source
        };
        let model = config.init(source, target, &Init::new(1, &device));
        let (d, f) = (config.d_model, config.d_ff);
        let attention = 4 * d * (d + 1);
        let feed_forward = d * f + f + f * d + d;
        let norm = 2 * d;
        let encoder_layer = attention + feed_forward + 2 * norm;
        let decoder_layer = 2 * attention + feed_forward + 3 * norm;
        let stacks = config.encoder_layers * encoder_layer + config.decoder_layers * decoder_layer;
        let final_norms = match config.residual {
            ResidualForm::Pre => 2 * norm,
            ResidualForm::Post => 0,
        };
        let vocabularies = match config.tie {
            Tying::All => target * d,
            Tying::Output => (source + target) * d,
            Tying::None => (source + target) * d + (d + 1) * target,
        };
        let expected = stacks + final_norms + vocabularies;
        assert_eq!(model.num_params(), expected, "{config:?}");
        let counted: usize = parameters(&model).values().map(Vec::len).sum();
        assert_eq!(counted, expected, "{config:?}");
    }
}

#[test]
fn parameters_are_estimated_closely_enough_to_tell_a_slip() {
    let large = |config: TransformerConfig| TransformerConfig {
        d_model: 96,
        d_ff: 128,
        max_positions: config.max_positions.map(|_| 3000),
        memory_slots: config.memory_slots.map(|_| 700),
        max_distance: config.max_distance.map(|_| 5000),
        position_buckets: config.position_buckets.map(|_| 9000),
        ..config
    };
    for config in choices().into_iter().map(large) {
        let counted = model(&config, &crate::device()).num_params() as f64;
        let estimated = config.estimated_parameters(VOCABULARY);
        assert!(
            (estimated / counted - 1.0).abs() < 0.05,
            "{estimated} estimated, {counted} counted: {config:?}"
        );
    }
}

#[test]
fn a_tied_matrix_gets_the_gradients_of_all_its_uses() {
    let device = crate::device().autodiff();
    let batch = Sentences::new([7, 11, 5], [5, 2, 13]).batch(Padding::default(), &device);
    let run = |model: &Transformer| {
        let loss = cross_entropy(model, &batch, 0.1, &Pass::evaluation());
        let nats = vector(loss.nats);
        (nats, gradients(model, "", loss.objective.backward()))
    };
    for tie in [Tying::All, Tying::Output] {
        let config = |tie| TransformerConfig {
            tie,
            ..small(3, 5, 11, [2, 2])
        };
        let tied = model(&config(tie), &device);
        let shared = parameters(&tied);
        let matrix = &shared["target_embedding.weight"];

        // The same function with a matrix for each use.
        let d = config(tie).d_model;
        let apart = replace(
            model(&config(Tying::None), &device),
            "",
            |name, old| match (name, tie) {
                ("output.weight", _) => transposed(matrix, VOCABULARY, d),
                ("output.bias", _) => vec![0.0; old.len()],
                ("source_embedding.weight", Tying::All) => matrix.clone(),
                _ => shared[name].clone(),
            },
        );

        let ((tied_nats, tied), (nats, apart)) = (run(&tied), run(&apart));
        assert_close(&tied_nats, &nats, 1e-6, "nats");
        let mut expected = transposed(&apart["output.weight"], d, VOCABULARY);
        let mut add = |name: &str| {
            for (sum, addend) in expected.iter_mut().zip(&apart[name]) {
                *sum += addend;
            }
        };
        add("target_embedding.weight");
        if tie == Tying::All {
            add("source_embedding.weight");
        }
        let got = &tied["target_embedding.weight"];
        assert_close(got, &expected, 1e-5, &format!("{tie:?}"));
    }
}

/// `[rows, columns]` to `[columns, rows]`.
fn transposed(x: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let column = |c| (0..rows).map(move |r| x[r * columns + c]);
    (0..columns).flat_map(column).collect()
}

#[test]
fn parameters_are_a_function_of_seed_and_path() {
    let device = crate::device();
    let config = small(2, 3, 7, [2, 2]);
    let make = |config: &TransformerConfig, seed| {
        parameters(&config.init(19, 17, &Init::new(seed, &device)))
    };
    let untied = TransformerConfig {
        tie: Tying::None,
        ..config.clone()
    };
    let first = make(&untied, 1);
    assert_eq!(make(&untied, 1), first);
    assert_ne!(make(&untied, 2), first);
    // A model with fewer parts has the same numbers in those it has.
    let smaller = TransformerConfig {
        tie: Tying::Output,
        decoder_layers: 1,
        ..config
    };
    for (name, values) in make(&smaller, 1) {
        assert_eq!(values, first[&name], "{name}");
    }
    // No two matrices are drawn alike.
    let matrices: Vec<_> = first
        .iter()
        .filter(|(name, _)| name.ends_with("weight") && !name.contains("norm"))
        .collect();
    for (i, (name, values)) in matrices.iter().enumerate() {
        for (other, others) in &matrices[i + 1..] {
            assert_ne!(values[..10], others[..10], "{name} and {other}");
        }
    }
}
