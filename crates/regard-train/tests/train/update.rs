//! One update: what it may depend on, and what it may not.

use regard_decode::{NamedTensor, parameters};
use regard_nn::{
    Batch, Init, Key, Model, ModelConfig, Pass, Precision, TargetRows, Tokens, TransformerConfig,
    each_model, scheduled_sampling,
};
use regard_text::SpecialIds;
use regard_text::batch::HostBatch;
use regard_text::corpus::Example;
use regard_train::{
    Objective, Optimizer, Part, SamplingDecay, TeacherForcing, TrainConfig, TrainError, Trainer,
};
use std::path::Path;

fn model(dropout: f64) -> Model {
    let config = TransformerConfig {
        d_model: 12,
        n_heads: 2,
        d_ff: 20,
        encoder_layers: 1,
        decoder_layers: 1,
        dropout,
        attention_dropout: dropout,
        embedding_dropout: dropout,
        ..TransformerConfig::default()
    };
    let device = crate::device().autodiff();
    ModelConfig::Transformer(config).init(17, 17, &Init::new(3, &device))
}

pub(crate) fn trainer(dropout: f64, config: TrainConfig) -> Trainer<TeacherForcing> {
    let objective = TeacherForcing {
        smoothing: config.label_smoothing,
        r_drop: 0.0,
    };
    let optimizer = Optimizer::new(config.optimizer());
    Trainer::new(objective, config, model(dropout), optimizer, 0)
}

pub(crate) fn config() -> TrainConfig {
    TrainConfig {
        warmup: 2,
        learning_rate: Some(0.01),
        ..TrainConfig::default()
    }
}

/// Eight pairs of different lengths.
pub(crate) fn examples() -> Vec<Example> {
    let ids = |n: u32, by: u32| -> Vec<u32> { (0..n).map(|i| 4 + (n * by + i * 5) % 13).collect() };
    (1..=8)
        .map(|n| Example {
            source: ids(n, 3),
            target: ids(9 - n, 7),
        })
        .collect()
}

/// The batches of the given examples.
pub(crate) fn batches(parts: &[&[Example]]) -> Vec<Part<Batch>> {
    let device = crate::device().autodiff();
    let gather = |part: &&[Example]| {
        let indices: Vec<usize> = (0..part.len()).collect();
        let host = HostBatch::gather(part, &indices, SpecialIds::default());
        let target = TargetRows {
            input: &host.target_in,
            output: &host.target_out,
            lengths: &host.target_lengths,
        };
        let source = Tokens::new(&host.source.ids, &host.source.lengths, &device);
        Part::new(Batch::new(source, target, &device), host.rows())
    };
    parts.iter().map(gather).collect()
}

pub(crate) fn largest_difference(ours: &[NamedTensor], theirs: &[NamedTensor]) -> f32 {
    let values = |tensors: &[NamedTensor]| -> Vec<f32> {
        tensors
            .iter()
            .flat_map(|tensor| tensor.values.clone())
            .collect()
    };
    let pairs = values(ours).into_iter().zip(values(theirs));
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn cutting_a_step_into_batches_changes_nothing_but_rounding() {
    let examples = examples();
    for dropout in [0.0, 0.3] {
        let step =
            |parts: &[&[Example]]| trainer(dropout, config()).update(&batches(parts)).unwrap();
        let (whole, one) = step(&[&examples]);
        for cut in [4, 1, 7] {
            let (parts, two) = step(&[&examples[..cut], &examples[cut..]]);
            assert_eq!((one.tokens, one.step), (two.tokens, two.step));
            assert!(
                (one.nats - two.nats).abs() < 1e-3 * one.nats,
                "{one:?} and {two:?}"
            );
            assert!(
                (one.gradient_norm - two.gradient_norm).abs() < 1e-5,
                "{one:?} and {two:?}"
            );
            // Adam's first step is as large as the rate, whatever the gradient: only its moments show a difference.
            let moments = |trainer: &Trainer<TeacherForcing>| saved(trainer.optimizer());
            let difference = largest_difference(&moments(&whole), &moments(&parts));
            assert!(
                difference < 1e-6,
                "dropout {dropout}, cut at {cut}: moments differ by {difference}"
            );
        }
    }
}

#[test]
fn scheduled_sampling_changes_what_is_read_and_not_how_steps_are_cut() {
    let examples = examples();
    let half = TrainConfig {
        scheduled_sampling: SamplingDecay::Linear,
        sampling_floor: Some(0.5),
        sampling_slope: Some(1.0),
        ..config()
    };
    assert!((half.gold(1) - 0.5).abs() < 1e-12);
    let nats = |config: &TrainConfig, parts: &[&[Example]]| {
        let trainer = trainer(0.2, config.clone());
        trainer.update(&batches(parts)).unwrap().1.nats
    };
    let whole = nats(&half, &[&examples]);
    let forced = nats(&config(), &[&examples]);
    assert!((whole - forced).abs() > 1e-3 * forced, "{whole}, {forced}");
    for cut in [1, 4] {
        let parts = nats(&half, &[&examples[..cut], &examples[cut..]]);
        assert!((whole - parts).abs() < 1e-5 * whole, "{whole}, {parts}");
    }

    // Without a share of gold, the loss is that of reading what the model says.
    let device = crate::device().autodiff();
    let Part { batch, .. } = batches(&[&examples]).swap_remove(0);
    let model = model(0.0);
    let pass = Pass::training(Key::new(1), 0).with_gold(0.0);
    let loss = |batch: &Batch, pass: &Pass| {
        let objective = TeacherForcing {
            smoothing: 0.1,
            r_drop: 0.0,
        };
        let loss = objective.loss(&model, batch, pass);
        loss.objective.into_scalar::<f32>()
    };
    let said = each_model!(&model, model => scheduled_sampling(model, &batch, &pass));
    assert_eq!(said.ids.device(), device);
    let reading = Batch {
        target_in: said,
        ..batch.clone()
    };
    let [sampled, read] = [
        loss(&batch, &pass),
        loss(&reading, &Pass::training(Key::new(1), 0)),
    ];
    assert_eq!(sampled.to_bits(), read.to_bits());
}

#[test]
fn several_steps_in_batches_stay_close_to_whole_ones() {
    let examples = examples();
    // Keys' biases have no gradient but rounding; a larger epsilon keeps Adam from making steps of it.
    let config = TrainConfig {
        epsilon: Some(1e-3),
        ..config()
    };
    let run = |parts: &[&[Example]]| {
        let mut trainer = trainer(0.2, config.clone());
        for _ in 0..5 {
            trainer = trainer.update(&batches(parts)).unwrap().0;
        }
        parameters(trainer.model())
    };
    let difference =
        largest_difference(&run(&[&examples]), &run(&[&examples[..3], &examples[3..]]));
    assert!(difference < 1e-5, "{difference}");
}

/// The moments as a file holds them.
pub(crate) fn saved(optimizer: &Optimizer) -> Vec<NamedTensor> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("optimizer.safetensors");
    optimizer.save(&path).unwrap();
    tensors(&path)
}

fn tensors(path: &Path) -> Vec<NamedTensor> {
    let bytes = std::fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut names = file.names();
    names.sort_unstable();
    let tensor = |name: &str| {
        let view = file.tensor(name).unwrap();
        NamedTensor {
            name: name.into(),
            shape: view.shape().to_vec(),
            values: view
                .data()
                .chunks_exact(4)
                .map(|quad| f32::from_le_bytes(quad.try_into().unwrap()))
                .collect(),
        }
    };
    names.into_iter().map(tensor).collect()
}

#[test]
fn moments_survive_saving_and_loading() {
    let directory = tempfile::tempdir().unwrap();
    let (trainer, _) = trainer(0.1, config())
        .update(&batches(&[&examples()]))
        .unwrap();
    let (first, second) = (
        directory.path().join("first"),
        directory.path().join("second"),
    );
    trainer.optimizer().save(&first).unwrap();
    let loaded = Optimizer::load(config().optimizer(), trainer.model(), &first).unwrap();
    loaded.save(&second).unwrap();
    assert!(std::fs::read(&first).unwrap() == std::fs::read(&second).unwrap());
    let names: Vec<String> = tensors(&first)
        .into_iter()
        .map(|tensor| tensor.name)
        .collect();
    let expected = parameters(trainer.model()).len();
    assert_eq!(names.len(), 2 * expected, "two moments for each parameter");
    assert!(
        names.contains(&"target_embedding.weight.first_moment".into()),
        "{names:?}"
    );
}

#[test]
fn the_gradient_is_clipped_as_a_whole() {
    let moments = |clip_norm: f64| {
        let (trainer, outcome) = trainer(
            0.0,
            TrainConfig {
                clip_norm,
                ..config()
            },
        )
        .update(&batches(&[&examples()]))
        .unwrap();
        // The first moment is a tenth of the clipped gradient.
        let squares = saved(trainer.optimizer())
            .into_iter()
            .filter(|tensor| tensor.name.ends_with(".first_moment"))
            .flat_map(|tensor| tensor.values)
            .map(|value| (10.0 * f64::from(value)).powi(2));
        (squares.sum::<f64>().sqrt(), outcome.gradient_norm)
    };
    let (loose, norm) = moments(1e9);
    assert!((loose - norm).abs() < 1e-4, "{loose} and {norm}");
    let (tight, same) = moments(0.01);
    assert!((tight - 0.01).abs() < 1e-6, "{tight}");
    assert!(
        (same - norm).abs() < 1e-12,
        "the norm reported is that before clipping"
    );
}

#[test]
fn what_is_no_number_stops_before_the_update_and_names_its_batch() {
    let examples = examples();
    let wild = TrainConfig {
        learning_rate: Some(1e30),
        warmup: 0,
        ..config()
    };
    let parts = batches(&[&examples[..4], &examples[4..]]);
    let (trainer, _) = trainer(0.0, wild).update(&parts).unwrap();
    let error = trainer.update(&parts).unwrap_err();
    assert!(
        matches!(
            error,
            TrainError::NotFinite {
                step: 2,
                batch: 1,
                ..
            }
        ),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("train.learning_rate"));
}

/// The parts of `examples` cut at `cuts`, each for the next replica; an empty one is left out.
fn shares(examples: &[Example], cuts: &[usize]) -> Vec<Part<Batch>> {
    let begins = std::iter::once(0).chain(cuts.iter().copied());
    let ends = cuts.iter().copied().chain([examples.len()]);
    let mut parts = Vec::new();
    for (replica, (begin, end)) in begins.zip(ends).enumerate() {
        if begin < end {
            let part = batches(&[&examples[begin..end]]).remove(0);
            parts.push(Part { replica, ..part });
        }
    }
    parts
}

#[test]
fn replicas_change_nothing_but_rounding() {
    let examples = examples();
    let last = examples.len();
    for dropout in [0.0, 0.3] {
        let steps = |cuts: &[usize]| {
            let copies = vec![crate::device().autodiff(); cuts.len()];
            let mut trainer = trainer(dropout, config()).with_copies(&copies);
            let mut outcomes = Vec::new();
            for _ in 0..3 {
                let (updated, outcome) = trainer.update(&shares(&examples, cuts)).unwrap();
                outcomes.push(outcome);
                trainer = updated;
            }
            (saved(trainer.optimizer()), outcomes)
        };
        let (alone, expected) = steps(&[]);
        // Two and three replicas; shares as equal as rows allow, unequal ones, and some without a token.
        for cuts in [&[4][..], &[1], &[last], &[0], &[2, 5], &[1, 1], &[0, 3]] {
            let (moments, outcomes) = steps(cuts);
            for (one, other) in expected.iter().zip(&outcomes) {
                assert_eq!((one.tokens, one.step), (other.tokens, other.step));
                let close = |a: f64, b: f64| (a - b).abs() < 1e-5 * a;
                assert!(
                    close(one.nats, other.nats) && close(one.gradient_norm, other.gradient_norm),
                    "dropout {dropout}, cut at {cuts:?}: {one:?} and {other:?}"
                );
            }
            let difference = largest_difference(&alone, &moments);
            assert!(
                difference < 1e-6,
                "dropout {dropout}, cut at {cuts:?}: moments differ by {difference}"
            );
        }
    }
}

/// Products of bf16 keep 8 bits of each number; what comes of them stays near what f32 gives, and what is kept is f32.
#[test]
fn bf16_learns_what_f32_does() {
    if !crate::device().supports_dtype(burn::tensor::DType::BF16) {
        return;
    }
    let batches = batches(&[&examples()]);
    let losses = |precision| {
        let config = TrainConfig {
            precision,
            ..config()
        };
        let mut trainer = trainer(0.0, config);
        let mut losses = Vec::new();
        for _ in 0..60 {
            let (updated, outcome) = trainer.update(&batches).unwrap();
            losses.push(outcome.nats / outcome.tokens as f64);
            trainer = updated;
        }
        losses
    };
    let (full, half) = (losses(Precision::F32), losses(Precision::Bf16));
    assert_ne!(full, half, "nothing was computed in bf16");
    assert!(
        (full[0] - half[0]).abs() < 0.01 * full[0],
        "{} and {}",
        full[0],
        half[0]
    );
    let (first, last) = (half[0], half[59]);
    assert!(
        last < 0.7 * first,
        "from {first} to {last}, f32 to {}",
        full[59]
    );
    assert!(
        (last - full[59]).abs() < 0.1 * first,
        "{last}, f32 {}",
        full[59]
    );
}
