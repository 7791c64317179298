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

/// Uses `threads` cores, or all there are.
pub(crate) fn use_threads(threads: Option<usize>) -> Result<()> {
    if let Some(threads) = threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build_global()
            .with_context(|| format!("cannot use {threads} threads"))?;
    }
    Ok(())
}
