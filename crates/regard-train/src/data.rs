//! From files to examples and batches.

use burn::tensor::Device;
use regard_nn::{Batch, TargetRows, Tokens};
use regard_text::batch::HostBatch;
use regard_text::corpus::{Example, Pair, ReadReport, encode_pairs};
use regard_text::toy::Split;
use regard_text::{DataConfig, Tokenizers};

use crate::TrainError;

/// The corpora of a run as token ids.
#[derive(Debug)]
pub struct Corpora {
    /// How text became ids.
    pub tokenizers: Tokenizers,
    /// To train on.
    pub train: Vec<Example>,
    /// What became of its lines.
    pub train_report: ReadReport,
    /// To validate on; empty where there is none.
    pub valid: Vec<Example>,
    /// The same as text, none left out but those with an empty side.
    pub valid_pairs: Vec<Pair>,
    /// What became of its lines.
    pub valid_report: ReadReport,
    /// Pairs to report on at the end. They are counted, not kept.
    pub test_pairs: usize,
}

/// Reads and encodes the corpora; `tokenizers` makes or loads the tokenizers, given the training pairs.
///
/// # Errors
///
/// If a file is at fault, or no training pair is left.
pub fn prepare_corpora(
    data: &DataConfig,
    tokenizers: impl FnOnce(&[Pair]) -> Result<Tokenizers, TrainError>,
) -> Result<Corpora, TrainError> {
    let (pairs, read) = data.read(Split::Train)?.unwrap_or_default();
    let tokenizers = tokenizers(&pairs)?;
    let (train, encoded) = encode_pairs(&tokenizers, &pairs, data);
    let train_report = read.then(encoded);
    if train.is_empty() {
        return Err(TrainError::NothingToTrain {
            read: train_report.read,
            dropped: train_report.read - train_report.kept(),
        });
    }
    let (pairs, read) = data.read(Split::Valid)?.unwrap_or_default();
    let (valid, encoded) = encode_pairs(&tokenizers, &pairs, data);
    // Read for the sake of its errors: they are to come before the first step, not after the last.
    let (test, _) = data.read(Split::Test)?.unwrap_or_default();
    Ok(Corpora {
        tokenizers,
        train,
        train_report,
        valid,
        valid_pairs: pairs,
        valid_report: read.then(encoded),
        test_pairs: test.len(),
    })
}

/// A digest of examples and their order, over lengths and ids.
pub(crate) fn digest(examples: &[Example]) -> String {
    let sides = examples
        .iter()
        .flat_map(|example| [&example.source, &example.target]);
    let numbers = sides.flat_map(|side| {
        let ids = side.iter().map(|&id| u64::from(id));
        std::iter::once(side.len() as u64).chain(ids)
    });
    regard_text::digest(numbers.flat_map(u64::to_le_bytes))
}

/// Moves a host batch to the device.
pub(crate) fn device_batch(batch: &HostBatch, device: &Device) -> Batch {
    let source = Tokens::new(&batch.source.ids, &batch.source.lengths, device);
    let target = TargetRows {
        input: &batch.target_in,
        output: &batch.target_out,
        lengths: &batch.target_lengths,
    };
    Batch::new(source, target, device)
}
