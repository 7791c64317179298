//! What every model and layer of the crate is held to: laws first, then PyTorch's numbers, then learning.

mod attention;
mod blocks;
mod case;
mod choices;
mod formula;
mod kinds;
mod laws;
mod layers;
mod learning;
mod parity;
mod parts;
mod positions;
mod refusals;
mod rnn;
mod rnn_parity;
mod sampling;
mod sentences;
mod transformer;

/// Where the tests compute: on what the environment variable `REGARD_DEVICE` names.
fn device() -> burn::tensor::Device {
    regard_kernels::device_of_environment().expect("`REGARD_DEVICE` names a device")
}
