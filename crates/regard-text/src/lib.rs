//! From text to padded batches of token ids: configuration, corpora, tokenizers, batches and toy
//! tasks.
//!
//! The way of the data, each stage with one owner:
//!
//! | stage | value | module |
//! |-------|-------|--------|
//! | lines of two files, a TSV or JSON lines | [`corpus::Pair`] | [`corpus`] |
//! | normalise, split, look up | ids, `u32` | [`tokenizer`] |
//! | drop or cut what is too long | [`corpus::Example`] | [`corpus`] |
//! | keep on disk, read by position | [`store::ExampleStore`] | [`store`] |
//! | bucket by length, cut by a token budget | [`batch::plan_epoch`] | [`batch`] |
//! | pad, shift | [`batch::HostBatch`] | [`batch`] |
//!
//! No tensor and no model is known here: a batch is plain rows of ids with their lengths. Whoever
//! has a device moves them there.
#![forbid(unsafe_code)]

pub mod batch;
pub mod corpus;
pub mod data;
pub mod store;
pub mod tokenizer;
pub mod toy;

mod digest;
mod error;
mod special;

pub use data::{CorpusFiles, DataConfig, LongLines, Paths};
pub use digest::digest;
pub use error::TextError;
pub use special::SpecialIds;
pub use tokenizer::{
    Spaces, Tokenizer, TokenizerConfig, TokenizerKind, TokenizerTrainer, Tokenizers,
};
