//! What holds for every sequence-to-sequence model, whatever it is made of.
//!
//! `laws::tests!(models)` in a module makes one test of each law; `models(&Device)` gives the [`Subject`]s. Their
//! vocabularies have [`VOCABULARY`](crate::sentences::VOCABULARY) tokens, and they drop something out when training.

use burn::module::Module;
use burn::tensor::{Device, Int, Tensor, TensorData};
use regard_kernels::{is_gpu, pack_rows};
use regard_nn::{AttentionKind, Key, LossSum, Pass, Rows, Seq2Seq, cross_entropy};

use crate::parts::{Named, assert_all_close, assert_close, gradients, vector};
use crate::sentences::{Padding, Sentences, lengths};

/// A model and what to call it when it fails.
pub(crate) struct Subject<M> {
    pub(crate) name: String,
    pub(crate) model: M,
    pub(crate) device: Device,
    /// What rows of its attention maps sum to.
    pub(crate) maps: Maps,
}

/// What rows of attention maps sum to; those of cross-attention to 1 unless said otherwise.
#[derive(Clone, Copy)]
pub(crate) enum Maps {
    /// 1.
    Whole,
    /// 1; but a query that is padding may have nothing but padding in its window.
    Windowed,
    /// Less than 1: the rest lies on slots that are no part of the sequence.
    BesideSlots,
    /// At most 1: a window of the source takes off what is far from its centre, or holds nothing.
    Local,
}

macro_rules! tests {
    ($models:path) => {
        crate::laws::tests!(@each $models, crate::device(),
            stepping_gives_what_forward_gives
            a_row_alone_gives_what_it_gives_in_a_batch
            what_stands_in_the_padding_cannot_matter
            the_future_cannot_change_the_past
            select_reorders_memory_and_state
            hypotheses_share_a_row_of_memory
            maps_come_only_on_request_and_change_nothing
            maps_are_distributions_over_what_is_visible
            an_empty_source_is_no_accident
        );
        crate::laws::tests!(@each $models, crate::device().autodiff(),
            a_plain_device_computes_what_an_autodiff_device_does
            a_pass_repeats_its_draws
            cutting_a_batch_changes_no_sum
            padding_changes_no_sum
            padding_may_be_skipped
            every_parameter_gets_a_gradient
            computing_again_changes_no_bit
        );
    };
    (@each $models:path, $device:expr, $($law:ident)*) => {
        $(
            #[test]
            fn $law() {
                for subject in $models(&$device) {
                    crate::laws::$law(&subject);
                }
            }
        )*
    };
}
pub(crate) use tests;

const TOLERANCE: f64 = 1e-5;

/// None beyond the longest row; that of the others is skipped.
const NO_PADDING: Padding = Padding {
    extra: 0,
    id: 0,
    computed: false,
};

/// Lengths on both sides of 16 and in different orders, so that caches grow and every row but one is padded.
fn sentences() -> Sentences {
    Sentences::new([7, 11, 5], [5, 2, 18])
}

/// Logits of teacher forcing at the real positions of each row, `length * V` numbers.
fn forward<M: Seq2Seq>(
    subject: &Subject<M>,
    sentences: &Sentences,
    padding: Padding,
) -> Vec<Vec<f32>> {
    let source = sentences.source(padding, &subject.device);
    let target_in = sentences.target_in(padding, &subject.device);
    let decoded = subject
        .model
        .forward(&source, &target_in, &Pass::evaluation());
    let logits = subject.model.output().logits(decoded.hidden);
    let logits = decoded.layout.unflatten(logits); // [B, T, V]
    let [_, length, vocabulary] = logits.dims();
    let logits = vector(logits);
    let rows = logits.chunks(length * vocabulary);
    let rows = rows.zip(lengths(&sentences.inputs()));
    rows.map(|(row, length)| row[..length * vocabulary].to_vec())
        .collect()
}

/// The same, position by position.
fn stepped<M: Seq2Seq>(subject: &Subject<M>, sentences: &Sentences) -> Vec<Vec<f32>> {
    let pass = Pass::evaluation();
    let source = sentences.source(NO_PADDING, &subject.device);
    let memory = subject.model.encode(&source, &pass);
    let mut state = subject.model.start(&memory);
    let lengths = lengths(&sentences.inputs());
    let mut rows = vec![Vec::new(); sentences.len()];
    for position in 0..*lengths.iter().max().expect("rows") {
        let tokens = sentences.tokens_at(position, &subject.device);
        let step = subject.model.step(tokens, &memory, state, &pass);
        state = step.state;
        let logits = vector(step.logits);
        let parts = logits.chunks(logits.len() / rows.len());
        for ((row, part), &length) in rows.iter_mut().zip(parts).zip(&lengths) {
            if position < length {
                row.extend(part);
            }
        }
    }
    rows
}

fn assert_rows_close(got: &[Vec<f32>], expected: &[Vec<f32>], name: &str) {
    assert_eq!(got.len(), expected.len(), "{name}: rows");
    for (row, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert_close(got, expected, TOLERANCE, &format!("{name}, row {row}"));
    }
}

fn loss<M: Seq2Seq>(
    subject: &Subject<M>,
    sentences: &Sentences,
    padding: Padding,
    pass: &Pass,
) -> LossSum {
    let batch = sentences.batch(padding, &subject.device);
    cross_entropy(&subject.model, &batch, 0.1, pass)
}

/// Sums of a loss: objective, nats, tokens; and its gradients.
fn sums<M: Seq2Seq + Module>(
    subject: &Subject<M>,
    sentences: &Sentences,
    padding: Padding,
    pass: &Pass,
) -> (Vec<f32>, Named) {
    let loss = loss(subject, sentences, padding, pass);
    let mut values = vector(loss.objective.clone());
    values.extend(vector(loss.nats));
    values.push(loss.tokens as f32);
    let gradients = gradients(&subject.model, "", loss.objective.backward());
    (values, gradients)
}

fn training(step: u64, first_row: u64) -> Pass {
    Pass::training(Key::new(1).nth(step), first_row)
}

pub(crate) fn stepping_gives_what_forward_gives<M: Seq2Seq>(subject: &Subject<M>) {
    let sentences = sentences();
    let expected = forward(subject, &sentences, NO_PADDING);
    assert_rows_close(&stepped(subject, &sentences), &expected, &subject.name);
}

pub(crate) fn a_row_alone_gives_what_it_gives_in_a_batch<M: Seq2Seq>(subject: &Subject<M>) {
    let sentences = sentences();
    let together = forward(subject, &sentences, NO_PADDING);
    let stepped_together = stepped(subject, &sentences);
    for row in 0..sentences.len() {
        let alone = sentences.rows(row..row + 1);
        let name = format!("{}, row {row} alone", subject.name);
        assert_rows_close(
            &forward(subject, &alone, NO_PADDING),
            &together[row..=row],
            &name,
        );
        assert_rows_close(
            &stepped(subject, &alone),
            &stepped_together[row..=row],
            &name,
        );
    }
}

pub(crate) fn what_stands_in_the_padding_cannot_matter<M: Seq2Seq>(subject: &Subject<M>) {
    let sentences = sentences();
    let padded = |id| {
        let padding = Padding {
            extra: 3,
            id,
            computed: true,
        };
        forward(subject, &sentences, padding)
    };
    let expected = padded(0);
    for id in [3, 5, 16] {
        assert_eq!(padded(id), expected, "{}: padded with {id}", subject.name);
    }
    assert_rows_close(
        &forward(subject, &sentences, NO_PADDING),
        &expected,
        &subject.name,
    );
}

pub(crate) fn the_future_cannot_change_the_past<M: Seq2Seq>(subject: &Subject<M>) {
    let sentences = sentences();
    let expected = forward(subject, &sentences, NO_PADDING);
    for position in [0, 3, 16] {
        // `position` target tokens stay, the others change; one more input token stands before them.
        let mut changed = sentences.clone();
        for row in &mut changed.targets {
            for id in row.iter_mut().skip(position) {
                *id = 4 + (*id - 4 + 5) % 13;
            }
        }
        let got = forward(subject, &changed, NO_PADDING);
        for (row, (got, expected)) in got.iter().zip(&expected).enumerate() {
            let vocabulary = got.len() / (sentences.targets[row].len() + 1);
            let past = got.len().min((position + 1) * vocabulary);
            let place = format!("{}, row {row}, before position {position}", subject.name);
            assert_eq!(got[..past], expected[..past], "{place}");
            if past < got.len() {
                assert_ne!(got[past..], expected[past..], "{place}: no change at all");
            }
        }
    }
}

/// Logits `[R, V]` of the last of some steps, with rows selected after the first `before` of them.
fn selected<M: Seq2Seq>(
    subject: &Subject<M>,
    before: usize,
    memory_rows: Option<&[usize]>,
    state_rows: &[usize],
) -> Vec<Vec<f32>> {
    let (sentences, pass) = (sentences(), Pass::evaluation());
    let source = sentences.source(NO_PADDING, &subject.device);
    let mut memory = subject.model.encode(&source, &pass);
    let mut state = subject.model.start(&memory);
    for position in 0..before {
        let tokens = sentences.tokens_at(position, &subject.device);
        state = subject.model.step(tokens, &memory, state, &pass).state;
    }
    if let Some(rows) = memory_rows {
        memory = memory.select(rows);
    }
    state = state.select(state_rows);
    let mut logits = Vec::new();
    for next in 0..2 {
        // The token tells where the row comes from, and which of its copies it is.
        let mut copies = [0; 3];
        let mut token = |row: usize| {
            copies[row] += 1;
            i32::try_from(4 + 3 * row + copies[row] + next).expect("small")
        };
        let tokens: Vec<i32> = state_rows.iter().map(|&row| token(row)).collect();
        let tokens = TensorData::new(tokens, [state_rows.len()]);
        let tokens = Tensor::<1, Int>::from_data(tokens, &subject.device);
        let step = subject.model.step(tokens, &memory, state, &pass);
        state = step.state;
        logits = vector(step.logits);
    }
    let vocabulary = logits.len() / state_rows.len();
    logits.chunks(vocabulary).map(<[f32]>::to_vec).collect()
}

pub(crate) fn select_reorders_memory_and_state<M: Seq2Seq>(subject: &Subject<M>) {
    for before in [0, 1, 17] {
        let all = selected(subject, before, None, &[0, 1, 2]);
        for rows in [&[2, 0, 1][..], &[1], &[2, 0]] {
            let expected: Vec<Vec<f32>> = rows.iter().map(|&row| all[row].clone()).collect();
            let got = selected(subject, before, Some(rows), rows);
            let name = format!("{}, rows {rows:?} after {before} steps", subject.name);
            assert_rows_close(&got, &expected, &name);
        }
    }
}

pub(crate) fn hypotheses_share_a_row_of_memory<M: Seq2Seq>(subject: &Subject<M>) {
    let hypotheses = [0, 0, 1, 1, 2, 2];
    for before in [0, 3] {
        let shared = selected(subject, before, None, &hypotheses);
        let repeated = selected(subject, before, Some(&hypotheses), &hypotheses);
        let name = format!("{}, after {before} steps", subject.name);
        assert_rows_close(&shared, &repeated, &name);
        assert_ne!(shared[0], shared[1], "{name}: hypotheses differ");
    }
}

pub(crate) fn maps_come_only_on_request_and_change_nothing<M: Seq2Seq>(subject: &Subject<M>) {
    let sentences = sentences();
    let run = |pass: Pass| {
        let source = sentences.source(NO_PADDING, &subject.device);
        let target_in = sentences.target_in(NO_PADDING, &subject.device);
        subject.model.forward(&source, &target_in, &pass)
    };
    let plain = run(Pass::evaluation());
    assert!(
        plain.attention.is_empty(),
        "{}: not asked for",
        subject.name
    );
    let hidden = vector(run(Pass::evaluation().with_attention()).hidden);
    assert_close(&hidden, &vector(plain.hidden), TOLERANCE, &subject.name);
}

pub(crate) fn maps_are_distributions_over_what_is_visible<M: Seq2Seq>(subject: &Subject<M>) {
    let sentences = sentences();
    let pass = Pass::evaluation().with_attention();
    let source = sentences.source(NO_PADDING, &subject.device);
    let target_in = sentences.target_in(NO_PADDING, &subject.device);
    let (rows, t) = (target_in.layout.batch(), target_in.layout.length());
    let s = source.layout.length();
    for map in subject.model.forward(&source, &target_in, &pass).attention {
        let [b, heads, queries, keys] = map.weights.dims();
        let expected = match map.kind {
            AttentionKind::Encoder => [rows, s, s],
            AttentionKind::Decoder => [rows, t, t],
            AttentionKind::Cross => [rows, t, s],
        };
        let place = format!("{}, {:?} {}", subject.name, map.kind, map.layer);
        assert_eq!([b, queries, keys], expected, "{place}");
        for (i, row) in vector(map.weights).chunks(keys).enumerate() {
            let (b, query) = (i / (heads * queries), i % queries);
            let visible = match map.kind {
                AttentionKind::Encoder | AttentionKind::Cross => source.lengths[b],
                AttentionKind::Decoder => query + 1,
            };
            let sum: f32 = row.iter().sum();
            let is_padding = map.kind == AttentionKind::Encoder && query >= visible;
            let is_right = match (subject.maps, map.kind) {
                (Maps::Local, _) => sum < 1.0 + 1e-5,
                (Maps::Whole, _) | (_, AttentionKind::Cross) => (sum - 1.0).abs() < 1e-5,
                (Maps::Windowed, _) if is_padding && sum == 0.0 => true,
                (Maps::Windowed, _) => (sum - 1.0).abs() < 1e-5,
                (Maps::BesideSlots, _) => 0.0 < sum && sum < 1.0,
            };
            assert!(is_right, "{place}: a row sums to {sum}");
            assert!(row.iter().all(|&weight| weight >= 0.0), "{place}: negative");
            let blocked = &row[visible..];
            assert!(
                blocked.iter().all(|&w| w == 0.0),
                "{place}: looks at blocked keys"
            );
        }
    }
}

pub(crate) fn an_empty_source_is_no_accident<M: Seq2Seq>(subject: &Subject<M>) {
    let sentences = Sentences::new([5, 0, 2], [3, 3, 3]);
    let together = forward(subject, &sentences, NO_PADDING);
    assert!(
        together.iter().flatten().all(|x| x.is_finite()),
        "{}",
        subject.name
    );
    assert_rows_close(&stepped(subject, &sentences), &together, &subject.name);
}

pub(crate) fn a_plain_device_computes_what_an_autodiff_device_does<M: Seq2Seq + Module>(
    subject: &Subject<M>,
) {
    let plain = Subject {
        name: subject.name.clone(),
        model: subject.model.valid(),
        device: subject.device.clone().without_autodiff(),
        maps: subject.maps,
    };
    let sentences = sentences();
    let expected = forward(subject, &sentences, NO_PADDING);
    assert_rows_close(
        &forward(&plain, &sentences, NO_PADDING),
        &expected,
        &subject.name,
    );
}

/// Bit for bit; but a GPU adds the gradients of an embedding's rows in the order in which they come.
pub(crate) fn a_pass_repeats_its_draws<M: Seq2Seq + Module>(subject: &Subject<M>) {
    let sentences = sentences();
    let run = |pass: &Pass| sums(subject, &sentences, NO_PADDING, pass);
    let first = run(&training(1, 0));
    let (values, gradients) = run(&training(1, 0));
    let what = format!("{}: the same pass", subject.name);
    assert_eq!(values, first.0, "{what}");
    if is_gpu(&subject.device) {
        assert_all_close(&gradients, &first.1, 1e-6, &what);
    } else {
        assert_eq!(gradients, first.1, "{what}");
    }
    for other in [training(2, 0), training(1, 3), Pass::evaluation()] {
        assert_ne!(run(&other).0, first.0, "{}: {other:?}", subject.name);
    }
}

pub(crate) fn cutting_a_batch_changes_no_sum<M: Seq2Seq + Module>(subject: &Subject<M>) {
    let sentences = sentences();
    for draws in [false, true] {
        let pass = |first_row| {
            if draws {
                training(1, first_row)
            } else {
                Pass::evaluation()
            }
        };
        let (whole, expected) = sums(subject, &sentences, NO_PADDING, &pass(0));
        let (mut values, mut gradients) =
            sums(subject, &sentences.rows(0..1), NO_PADDING, &pass(0));
        let (more, other) = sums(subject, &sentences.rows(1..3), NO_PADDING, &pass(1));
        add(&mut values, &more);
        for (gradient, other) in gradients.values_mut().zip(other.values()) {
            add(gradient, other);
        }
        let name = format!("{}, draws {draws}", subject.name);
        assert_close(&values, &whole, TOLERANCE, &name);
        assert_all_close(&gradients, &expected, TOLERANCE, &name);
    }
}

fn add(sum: &mut [f32], addend: &[f32]) {
    for (sum, addend) in sum.iter_mut().zip(addend) {
        *sum += addend;
    }
}

pub(crate) fn padding_changes_no_sum<M: Seq2Seq + Module>(subject: &Subject<M>) {
    let sentences = sentences();
    for pass in [Pass::evaluation(), training(1, 0)] {
        let (expected, expected_gradients) = sums(subject, &sentences, NO_PADDING, &pass);
        for (id, computed) in [(0, false), (0, true), (5, true)] {
            let padding = Padding {
                extra: 3,
                id,
                computed,
            };
            let (got, gradients) = sums(subject, &sentences, padding, &pass);
            let name = format!("{}, {padding:?}, {pass:?}", subject.name);
            assert_close(&got, &expected, TOLERANCE, &name);
            assert_all_close(&gradients, &expected_gradients, TOLERANCE, &name);
        }
    }
}

/// Rows of maps and norms do not depend on those beside them, and draws on the position alone, so that hidden states are
/// the same bit for bit. Sums over rows are not: where the rows of padding, which add 0, are missing, the others fall into
/// other blocks of partial sums.
pub(crate) fn padding_may_be_skipped<M: Seq2Seq + Module>(subject: &Subject<M>) {
    let batches = [
        (Sentences::new([7, 0, 11, 5], [5, 2, 0, 18]), 0),
        (Sentences::new([0, 0], [3, 1]), 2),
        (Sentences::new([3, 3], [5, 5]), 0),
    ];
    for (sentences, extra) in batches {
        for pass in [Pass::evaluation(), training(1, 0)] {
            let [skipped, computed] = [false, true].map(|computed| {
                let padding = Padding {
                    extra,
                    id: 5,
                    computed,
                };
                let source = sentences.source(padding, &subject.device);
                let target_in = sentences.target_in(padding, &subject.device);
                let decoded = subject.model.forward(&source, &target_in, &pass);
                let hidden = decoded.layout.unflatten(decoded.hidden);
                let real = pack_rows(hidden, target_in.lengths);
                (vector(real), sums(subject, &sentences, padding, &pass))
            });
            let name = format!("{}, {pass:?}", subject.name);
            assert_eq!(skipped.0, computed.0, "{name}: hidden states");
            assert_close(&skipped.1.0, &computed.1.0, 1e-6, &name);
            assert_all_close(&skipped.1.1, &computed.1.1, 3e-6, &name);
        }
    }
}

pub(crate) fn every_parameter_gets_a_gradient<M: Seq2Seq + Module>(subject: &Subject<M>) {
    let (_, gradients) = sums(subject, &sentences(), NO_PADDING, &training(1, 0));
    for (name, gradient) in gradients {
        let used = gradient.iter().any(|&g| g != 0.0);
        assert!(used, "{}: {name} is never used", subject.name);
    }
}

/// Whether operations have backward passes of their own.
fn is_fused(device: &Device) -> bool {
    let composed = std::env::var("REGARD_KERNELS").is_ok_and(|value| value == "composed");
    *device == Device::flex() && !composed
}

/// Short sequences, too: of few queries and no graph, attention is computed in another way.
pub(crate) fn computing_again_changes_no_bit<M: Seq2Seq + Module>(subject: &Subject<M>) {
    let few = Sentences::new([3, 2], [1, 2]);
    for (sentences, computed) in [(sentences(), false), (sentences(), true), (few, false)] {
        let padding = Padding {
            computed,
            ..NO_PADDING
        };
        for pass in [training(1, 0), training(1, 3), Pass::evaluation()] {
            let kept = sums(subject, &sentences, padding, &pass);
            let again = sums(subject, &sentences, padding, &pass.with_recompute(true));
            let name = format!("{}, {padding:?}, {pass:?}", subject.name);
            assert_eq!(again.0, kept.0, "{name}");
            if is_fused(&subject.device) {
                assert_eq!(again.1, kept.1, "{name}");
            } else {
                // Compositions use some tensors more than once, and their gradients meet in another order.
                assert_all_close(&again.1, &kept.1, 1e-6, &name);
            }
        }
    }
    let plain = Subject {
        name: subject.name.clone(),
        model: subject.model.valid(),
        device: subject.device.clone().without_autodiff(),
        maps: subject.maps,
    };
    let nats = |pass: Pass| vector(loss(&plain, &sentences(), NO_PADDING, &pass).nats);
    let evaluation = Pass::evaluation();
    let name = format!("{}, without autodiff", subject.name);
    assert_eq!(
        nats(evaluation.with_recompute(true)),
        nats(evaluation),
        "{name}"
    );
}
