#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

pub mod alignment;
pub mod bleu;
pub mod bootstrap;
pub mod chrf;
pub mod compare;
pub mod curves;
mod drawing;
mod error;
pub mod error_rate;
pub mod exact;
pub mod metric;
mod ngram;
pub mod references;
pub mod significance;
mod space;
pub mod svg;
pub mod ter;
pub mod terminal;
mod western;

pub use error::EvalError;
