#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod bench;
mod checkpoint;
mod config;
mod data;
mod error;
mod events;
mod feed;
mod log;
mod objective;
mod optimizer;
mod run;
mod samples;
mod sampling;
mod schedule;
mod seeing;
mod step;
mod validation;
mod warnings;

pub use bench::{BenchPadding, Profile, TrainBench, TrainSpeed, bench_train};
pub use config::{RunConfig, TrainConfig, set_key};
pub use data::{Corpora, prepare_corpora};
pub use error::TrainError;
pub use log::{Progress, Report, TrainingCost};
pub use objective::{Objective, TeacherForcing};
pub use optimizer::{Adam, AdamConfig};
pub use run::{Outcome, TrainOptions, train};
pub use sampling::{SamplingConstants, SamplingDecay};
pub use schedule::Schedule;
pub use step::{StepOutcome, Trainer};
pub use validation::Validation;
pub use warnings::{LossWatch, Said, Warning, collapse, idle_validation};
