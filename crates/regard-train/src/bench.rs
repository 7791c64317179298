//! The speed of a training step, on made-up batches of one shape.

use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use regard_decode::{ProfileLine, peak_memory_mib, profile_lines};
use regard_kernels::{Profiled, finish_profile, linear, start_profile};
use regard_nn::{Batch, Init, Key, ModelConfig, Precision, TargetRows, Tokens};
use serde::Serialize;

use crate::data::tokens;
use crate::run::check_precision;
use crate::{
    Optimizer, Part, PendingOutcome, Recompute, TeacherForcing, TrainConfig, TrainError, Trainer,
};

/// Shape of the benchmark's batches and number of its steps.
#[derive(Clone, Copy, Debug)]
pub struct TrainBench {
    /// Classes V.
    pub vocabulary: usize,
    /// Rows B.
    pub batch: usize,
    /// Padded source length S.
    pub source_length: usize,
    /// Padded target length T.
    pub target_length: usize,
    /// Real tokens of the shortest source and of the shortest target; the other rows are spread evenly up to S and T.
    /// Without it, the last eighth of every source is padding, and no target is padded.
    pub shortest: Option<usize>,
    /// What becomes of padding between attention calls.
    pub padding: BenchPadding,
    /// Which activations are computed again instead of kept.
    pub recompute: Recompute,
    /// Float type of activations and products.
    pub precision: Precision,
    /// Steps that are timed, after two that are not.
    pub steps: usize,
    /// Whether to tell where the time went.
    pub profile: bool,
}

/// What becomes of padding between attention calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BenchPadding {
    /// What training does: it is left out, on a GPU rounded up and computed.
    Skipped,
    /// It is multiplied like text.
    Computed,
}

impl TrainBench {
    /// Real tokens of each source and of each target.
    fn lengths(&self) -> [Vec<usize>; 2] {
        let Some(shortest) = self.shortest else {
            let real = self.source_length - self.source_length / 8;
            return [real, self.target_length].map(|length| vec![length; self.batch]);
        };
        [self.source_length, self.target_length].map(|longest| {
            let more = longest - shortest.min(longest);
            let last = (self.batch - 1).max(1);
            let spread = (0..self.batch).map(|row| longest - more * row / last);
            spread.collect()
        })
    }
}

/// What the benchmark measured.
#[derive(Clone, Debug, Serialize)]
pub struct TrainSpeed {
    /// Median.
    pub seconds_per_step: f64,
    /// Real target tokens per second, at the median.
    pub target_tokens_per_second: f64,
    /// Number of parameters.
    pub parameters: usize,
    /// High-water resident memory; absent where the system does not tell.
    pub peak_memory_mib: Option<f64>,
    /// Where the time went, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
}

/// Where the time of a step went.
#[derive(Clone, Debug, Serialize)]
pub struct Profile {
    /// Kinds of work, the longest first. Their times add up to the mean time of a step.
    pub lines: Vec<ProfileLine>,
    /// What matrix products of a step amount to, in 10^9 multiplications and additions.
    pub gflop: f64,
    /// 10^9 of them per second, within the step.
    pub gflop_per_second: f64,
    /// 10^9 of them per second in products of matrices of 1,024 x 1,024, measured right after the steps.
    pub best_gflop_per_second: f64,
}

/// Times updates of a model: forward, backward, clip, Adam.
///
/// # Errors
///
/// [`TrainError::NotFinite`] if the model diverges on random ids, [`TrainError::NoBf16`] if the device has no bf16.
pub fn bench_train(
    model: &ModelConfig,
    bench: &TrainBench,
    seed: u64,
    device: &Device,
) -> Result<TrainSpeed, TrainError> {
    check_precision(bench.precision, std::slice::from_ref(device))?;
    let device = device.clone().autodiff();
    let config = TrainConfig {
        seed,
        recompute: bench.recompute,
        precision: bench.precision,
        ..TrainConfig::default()
    };
    let optimizer = Optimizer::new(config.optimizer());
    let objective = TeacherForcing {
        smoothing: config.label_smoothing,
        r_drop: config.r_drop,
    };
    let model = model.init(
        bench.vocabulary,
        bench.vocabulary,
        &Init::new(seed, &device),
    );
    let parameters = model.num_params();
    let mut trainer = Trainer::new(objective, config, model, optimizer, 0);

    let mut seconds = Vec::new();
    let mut pending: Option<PendingOutcome> = None;
    let warm_up = 2;
    for step in 0..warm_up + bench.steps {
        if bench.profile && step == warm_up {
            start_profile();
        }
        let batch = random_batch(bench, Key::new(seed).at("bench").nth(step as u64), &device);
        let begun = Instant::now();
        let (updated, outcome) = trainer.begin_update(&[Part::new(batch, bench.batch)])?;
        trainer = updated;
        // A GPU has this step to compute while the one before is waited for.
        if let Some(earlier) = pending.replace(outcome) {
            earlier.read()?;
        }
        if step >= warm_up {
            seconds.push(begun.elapsed().as_secs_f64());
        }
    }
    if let Some(last) = pending {
        last.read()?;
    }
    let profile = bench.profile.then(|| profile(&seconds, &device));
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    Ok(TrainSpeed {
        seconds_per_step: median,
        target_tokens_per_second: bench.lengths()[1].iter().sum::<usize>() as f64 / median,
        parameters,
        peak_memory_mib: peak_memory_mib(),
        profile,
    })
}

/// What was measured over steps that took `seconds` each.
fn profile(seconds: &[f64], device: &Device) -> Profile {
    const PRODUCTS: &str = "matrix products";
    let measured = finish_profile();
    let lines = profile_lines(&measured, seconds.iter().sum(), seconds.len());
    let rate = |work: &Profiled| work.flop as f64 / 1e9 / work.time.as_secs_f64();
    let products = |measured: &[(&str, Profiled)]| {
        let found = measured.iter().find(|(name, _)| *name == PRODUCTS);
        found.map_or_else(Profiled::default, |&(_, products)| products)
    };
    let of_steps = products(&measured);
    let square = Tensor::<2>::ones([1024, 1024], &device.clone().without_autodiff());
    let best = (0..5).map(|_| {
        start_profile();
        linear(square.clone(), square.clone(), None);
        rate(&products(&finish_profile()))
    });
    Profile {
        lines,
        gflop: of_steps.flop as f64 / 1e9 / seconds.len() as f64,
        gflop_per_second: rate(&of_steps),
        best_gflop_per_second: best.fold(0.0, f64::max),
    }
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
    let [source_lengths, target_lengths] = bench.lengths();
    let source = ids("source", bench.source_length);
    let (input, output) = (
        ids("input", bench.target_length),
        ids("output", bench.target_length),
    );
    let tokens = |ids: &[u32], lengths: &[usize], device: &Device| match bench.padding {
        BenchPadding::Skipped => tokens(ids, lengths, None, device),
        BenchPadding::Computed => Tokens::padded(ids, lengths, device),
    };
    let target = TargetRows {
        input: &input,
        output: &output,
        lengths: &target_lengths,
    };
    let source = tokens(&source, &source_lengths, device);
    Batch {
        target_in: tokens(&input, &target_lengths, device),
        ..Batch::new(source, target, device)
    }
}
