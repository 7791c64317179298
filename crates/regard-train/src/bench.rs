//! The speed of a training step, on made-up batches of one shape.

use std::time::Instant;

use burn::module::Module;
use burn::tensor::Device;
use regard_decode::peak_memory_mib;
use regard_nn::{Batch, Init, Key, ModelConfig, Source, TargetRows};
use serde::Serialize;

use crate::{Adam, TeacherForcing, TrainConfig, TrainError, Trainer};

/// Shape of the benchmark's batches and number of its steps.
#[derive(Clone, Copy, Debug)]
pub struct TrainBench {
    /// Classes V.
    pub vocabulary: usize,
    /// Rows B.
    pub batch: usize,
    /// Padded source length S; the last eighth of every row is padding.
    pub source_length: usize,
    /// Target length T; nothing is padded.
    pub target_length: usize,
    /// Steps that are timed, after two that are not.
    pub steps: usize,
}

/// What the benchmark measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct TrainSpeed {
    /// Median.
    pub seconds_per_step: f64,
    /// Real target tokens per second, at the median.
    pub target_tokens_per_second: f64,
    /// Number of parameters.
    pub parameters: usize,
    /// High-water resident memory; absent where the system does not tell.
    pub peak_memory_mib: Option<f64>,
}

/// Times updates of a model: forward, backward, clip, Adam.
///
/// # Errors
///
/// [`TrainError::NotFinite`] if the model diverges on random ids.
pub fn bench_train(
    model: &ModelConfig,
    bench: &TrainBench,
    seed: u64,
    device: &Device,
) -> Result<TrainSpeed, TrainError> {
    let device = device.clone().autodiff();
    let config = TrainConfig {
        seed,
        ..TrainConfig::default()
    };
    let adam = Adam::new(config.adam());
    let objective = TeacherForcing {
        smoothing: config.label_smoothing,
    };
    let model = model.init(
        bench.vocabulary,
        bench.vocabulary,
        &Init::new(seed, &device),
    );
    let parameters = model.num_params();
    let mut trainer = Trainer::new(objective, config, model, adam, 0);

    let mut seconds = Vec::new();
    let warm_up = 2;
    for step in 0..warm_up + bench.steps {
        let batch = random_batch(bench, Key::new(seed).at("bench").nth(step as u64), &device);
        let begun = Instant::now();
        trainer = trainer.update(&[(batch, bench.batch)])?.0;
        if step >= warm_up {
            seconds.push(begun.elapsed().as_secs_f64());
        }
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    Ok(TrainSpeed {
        seconds_per_step: median,
        target_tokens_per_second: (bench.batch * bench.target_length) as f64 / median,
        parameters,
        peak_memory_mib: peak_memory_mib(),
    })
}

fn random_batch(bench: &TrainBench, key: Key, device: &Device) -> Batch {
    let ids = |name: &str, length: usize| -> Vec<u32> {
        let key = key.at(name);
        let vocabulary = bench.vocabulary as u64;
        (0..(bench.batch * length) as u64)
            .map(|i| {
                u32::try_from(key.bits(i) % vocabulary)
                    .expect("a vocabulary has fewer than 2^32 tokens")
            })
            .collect()
    };
    let real = bench.source_length - bench.source_length / 8;
    let source = ids("source", bench.source_length);
    let (input, output) = (
        ids("input", bench.target_length),
        ids("output", bench.target_length),
    );
    Batch::new(
        Source::new(&source, &vec![real; bench.batch], device),
        TargetRows {
            input: &input,
            output: &output,
            lengths: &vec![bench.target_length; bench.batch],
        },
        device,
    )
}
