#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod bleu;
pub mod bootstrap;
pub mod chrf;
pub mod compare;
pub mod curves;
mod drawing;
mod error;
pub mod exact;
mod ngram;
mod space;
pub mod svg;
pub mod terminal;

pub use error::EvalError;
