#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod bleu;
pub mod bootstrap;
pub mod chrf;
pub mod compare;
mod error;
pub mod exact;
mod ngram;
mod space;
pub mod terminal;

pub use error::EvalError;
