//! Weights of PyTorch: models that say what they said there, files that are refused, and files that are damaged.
//!
//! `scripts/parity/weights.py` wrote the files.

mod damage;
mod parity;
mod refusals;

use regard_decode::{DecodeError, NamedTensor, import_weights, parameters};
use regard_nn::{Init, Linear};
use std::path::PathBuf;

fn fixture(name: &str) -> PathBuf {
    let fixtures = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/weights");
    fixtures.join(name)
}

/// The map from two numbers to three of the files `map-NAME.pt`.
fn import_map(path: PathBuf) -> Result<Vec<NamedTensor>, DecodeError> {
    let map = Linear::new(2, 3, &Init::new(7, &crate::device()));
    import_weights(map, path).map(|map| parameters(&map))
}

fn problems(error: &DecodeError) -> &[String] {
    let (DecodeError::Foreign { problems, .. } | DecodeError::Mismatch { problems, .. }) = error
    else {
        panic!("{error}");
    };
    problems
}
