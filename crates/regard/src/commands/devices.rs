//! `regard devices`

use std::process::ExitCode;

use anyhow::Result;
use regard_kernels::{Backend, FoundDevice, device, found_devices};
use serde::Serialize;

use crate::cli::DevicesOptions;
use crate::output::say;

/// A backend, and what it found.
#[derive(Serialize)]
struct Listed {
    backend: &'static str,
    compiled: bool,
    devices: Vec<Listing>,
    /// Why there is none, and what to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Serialize)]
struct Listing {
    name: String,
    part: String,
    memory_mib: Option<u64>,
    float_types: Vec<&'static str>,
}

pub(crate) fn run(options: &DevicesOptions) -> Result<ExitCode> {
    let found = found_devices();
    let listed = Backend::ALL.map(|backend| Listed {
        backend: backend.name(),
        compiled: backend.is_compiled(),
        devices: found
            .iter()
            .filter(|found| found.backend == backend)
            .map(part)
            .collect(),
        reason: device(backend.name()).err().map(|error| error.to_string()),
    });
    if options.json {
        say(&serde_json::to_string(&listed)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    for backend in &listed {
        for device in &backend.devices {
            say(&line(device))?;
        }
    }
    // What cannot be used comes behind what can.
    for reason in listed.iter().filter_map(|backend| backend.reason.as_ref()) {
        say(reason)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn part(found: &FoundDevice) -> Listing {
    Listing {
        name: found.name.clone(),
        part: found.part.clone(),
        memory_mib: found.memory.map(|bytes| bytes >> 20),
        float_types: found.float_types.clone(),
    }
}

fn line(device: &Listing) -> String {
    let memory = match device.memory_mib {
        Some(mib) => format!("{mib} MiB"),
        None => "memory not told".into(),
    };
    format!(
        "{:<10} {}; {memory}; {}",
        device.name,
        device.part,
        device.float_types.join(" ")
    )
}
