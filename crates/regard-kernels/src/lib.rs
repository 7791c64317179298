#![doc = include_str!("../README.md")]
//!
//! # Dimensions
//!
//! B batch, S source (key) length, T target (query) length, D model width, H heads, K width per head, V vocabulary,
//! N rows of an activation matrix: `B * T` where padding is carried along, the sum of the lengths where it is not.
#![deny(unsafe_code)]
#![expect(
    clippy::needless_pass_by_value,
    reason = "operations consume tensors, as burn's do: memory without another handle is used again"
)]
#![expect(
    clippy::cast_possible_truncation,
    reason = "constants come as f64 and meet f32 data; counts and shares are far below their types' limits"
)]

mod activation;
mod attention;
mod choice;
mod devices;
mod dropout;
#[cfg(feature = "flex")]
mod flex;
mod graph;
mod heads;
mod linear;
mod loss;
mod mask;
#[cfg(feature = "mimalloc")]
mod memory;
mod noise;
mod norm;
mod normalizer;
mod optimizer;
mod precision;
mod product;
mod profile;
mod r_drop;
mod random;
mod recompute;
mod recurrence;
mod replicas;
mod rows;
mod scattered;
mod sequences;
mod step;

pub use activation::{Gate, gated, gelu, gelu_tanh, maxout, silu};
pub use attention::{
    AttentionOptions, AttentionOutput, attention, attention_from_scores, attention_from_weights,
    attention_weights, cross_attention, self_attention,
};
pub use choice::{k_most_probable, log_probabilities_at, most_probable};
pub use devices::{
    Backend, DeviceError, FoundDevice, device, device_of_environment, devices, found_devices,
    is_gpu,
};
pub use dropout::{Draws, DropoutRow, RowDropout, dropout, dropout_rows};
pub use graph::Graph;
pub use heads::{join_heads, key_heads, split_heads};
pub use linear::{embedding, linear, linear_add, linear_relu};
pub use loss::{CrossEntropy, linear_cross_entropy};
pub use mask::{AttentionMask, BLOCKED, Window};
#[cfg(feature = "mimalloc")]
pub use memory::keep_freed_memory;
pub use noise::gumbel;
pub use norm::{layer_norm, rms_norm};
pub use normalizer::Normalizer;
pub use optimizer::{
    AdafactorStep, AdamStep, LionStep, SecondMoment, SgdStep, adafactor, adafactor_on_device, adam,
    adam_on_device, lion, lion_on_device, moving_average, sgd, sgd_on_device, sum_of_squares,
};
pub use product::product;
pub use profile::{Profiled, finish_profile, profiled, start_profile};
pub use r_drop::linear_r_drop;
pub use random::Key;
pub use recompute::{Input, Inputs, TensorMap, recompute};
pub use recurrence::{
    AdditiveWeights, AttendedMemory, AttentiveStates, Direction, RecurrentCell, RecurrentWeights,
    attentive_recurrence, recurrence,
};
pub use replicas::sum_over_replicas;
pub use rows::{cut_rows, pack_rows, unpack_rows};
pub use scattered::{Origins, scattered_attention};
pub use sequences::Sequences;
pub use step::write_positions;

/// Where the tests compute, but those of operations of one backend.
#[cfg(test)]
fn test_device() -> burn::tensor::Device {
    device_of_environment().unwrap()
}
