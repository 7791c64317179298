//! Time and peak memory of attention against length, as Markdown tables.
//!
//! ```text
//! cargo bench --workspace --bench attention [-- --max-length 8192]
//! ```
#![expect(clippy::print_stdout, reason = "the tables are the result")]

use std::hint::black_box;
use std::time::Instant;

use burn::tensor::{Device, Tensor, TensorData};
use peak_alloc::PeakAlloc;
use regard_nn::{
    AttentionMask, AttentionOptions, Key, LinearAttentionOptions, attention, linear_attention,
    sliding_window_attention,
};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// Width K of the one head of the one row.
const WIDTH: usize = 64;
const SHORTEST: usize = 128;
/// Counted runs, behind one that is not.
const RUNS: usize = 5;

/// Context `[1, T, K]` of queries, keys and values `[1, T, K]`.
type Attention = fn([Tensor<3>; 3]) -> Tensor<3>;

const KINDS: [(&str, Attention); 7] = [
    ("full", |qkv| full(qkv, AttentionMask::none())),
    ("full, causal", |qkv| full(qkv, AttentionMask::causal())),
    ("full, mask 64 before", |qkv| {
        full(qkv, AttentionMask::window(64, 0))
    }),
    ("window, 64 before", |qkv| windowed(qkv, 64, 0)),
    ("window, 32 before, 32 behind", |qkv| windowed(qkv, 32, 32)),
    ("linear", |qkv| linear(qkv, AttentionMask::none())),
    ("linear, causal", |qkv| linear(qkv, AttentionMask::causal())),
];

fn full([query, key, value]: [Tensor<3>; 3], mask: AttentionMask) -> Tensor<3> {
    let options = AttentionOptions {
        mask,
        ..AttentionOptions::new(1)
    };
    attention(query, key, value, options).context
}

fn windowed([query, key, value]: [Tensor<3>; 3], before: usize, after: usize) -> Tensor<3> {
    let options = AttentionOptions {
        mask: AttentionMask::window(before, after),
        ..AttentionOptions::new(1)
    };
    sliding_window_attention(query, key, value, options).context
}

fn linear([query, key, value]: [Tensor<3>; 3], mask: AttentionMask) -> Tensor<3> {
    let options = LinearAttentionOptions {
        mask,
        ..LinearAttentionOptions::new(1)
    };
    linear_attention(query, key, value, &options).context
}

/// Forward alone, or forward and backward.
fn run(attend: Attention, qkv: &[Tensor<3>; 3], backward: bool) {
    let context = attend(qkv.clone());
    if backward {
        black_box(context.sum().backward());
    } else {
        black_box(context);
    }
}

/// Medians of the time in milliseconds and of the most memory in MiB, operands not counted.
fn measure(attend: Attention, length: usize, backward: bool) -> [f64; 2] {
    let device = Device::flex();
    let device = if backward { device.autodiff() } else { device };
    let qkv = ["query", "key", "value"].map(|name| {
        let key = Key::new(1).at(name);
        let values = (0..length * WIDTH).map(|i| key.normal(i as u64));
        let values = TensorData::new(values.collect::<Vec<f64>>(), [1, length, WIDTH]);
        Tensor::<3>::from_floats(values, &device).set_require_grad(backward)
    });
    run(attend, &qkv, backward);
    let mut runs = [0; RUNS].map(|_| {
        let before = ALLOCATED.current_usage();
        ALLOCATED.reset_peak_usage();
        let start = Instant::now();
        run(attend, &qkv, backward);
        let milliseconds = start.elapsed().as_secs_f64() * 1e3;
        let peak = ALLOCATED.peak_usage() - before;
        [milliseconds, peak as f64 / f64::from(1 << 20)]
    });
    [0, 1].map(|i| {
        runs.sort_by(|a, b| a[i].total_cmp(&b[i]));
        runs[RUNS / 2][i]
    })
}

/// The table of what [`measure`] gives: a row for each kind, and by which factor it grows at the end when the length doubles.
fn table(caption: &str, lengths: &[usize], rows: &[Vec<f64>]) {
    let line = |first: &str, cells: &[String]| println!("| {first} | {} |", cells.join(" | "));
    println!("{caption}\n");
    let with_growth = |cells: Vec<String>, growth: String| [cells, vec![growth]].concat();
    let header = lengths.iter().map(ToString::to_string).collect();
    line("T", &with_growth(header, "per doubling".into()));
    line("---", &vec!["---:".into(); lengths.len() + 1]);
    for ((kind, _), row) in KINDS.iter().zip(rows) {
        let last = &row[row.len().saturating_sub(3)..];
        let growth = (last[last.len() - 1] / last[0]).powf(1.0 / (last.len() - 1) as f64);
        let cells = row.iter().map(|value| format!("{value:.2}")).collect();
        line(kind, &with_growth(cells, format!("{growth:.1}")));
    }
    println!();
}

/// The length at which to stop; cargo gives `--bench` besides.
fn max_length() -> usize {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => 8192,
        ["--max-length", length] => length.parse().expect("a number behind --max-length"),
        _ => panic!("expected --max-length N, got {arguments:?}"),
    }
}

fn main() {
    let max_length = max_length();
    let lengths: Vec<usize> = std::iter::successors(Some(SHORTEST), |length| Some(2 * length))
        .take_while(|&length| length <= max_length)
        .collect();
    assert!(
        lengths.len() > 1,
        "expected a --max-length of {} or more",
        2 * SHORTEST
    );
    for (backward, what) in [(false, "Forward"), (true, "Forward and backward")] {
        let rows = KINDS.map(|(_, attend)| -> [Vec<f64>; 2] {
            let measured = lengths
                .iter()
                .map(|&length| measure(attend, length, backward));
            let measured: Vec<[f64; 2]> = measured.collect();
            [0, 1].map(|i| measured.iter().map(|values| values[i]).collect())
        });
        for (i, unit) in [
            (0, "milliseconds"),
            (1, "MiB at the peak, operands not counted"),
        ] {
            let rows = rows.each_ref().map(|row| row[i].clone());
            table(&format!("{what}, {unit}:"), &lengths, &rows);
        }
    }
}
