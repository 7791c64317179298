//! The one place where a name becomes a device.

use anyhow::{Context, Result, bail};
use burn::tensor::Device;

/// The names that `--device` knows, each with whether it was compiled in.
const DEVICES: [(&str, bool); 1] = [("flex", cfg!(feature = "flex"))];

/// The device of that name, without autodiff.
pub(crate) fn named(name: &str) -> Result<Device> {
    match name {
        #[cfg(feature = "flex")]
        "flex" => Ok(Device::flex()),
        _ if DEVICES.iter().any(|&(known, _)| known == name) => bail!(
            "device `{name}` was not compiled in; build with `cargo build --release --features {name}`"
        ),
        _ => {
            let compiled: Vec<&str> = DEVICES
                .iter()
                .filter(|(_, compiled)| *compiled)
                .map(|&(name, _)| name)
                .collect();
            bail!(
                "unknown device `{name}`; expected one of: {}",
                compiled.join(", ")
            )
        }
    }
}

/// Runs `f` on a pool of `threads` workers, or of as many as there are cores.
///
/// `f` itself runs on a worker: work that it divides then needs no hand-over between threads, which for operations of a
/// millisecond costs more than it seems.
pub(crate) fn on_threads<R: Send>(
    threads: Option<usize>,
    f: impl FnOnce() -> R + Send,
) -> Result<R> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.unwrap_or(0))
        .stack_size(STACK)
        .build()
        .with_context(|| match threads {
            Some(threads) => format!("cannot use {threads} threads"),
            None => "cannot start a thread for each core".into(),
        })?;
    Ok(pool.install(f))
}

/// That of a main thread.
const STACK: usize = 8 << 20;
