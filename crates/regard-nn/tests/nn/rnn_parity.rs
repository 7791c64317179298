//! Recurrent layers held to PyTorch's GRU and LSTM, and recurrent encoder-decoders to loops over its cells: outputs and
//! gradients that `scripts/parity/rnn.py` wrote down, to 1e-5 of the largest value.

use burn::tensor::{Device, Tensor};
use regard_nn::{
    Init, Layout, LuongAlignment, LuongScoreKind, Pass, ReadoutKind, RecurrentCell,
    RecurrentEncoderConfig, RnnConfig, RnnKind, Seq2Seq, Sequences, Tying, cross_entropy,
};

use crate::case::{Case, batches};
use crate::formula::{fill, numbers};

// As in the script.
const B: usize = 3;
const T: usize = 7;
const S: usize = 11;
const D: usize = 2 * 5;
const E: usize = 13;
const A: usize = 17;
const SOURCE_VOCABULARY: u32 = 23;
const TARGET_VOCABULARY: u32 = 19;
const SOURCE_LENGTHS: [usize; B] = [S, 1, 4];
const TARGET_LENGTHS: [usize; B] = [3, T, 1];
const HALF_WIDTH: usize = 2;
const SMOOTHING: f64 = 0.1;

const FIXTURE: &[u8] = include_bytes!("../fixtures/rnn.safetensors");

fn device() -> Device {
    crate::device().autodiff()
}

fn init() -> Init {
    Init::new(0, &device())
}

#[test]
fn encoders() {
    let packed = Layout::packed(SOURCE_LENGTHS, S);
    let layouts = [
        (packed.clone(), Sequences::packed(SOURCE_LENGTHS)),
        (Layout::dense(B, S), Sequences::padded(SOURCE_LENGTHS, S)),
    ];
    for (name, cell) in [
        ("gru", RecurrentCell::Gru),
        ("gru_reset_before", RecurrentCell::GruResetBefore),
        ("lstm", RecurrentCell::Lstm),
    ] {
        for (directions, bidirectional) in [("one", false), ("both", true)] {
            for layers in [1, 2] {
                let encoder = RecurrentEncoderConfig::new(E, D)
                    .with_layers(layers)
                    .with_cell(cell)
                    .with_bidirectional(bidirectional)
                    .init(&init());
                let encoder = fill(encoder, "");
                for (layout, sequences) in &layouts {
                    let x = numbers("x", [B, S, E], &device()).require_grad();
                    let rows = layout.flatten(x.clone());
                    let encoded = encoder.forward(rows, layout, sequences, &Pass::evaluation());
                    let states = packed.flatten(layout.unflatten(encoded.states));
                    let parts = [vec![states], encoded.finals].concat();
                    let output = parts.into_iter().map(|part| part.flatten(0, 1)).collect();
                    Case::new(FIXTURE, &format!("encoder/{name}/{directions}/{layers}"))
                        .output::<1>(Tensor::cat(output, 0))
                        .input("x", &x)
                        .check(&encoder, "");
                }
            }
        }
    }
}

#[test]
fn bahdanau() {
    let base = || RnnConfig {
        d_attention: Some(A),
        ..base()
    };
    check("bahdanau/gru", RnnKind::Bahdanau, &base());
    let plain = RnnConfig {
        layers: 2,
        tie: Tying::Output,
        readout: Some(ReadoutKind::Plain),
        ..base()
    };
    check("bahdanau/plain", RnnKind::Bahdanau, &plain);
    let lstm = RnnConfig {
        cell: RecurrentCell::Lstm,
        tie: Tying::All,
        ..base()
    };
    check("bahdanau/lstm", RnnKind::Bahdanau, &lstm);
    let reset_before = RnnConfig {
        cell: RecurrentCell::GruResetBefore,
        bidirectional: false,
        ..base()
    };
    check("bahdanau/reset_before", RnnKind::Bahdanau, &reset_before);
}

#[test]
fn luong() {
    let general = RnnConfig {
        tie: Tying::All,
        ..base()
    };
    check("luong/general", RnnKind::Luong, &general);
    let dot = RnnConfig {
        cell: RecurrentCell::Lstm,
        layers: 2,
        tie: Tying::Output,
        score: Some(LuongScoreKind::Dot),
        input_feeding: Some(false),
        ..base()
    };
    check("luong/dot", RnnKind::Luong, &dot);
    let concat = RnnConfig {
        layers: 2,
        bidirectional: false,
        score: Some(LuongScoreKind::Concat),
        d_attention: Some(A),
        ..base()
    };
    check("luong/concat", RnnKind::Luong, &concat);
    let monotonic = RnnConfig {
        score: Some(LuongScoreKind::Dot),
        alignment: Some(LuongAlignment::Monotonic),
        half_width: Some(HALF_WIDTH),
        ..base()
    };
    check("luong/monotonic", RnnKind::Luong, &monotonic);
}

#[test]
fn bottleneck() {
    check("bottleneck/fed", RnnKind::Bottleneck, &base());
    let reversed = RnnConfig {
        cell: RecurrentCell::Lstm,
        layers: 2,
        bidirectional: false,
        tie: Tying::Output,
        reverse_source: Some(true),
        readout: Some(ReadoutKind::Plain),
        feed_summary: Some(false),
        ..base()
    };
    check("bottleneck/reversed", RnnKind::Bottleneck, &reversed);
}

fn base() -> RnnConfig {
    RnnConfig {
        d_model: D,
        d_embedding: Some(E),
        tie: Tying::None,
        ..RnnConfig::default()
    }
}

/// The whole model against the case, with padding left out and with padding computed.
fn check(name: &str, kind: RnnKind, config: &RnnConfig) {
    let source_vocabulary = match config.tie {
        Tying::All => TARGET_VOCABULARY,
        _ => SOURCE_VOCABULARY,
    };
    let model = config.init(
        kind,
        source_vocabulary as usize,
        TARGET_VOCABULARY as usize,
        &init(),
    );
    let model = fill(model, "");
    let [skipped, computed] = batches(
        [source_vocabulary, TARGET_VOCABULARY],
        [(&SOURCE_LENGTHS, S), (&TARGET_LENGTHS, T)],
    );
    let packed = Layout::packed(TARGET_LENGTHS, T);
    for batch in [skipped, computed] {
        let pass = Pass::evaluation().with_attention();
        let decoded = model.forward(&batch.source, &batch.target_in, &pass);
        let hidden = packed.flatten(decoded.layout.unflatten(decoded.hidden));
        let mut case = Case::new(FIXTURE, name).result("hidden", hidden);
        if let Some(map) = decoded.attention.into_iter().next() {
            case = case.result("weights", packed.flatten(map.weights.squeeze_dim(1)));
        }
        let loss = cross_entropy(&model, &batch, SMOOTHING, &Pass::evaluation());
        case.result("nats", loss.nats)
            .result("objective", loss.objective.clone())
            .loss(&loss.objective)
            .check(&model, "");
    }
}
