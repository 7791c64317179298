//! The program as its users meet it: real processes on real files, with models so small that training takes no time.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod aligning;
mod backends;
mod choices;
mod commands;
mod compare;
mod configuration;
mod corpora;
mod engine;
mod importing;
mod packing;
mod resuming;
mod scan;
mod searching;
mod seeing;
mod support;
mod threads;
mod training;
mod translating;
mod using;
mod workers;
