//! The speed of search, with random weights and a forced length.

use std::time::Instant;

use burn::tensor::Device;
use regard_kernels::{Profiled, finish_profile, start_profile};
use regard_nn::{Init, Key, ModelConfig, Pass, Seq2Seq, Tokens, each_model};
use regard_text::SpecialIds;
use serde::Serialize;

use crate::search::beam_search_from;
use crate::{BeamOptions, ProfileLine, Request, TargetLength, beam_search, profile_lines};

/// Shape of the benchmark and number of its runs.
#[derive(Clone, Copy, Debug)]
pub struct DecodeBench {
    /// Tokens V.
    pub vocabulary: usize,
    /// Rows B.
    pub batch: usize,
    /// Source length S; nothing is padded.
    pub source_length: usize,
    /// Target tokens T that every hypothesis has.
    pub target_length: usize,
    /// Hypotheses of each sentence; 1 is greedy search.
    pub beam: usize,
    /// Runs that are timed, after one that is not.
    pub runs: usize,
    /// Whether to tell where the time of a step goes.
    pub profile: bool,
}

/// What the benchmark measured.
#[derive(Clone, Debug, Serialize)]
pub struct DecodeSpeed {
    /// Tokens of the best hypotheses per second, encoding included, at the median run.
    pub target_tokens_per_second: f64,
    /// Sentences per second, at the median run.
    pub sentences_per_second: f64,
    /// High-water resident memory; absent where the system does not tell.
    pub peak_memory_mib: Option<f64>,
    /// Where the time of a step goes, if asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<DecodeProfile>,
}

/// Where the time of a step goes: one token for each hypothesis, the encoder not counted.
#[derive(Clone, Debug, Serialize)]
pub struct DecodeProfile {
    /// Kinds of work, the longest first. Their times add up to the mean time of a step.
    pub lines: Vec<ProfileLine>,
    /// What matrix products of a step amount to, in 10^9 multiplications and additions.
    pub gflop: f64,
    /// 10^9 of them per second, within the step.
    pub gflop_per_second: f64,
    /// 10^9 bytes of weights that pass through them per second, if a product reads its weights once.
    pub weight_gigabytes_per_second: f64,
}

/// Times search.
///
/// # Panics
///
/// If the vocabulary has no room for the special ids.
pub fn bench_decode(
    model: &ModelConfig,
    bench: &DecodeBench,
    seed: u64,
    device: &Device,
) -> DecodeSpeed {
    let model = model.init(bench.vocabulary, bench.vocabulary, &Init::new(seed, device));
    let key = Key::new(seed).at("bench");
    let ids: Vec<u32> = (0..(bench.batch * bench.source_length) as u64)
        .map(|i| {
            u32::try_from(key.bits(i) % bench.vocabulary as u64)
                .expect("a vocabulary has fewer than 2^32 tokens")
        })
        .collect();
    let source = Tokens::new(&ids, &vec![bench.source_length; bench.batch], device);
    let length = TargetLength {
        least: bench.target_length,
        most: bench.target_length,
    };
    let requests = vec![Request::from(length); bench.batch];
    let special = SpecialIds::default();
    // All hypotheses have one length, so that no penalty changes their order.
    let options = BeamOptions {
        beam: bench.beam,
        ..BeamOptions::default()
    };
    let mut seconds = Vec::new();
    for run in 0..=bench.runs {
        let begun = Instant::now();
        let hypotheses = each_model!(&model, model => {
            beam_search(model, &source, &requests, special, &options)
        });
        let elapsed = begun.elapsed().as_secs_f64();
        assert!(
            hypotheses
                .iter()
                .all(|hypotheses| hypotheses[0].ids.len() == bench.target_length),
            "search keeps the forced length"
        );
        if run > 0 {
            seconds.push(elapsed);
        }
    }
    let profile = bench.profile.then(|| {
        each_model!(&model, model => {
            let memory = model.encode(&source, &Pass::evaluation());
            profile(bench, || {
                let how = (special, &options);
                beam_search_from(model, memory.clone(), &requests, how, device);
            })
        })
    });
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    DecodeSpeed {
        target_tokens_per_second: (bench.batch * bench.target_length) as f64 / median,
        sentences_per_second: bench.batch as f64 / median,
        peak_memory_mib: peak_memory_mib(),
        profile,
    }
}

/// What is measured while `search` takes all its steps, as often as the benchmark runs.
fn profile(bench: &DecodeBench, search: impl Fn()) -> DecodeProfile {
    start_profile();
    let begun = Instant::now();
    for _ in 0..bench.runs {
        search();
    }
    let seconds = begun.elapsed().as_secs_f64();
    let measured = finish_profile();
    let products = measured
        .iter()
        .find(|(name, _)| *name == "matrix products")
        .map_or_else(Profiled::default, |&(_, products)| products);
    let (steps, flop) = (bench.runs * bench.target_length, products.flop as f64);
    // A weight is four bytes, and takes part in a multiplication and an addition for each row.
    let weight_bytes = 4.0 * flop / (2 * bench.batch * bench.beam) as f64;
    let rate = |amount: f64| amount / 1e9 / products.time.as_secs_f64();
    DecodeProfile {
        lines: profile_lines(&measured, seconds, steps),
        gflop: flop / 1e9 / steps as f64,
        gflop_per_second: rate(flop),
        weight_gigabytes_per_second: rate(weight_bytes),
    }
}

/// High-water resident memory of this process in MiB, where the system tells.
pub fn peak_memory_mib() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kib / 1024.0)
}
