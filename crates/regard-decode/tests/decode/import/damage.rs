//! Damaged checkpoints: an error, or, where the damage is to what nobody reads, the weights; never a panic.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use regard_decode::{DecodeError, NamedTensor};

use super::{fixture, import_map};

/// The map in a file of these bytes.
fn import(directory: &Path, bytes: &[u8]) -> Result<Vec<NamedTensor>, DecodeError> {
    let path = directory.join("model.pt");
    fs::write(&path, bytes).unwrap();
    import_map(path)
}

#[test]
fn a_file_that_is_cut_off_anywhere_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = fs::read(fixture("map-plain.pt")).unwrap();
    for length in 0..bytes.len() {
        let error = import(directory.path(), &bytes[..length]).unwrap_err();
        assert!(
            matches!(error, DecodeError::Checkpoint { .. }),
            "{length}: {error}"
        );
    }
}

#[test]
fn a_bit_that_turned_is_found_wherever_it_matters() {
    let directory = tempfile::tempdir().unwrap();
    let bytes = fs::read(fixture("map-plain.pt")).unwrap();
    let whole = import(directory.path(), &bytes).unwrap();
    let mut refused = 0;
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 1 << (at % 8);
        match import(directory.path(), &damaged) {
            Ok(got) => assert_eq!(got, whole, "byte {at}"),
            Err(_) => refused += 1,
        }
    }
    // At least every byte of the pickle and of the numbers.
    assert!(refused >= 290 + 9 * 4, "{refused} of {} bytes", bytes.len());
}

#[test]
fn a_checksum_that_is_wrong_names_what_it_belongs_to() {
    let directory = tempfile::tempdir().unwrap();
    let mut bytes = fs::read(fixture("map-plain.pt")).unwrap();
    let number = 0.920_217_5_f32.to_le_bytes(); // the first of the bias
    let at = bytes
        .windows(4)
        .position(|window| window == number)
        .unwrap();
    bytes[at] ^= 1;
    let error = import(directory.path(), &bytes).unwrap_err().to_string();
    assert!(
        error.ends_with("the checksum of `map-plain/data/1` is wrong"),
        "{error}"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    // Without checksums, damage reaches the pickle's machine and the tensors.
    #[test]
    fn damage_is_an_error_or_harmless(
        form in prop::sample::select(vec!["no-checksums", "plain", "module"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        near in 0_usize..3,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut bytes = fs::read(fixture(&format!("map-{form}.pt"))).unwrap();
        // Most of the file is padding: two thirds of the changes go to the pickle, or to the end.
        let range = match near {
            0 => 0..bytes.len(),
            1 => 60..380,
            _ => bytes.len() - 700..bytes.len(),
        };
        for (at, byte) in changes {
            let at = range.start + at.index(range.len());
            bytes[at] = byte;
        }
        if let Err(error) = import(directory.path(), &bytes) {
            prop_assert!(!error.to_string().is_empty());
        }
    }

    #[test]
    fn bytes_that_are_moved_about_are_an_error_or_harmless(
        from in any::<prop::sample::Index>(),
        to in any::<prop::sample::Index>(),
        length in 1_usize..200,
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut bytes = fs::read(fixture("map-no-checksums.pt")).unwrap();
        let from = from.index(bytes.len());
        let piece = bytes[from..bytes.len().min(from + length)].to_vec();
        let to = to.index(bytes.len());
        bytes.splice(to..to, piece);
        if let Err(error) = import(directory.path(), &bytes) {
            prop_assert!(!error.to_string().is_empty());
        }
    }
}
