#![doc = include_str!("../README.md")]

pub mod bleu;
mod error;
pub mod exact;
pub mod terminal;

pub use error::EvalError;
