//! The laws of training, and the page that documents its configuration.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod configurations;
mod groups;
mod optimizers;
mod reference;
mod run;
mod schedules;
mod update;

/// Where the tests compute: on what the environment variable `REGARD_DEVICE` names.
fn device() -> burn::tensor::Device {
    regard_kernels::device_of_environment().expect("`REGARD_DEVICE` names a device")
}
