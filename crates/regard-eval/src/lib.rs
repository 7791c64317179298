#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod bleu;
mod error;
pub mod exact;
pub mod terminal;

pub use error::EvalError;
