//! The speed of search, with random weights and a forced length.

use std::time::Instant;

use burn::tensor::Device;
use regard_nn::{Init, Key, Model, ModelConfig, Tokens};
use regard_text::SpecialIds;
use serde::Serialize;

use crate::{TargetLength, greedy};

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
    /// Runs that are timed, after one that is not.
    pub runs: usize,
}

/// What the benchmark measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct DecodeSpeed {
    /// Tokens of the hypotheses per second, encoding included, at the median run.
    pub target_tokens_per_second: f64,
    /// Sentences per second, at the median run.
    pub sentences_per_second: f64,
    /// High-water resident memory; absent where the system does not tell.
    pub peak_memory_mib: Option<f64>,
}

/// Times greedy search.
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
    let lengths = vec![
        TargetLength {
            least: bench.target_length,
            most: bench.target_length,
        };
        bench.batch
    ];
    let mut seconds = Vec::new();
    for run in 0..=bench.runs {
        let begun = Instant::now();
        let hypotheses = match &model {
            Model::Transformer(model) => greedy(model, &source, &lengths, SpecialIds::default()),
        };
        let elapsed = begun.elapsed().as_secs_f64();
        assert!(
            hypotheses
                .iter()
                .all(|hypothesis| hypothesis.ids.len() == bench.target_length),
            "search keeps the forced length"
        );
        if run > 0 {
            seconds.push(elapsed);
        }
    }
    seconds.sort_by(f64::total_cmp);
    let median = seconds[seconds.len() / 2];
    DecodeSpeed {
        target_tokens_per_second: (bench.batch * bench.target_length) as f64 / median,
        sentences_per_second: bench.batch as f64 / median,
        peak_memory_mib: peak_memory_mib(),
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
