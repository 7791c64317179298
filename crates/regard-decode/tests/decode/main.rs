//! The laws of search, and of the files of a run.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod asked;
mod beam;
mod distinct;
mod ensemble;
mod files;
mod hypotheses;
mod import;
mod linking;
mod markov;
mod options;
mod oracle;
mod pack;
mod requests;
mod sampling;
mod scoring;
mod search;
mod translating;

/// Where the tests compute: on what the environment variable `REGARD_DEVICE` names.
fn device() -> burn::tensor::Device {
    regard_kernels::device_of_environment().expect("`REGARD_DEVICE` names a device")
}
