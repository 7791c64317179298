//! What a corpus of any size costs: time and memory of tokenizer, cache, plan and batches.
//!
//! `corpus_speed generate PAIRS FILE` writes synthetic pairs; `corpus_speed measure FILE DIRECTORY`
//! trains a tokenizer where the directory has none, opens the examples, plans an epoch and makes
//! batches; `filtered` does so without duplicates. `scripts/bench/corpus.sh` runs them, and the second
//! once more, as a restart does.

#![expect(clippy::print_stdout, reason = "a program that prints")]

use std::error::Error;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use regard_text::batch::{HostBatch, plan_epoch, worst_batch};
use regard_text::store::ExampleStore;
use regard_text::{CorpusFiles, DataConfig, SpecialIds, TokenizerConfig, Tokenizers};

/// Batches that are made, and padded tokens of each.
const BATCHES: usize = 200;
const BATCH_TOKENS: usize = 4096;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["generate", pairs, file] => generate(pairs.parse()?, Path::new(file)),
        ["measure", file, directory] => watched(|| measure(file, Path::new(directory), false)),
        ["filtered", file, directory] => watched(|| measure(file, Path::new(directory), true)),
        _ => {
            Err("usage: corpus_speed generate PAIRS FILE | measure|filtered FILE DIRECTORY".into())
        }
    }
}

/// Words by Zipf's law, 4 to 20 a side, the target in another alphabet.
fn generate(pairs: u64, path: &Path) -> Result<(), Box<dyn Error>> {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path)?);
    let mut state = 1;
    let mut words = [String::new(), String::new()];
    for _ in 0..pairs {
        words.iter_mut().for_each(String::clear);
        for i in 0..4 + draw(&mut state) % 17 {
            // Uniform in the logarithm: the word of rank r comes with a probability like 1 / r.
            let rank = (draw(&mut state) % 1_000_000) as f64 / 1e6 * 50_000_f64.ln();
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "below 50,000"
            )]
            let mut rest = rank.exp() as u64 * 2_654_435_761 % (1 << 32);
            for _ in 0..2 + rest % 5 {
                for (side, alphabet) in words.iter_mut().zip([b"ntrslkmp", b"dbgvfzjc"]) {
                    side.push(alphabet[(rest % 8) as usize].into());
                    side.push(b"aeiou"[(rest / 8 % 5) as usize].into());
                }
                rest = rest / 3 + 7;
            }
            let end = if i % 5 == 4 { ", " } else { " " };
            for side in &mut words {
                side.push_str(end);
            }
        }
        writeln!(out, "{}.\t{}.", words[0].trim_end(), words[1].trim_end())?;
    }
    Ok(out.flush()?)
}

/// `SplitMix64`.
fn draw(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let bits = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

fn measure(file: &str, directory: &Path, filtered: bool) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(directory)?;
    let start = Instant::now();
    let data = DataConfig {
        train: Some(CorpusFiles::tsv(file)),
        cache: directory.join("cache"),
        drop_duplicates: filtered,
        ..DataConfig::default()
    };
    let mut pairs = data.training_pairs()?;
    let config = TokenizerConfig {
        vocabulary: 8000,
        ..TokenizerConfig::default()
    };
    let tokenizers = if directory.join("tokenizer.json").exists() {
        Tokenizers::load(directory, &config)?
    } else {
        let trained = pairs.train_tokenizers(&config)?;
        trained.save(directory)?;
        trained
    };
    let tokenized = start.elapsed().as_secs_f64();
    println!("tokenizer: {tokenized:.2} s; {}", memory());

    let store = ExampleStore::open(&mut pairs, &tokenizers)?;
    let opened = start.elapsed().as_secs_f64() - tokenized;
    let count = store.report().read as f64;
    println!(
        "examples {:?}: {opened:.2} s, {:.0} pairs a minute; {}",
        store.origin(),
        count / opened * 60.0,
        memory()
    );

    let planning = Instant::now();
    let plan = plan_epoch(store.lengths(), BATCH_TOKENS, 1, 0);
    println!(
        "plan: {:.2} s for {} batches; {}",
        planning.elapsed().as_secs_f64(),
        plan.len(),
        memory()
    );

    let mut seconds = Vec::new();
    let special = SpecialIds::default();
    for indices in plan.iter().take(BATCHES) {
        let begun = Instant::now();
        let examples = store.read(indices)?;
        let rows: Vec<_> = examples.iter().collect();
        let batch = HostBatch::new(
            &rows,
            indices.iter().map(|&i| i as usize).collect(),
            special,
        );
        assert_eq!(batch.rows(), indices.len());
        if seconds.is_empty() {
            println!(
                "first batch: {:.2} s after the start",
                start.elapsed().as_secs_f64()
            );
        }
        seconds.push(begun.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    println!(
        "a batch: {:.3} ms (median); {}",
        1000.0 * seconds[seconds.len() / 2],
        memory()
    );

    let probing = Instant::now();
    let worst = worst_batch(store.lengths(), BATCH_TOKENS);
    println!(
        "worst batch: {:.2} s, {} rows",
        probing.elapsed().as_secs_f64(),
        worst.len()
    );
    Ok(())
}

/// Anonymous resident memory now, in MiB; 0 where the system does not tell.
fn anonymous() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    let kib = line.and_then(|line| {
        line.trim()
            .trim_end_matches("kB")
            .trim()
            .parse::<u64>()
            .ok()
    });
    kib.unwrap_or(0) / 1024
}

fn memory() -> String {
    format!("{} MiB anonymous", anonymous())
}

/// Runs `work` and tells the most anonymous memory seen meanwhile: the system keeps no high-water
/// mark of it.
fn watched(work: impl FnOnce() -> Result<(), Box<dyn Error>>) -> Result<(), Box<dyn Error>> {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watch = scope.spawn(|| {
            let mut most = 0;
            while !done.load(Ordering::Relaxed) {
                most = most.max(anonymous());
                std::thread::sleep(Duration::from_millis(5));
            }
            most
        });
        let result = work();
        done.store(true, Ordering::Relaxed);
        if let Ok(most) = watch.join() {
            println!("high water: {most} MiB anonymous");
        }
        result
    })
}
