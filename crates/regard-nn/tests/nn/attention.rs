//! The kinds of attention: each is held to the laws of all, and to what is its own.

mod additive;
mod beams;
mod empty;
mod graph;
mod hard;
mod hopfield;
mod linear_attention;
mod local;
mod memory;
mod multi_head;
mod multiplicative;
mod normalizers;
mod pooling;
mod scores;
mod types;
mod window;
