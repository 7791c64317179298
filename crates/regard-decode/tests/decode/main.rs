//! The laws of search, and of the files of a run.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod beam;
mod files;
mod hypotheses;
mod markov;
mod options;
mod pack;
mod scoring;
mod search;
mod translating;
