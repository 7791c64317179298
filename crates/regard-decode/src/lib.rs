#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

/// A page whose code is compiled with that of the documentation.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/decoding.md")]
struct Page;

mod average;
mod bench;
mod bundle;
mod config;
mod error;
mod files;
mod import;
mod pack;
mod profile;
mod run;
mod search;
mod section;
mod translator;
mod weights;

pub use average::average;
pub use bench::{DecodeBench, DecodeProfile, DecodeSpeed, bench_decode, peak_memory_mib};
pub use bundle::{Bundle, Checkpoint, load_tokenizers};
pub use config::{BundleConfig, DecodeConfig, SearchKind, Utility, check_format, read_model};
pub use error::DecodeError;
pub use files::{check_writable, write_atomically};
pub use import::{check_import, import_run, import_weights};
pub use pack::{PACK_FORMAT, Pack};
pub use profile::{ProfileLine, profile_lines};
pub use run::{FORMAT, RunDirectory};
pub use search::{
    BeamOptions, Diversity, Ensemble, Hypothesis, LengthForm, LengthPenalty, Request, Rules,
    SampleOptions, Steps, TargetLength, beam_search, greedy, sample, sample_distinct,
};
pub use section::{Problems, check_sections, parse, read_section, section_keys};
pub use translator::{
    Alignment, Likelihood, NBest, TextHypothesis, TextRequest, TokenStream, Translation,
    Translator, WordLinks, most_attended,
};
pub use weights::{
    NamedTensor, ParameterPath, TensorFile, load_parameters, parameters, write_tensors,
};
