//! Recurrent encoder-decoders: the laws of every model, and what is their own.

use burn::tensor::{Device, Tensor};
use regard_nn::{
    AttentionKind, Direction, Init, Layout, LuongAlignment, LuongScoreKind, Pass, ReadoutKind,
    RecurrentCell, RecurrentConfig, RecurrentEncoderConfig, Rnn, RnnConfig, RnnKind, Seq2Seq,
    Sequences, Tying,
};

use crate::formula::numbers;
use crate::laws::{Maps, Subject};
use crate::parts::{assert_close, vector};
use crate::sentences::{Padding, Sentences, VOCABULARY};

fn small() -> RnnConfig {
    RnnConfig {
        d_model: 6,
        d_embedding: Some(5),
        dropout: 0.3,
        embedding_dropout: 0.2,
        ..RnnConfig::default()
    }
}

/// Every choice at least once, two or three together.
fn configs() -> Vec<(RnnKind, RnnConfig)> {
    use RecurrentCell::{GruResetBefore, Lstm};
    use RnnKind::{Bahdanau, Bottleneck, Luong};
    let luong = |score, alignment, input_feeding| RnnConfig {
        score: Some(score),
        alignment: Some(alignment),
        half_width: (alignment != LuongAlignment::Global).then_some(3),
        input_feeding: Some(input_feeding),
        ..small()
    };
    let of_bottleneck = [
        small(),
        RnnConfig {
            feed_summary: Some(false),
            reverse_source: Some(true),
            bidirectional: false,
            cell: Lstm,
            layers: 2,
            ..small()
        },
        RnnConfig {
            cell: GruResetBefore,
            readout: Some(ReadoutKind::Plain),
            tie: Tying::None,
            ..small()
        },
    ];
    let of_bahdanau = [
        small(),
        RnnConfig {
            layers: 3,
            d_attention: Some(7),
            readout: Some(ReadoutKind::Plain),
            tie: Tying::Output,
            ..small()
        },
        RnnConfig {
            cell: Lstm,
            layers: 2,
            d_model: 34,
            ..small()
        },
        RnnConfig {
            cell: GruResetBefore,
            bidirectional: false,
            tie: Tying::None,
            ..small()
        },
    ];
    let of_luong = [
        small(),
        RnnConfig {
            layers: 2,
            cell: Lstm,
            tie: Tying::None,
            ..luong(LuongScoreKind::Dot, LuongAlignment::Global, true)
        },
        luong(LuongScoreKind::Concat, LuongAlignment::Global, false),
        RnnConfig {
            d_attention: Some(3),
            ..luong(LuongScoreKind::Concat, LuongAlignment::Monotonic, true)
        },
        luong(LuongScoreKind::General, LuongAlignment::Predictive, true),
        RnnConfig {
            layers: 2,
            cell: GruResetBefore,
            bidirectional: false,
            ..luong(LuongScoreKind::General, LuongAlignment::Monotonic, false)
        },
    ];
    let of = |kind, configs: &[RnnConfig]| -> Vec<_> {
        configs
            .iter()
            .map(|config| (kind, config.clone()))
            .collect()
    };
    [
        of(Bottleneck, &of_bottleneck),
        of(Bahdanau, &of_bahdanau),
        of(Luong, &of_luong),
    ]
    .concat()
}

fn models(device: &Device) -> Vec<Subject<Rnn>> {
    let subject = |(kind, config): (RnnKind, RnnConfig)| {
        let is_local = config.half_width.is_some();
        Subject {
            name: format!("{kind:?} {config:?}"),
            model: config.init(kind, VOCABULARY, VOCABULARY, &Init::new(1, device)),
            device: device.clone(),
            maps: if is_local { Maps::Local } else { Maps::Whole },
        }
    };
    configs().into_iter().map(subject).collect()
}

mod every_model {
    crate::laws::tests!(super::models);
}

#[test]
fn what_is_resolved_is_the_same_model() {
    let device = crate::device();
    let sentences = Sentences::new([4, 2], [3, 5]);
    for (kind, config) in configs() {
        let resolved = config.clone().resolved(kind);
        assert!(resolved.problems(kind).is_empty(), "{resolved:?}");
        assert_eq!(resolved.clone().resolved(kind), resolved);
        let hidden = |config: RnnConfig| {
            let model = config.init(kind, VOCABULARY, VOCABULARY, &Init::new(1, &device));
            let [source, target_in] = inputs(&sentences, &device);
            vector(
                model
                    .forward(&source, &target_in, &Pass::evaluation())
                    .hidden,
            )
        };
        assert_eq!(hidden(config), hidden(resolved));
    }
}

fn inputs(sentences: &Sentences, device: &Device) -> [regard_nn::Tokens; 2] {
    let padding = Padding {
        extra: 0,
        id: 0,
        computed: false,
    };
    [
        sentences.source(padding, device),
        sentences.target_in(padding, device),
    ]
}

/// What the decoder says once two sources differ in their first token, whose way to the final state is the longest.
#[test]
fn only_attention_models_have_maps_and_all_hear_the_whole_source() {
    let device = crate::device();
    let sentences = Sentences::new([9, 7], [3, 5]);
    let mut changed = sentences.clone();
    for row in &mut changed.sources {
        row[0] = 4 + (row[0] - 4 + 5) % 13;
    }
    for subject in models(&device) {
        let run = |sentences: &Sentences| {
            let [source, target_in] = inputs(sentences, &device);
            let pass = Pass::evaluation().with_attention();
            subject.model.forward(&source, &target_in, &pass)
        };
        let (here, there) = (run(&sentences), run(&changed));
        assert_ne!(
            vector(here.hidden),
            vector(there.hidden),
            "{}",
            subject.name
        );
        let maps: Vec<_> = here.attention.iter().map(|map| map.kind).collect();
        let expected = if subject.name.starts_with("Bottleneck") {
            vec![]
        } else {
            vec![AttentionKind::Cross]
        };
        assert_eq!(maps, expected, "{}", subject.name);
    }
}

#[test]
fn a_reversed_source_is_the_source_read_backward() {
    let device = crate::device();
    let config = |reverse| RnnConfig {
        reverse_source: Some(reverse),
        bidirectional: false,
        ..small()
    };
    let sentences = Sentences::new([9, 1, 4], [3, 5, 2]);
    let mut turned = sentences.clone();
    for row in &mut turned.sources {
        row.reverse();
    }
    let hidden = |sentences: &Sentences, reverse| {
        let kind = RnnKind::Bottleneck;
        let model = config(reverse).init(kind, VOCABULARY, VOCABULARY, &Init::new(1, &device));
        let [source, target_in] = inputs(sentences, &device);
        vector(
            model
                .forward(&source, &target_in, &Pass::evaluation())
                .hidden,
        )
    };
    assert_eq!(hidden(&sentences, true), hidden(&turned, false));
    assert_ne!(hidden(&sentences, true), hidden(&sentences, false));
}

#[test]
fn a_layer_backward_reads_what_a_layer_forward_reads_turned_round() {
    let device = crate::device();
    for cell in [
        RecurrentCell::Gru,
        RecurrentCell::GruResetBefore,
        RecurrentCell::Lstm,
    ] {
        let layer = RecurrentConfig::new(3, 5)
            .with_cell(cell)
            .init(&Init::new(1, &device));
        let sequences = Sequences::packed(vec![4, 1]);
        let x = numbers("x", [5, 3], &device);
        let turn = |x: Tensor<2>| {
            let rows = Tensor::from_ints([3, 2, 1, 0, 4], &device);
            x.select(0, rows)
        };
        let backward = layer.forward(x.clone(), None, &sequences, Direction::Backward);
        let forward = layer.forward(turn(x), None, &sequences, Direction::Forward);
        assert_eq!(vector(backward), vector(turn(forward)), "{cell:?}");
    }
}

#[test]
fn final_states_are_those_of_the_last_real_positions() {
    let device = crate::device();
    let lengths = vec![4, 1, 0, 2];
    let layout = Layout::packed(lengths.clone(), 4);
    let encoder = RecurrentEncoderConfig::new(3, 4)
        .with_cell(RecurrentCell::Lstm)
        .init(&Init::new(1, &device));
    let x = numbers("x", [7, 3], &device);
    let sequences = Sequences::packed(lengths);
    let encoded = encoder.forward(x, &layout, &sequences, &Pass::evaluation());
    let rows = |rows: [i32; 4]| Tensor::from_ints(rows, &device);
    // The third has none.
    let states = Tensor::cat(vec![encoded.states, Tensor::zeros([1, 4], &device)], 0);
    let last = states.clone().select(0, rows([3, 4, 7, 6])).narrow(1, 0, 2);
    let first = states.select(0, rows([0, 4, 7, 5])).narrow(1, 2, 2);
    let expected = Tensor::cat(vec![last, first], 1);
    let hidden = encoded.finals[0].clone().narrow(1, 0, 4);
    assert_close(&vector(hidden), &vector(expected), 0.0, "finals");
    assert_eq!(
        encoded.finals[0].dims(),
        [4, 8],
        "and the cells beside them"
    );
}

#[test]
fn keys_of_other_kinds_are_refused_and_all_problems_come_together() {
    let config = RnnConfig {
        d_model: 7,
        layers: 0,
        dropout: 1.0,
        feed_summary: Some(true),
        score: Some(LuongScoreKind::Dot),
        half_width: Some(3),
        readout: Some(ReadoutKind::Plain),
        ..RnnConfig::default()
    };
    let keys = |kind| -> Vec<String> {
        let problems = config.problems(kind);
        let key = |problem: &String| problem.split(':').next().unwrap_or_default().to_owned();
        problems.iter().map(key).collect()
    };
    let common = ["layers", "d_model", "dropout"];
    let turned = RnnConfig {
        reverse_source: Some(true),
        ..RnnConfig::default()
    };
    let problems = turned.problems(RnnKind::Bottleneck);
    assert!(problems[0].starts_with("reverse_source: with `bidirectional = true`"));
    let of = |more: &[&'static str]| [&common[..], more].concat();
    assert_eq!(keys(RnnKind::Bottleneck), of(&["score", "half_width"]));
    assert_eq!(
        keys(RnnKind::Bahdanau),
        of(&["feed_summary", "score", "half_width"])
    );
    assert_eq!(
        keys(RnnKind::Luong),
        of(&["feed_summary", "readout", "half_width"])
    );
    assert_eq!(
        config.problems(RnnKind::Luong)[0],
        "layers: expected at least 1, got 0"
    );
}
