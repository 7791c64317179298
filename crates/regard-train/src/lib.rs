#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod bench;
mod checkpoint;
mod config;
mod data;
mod ema;
mod error;
mod events;
mod feed;
mod learner;
mod log;
mod objective;
mod optimizer;
mod replicas;
mod run;
mod samples;
mod sampling;
mod schedule;
mod seeing;
mod session;
mod step;
mod validation;
mod vectors;
mod warnings;

pub use bench::{BenchPadding, Profile, TrainBench, TrainSpeed, bench_train};
pub use config::{Recompute, RunConfig, TrainConfig, set_key};
pub use data::{Corpora, prepare_corpora};
pub use ema::MovingAverage;
pub use error::TrainError;
pub use log::{Progress, Report, TrainingCost};
pub use objective::{Objective, TeacherForcing};
pub use optimizer::{Optimizer, OptimizerConfig, OptimizerKind, ParameterGroup, UpdateRule};
pub use replicas::Part;
pub use run::{Outcome, TrainOptions, measure_memory, train};
pub use sampling::{SamplingConstants, SamplingDecay};
pub use schedule::{DecayShape, Plateau, RateConstants, Schedule};
pub use step::{PendingOutcome, StepOutcome, Trainer};
pub use validation::{Best, Validation, best_steps, last_steps};
pub use warnings::{LossWatch, Said, Warning, collapse, idle_validation};
