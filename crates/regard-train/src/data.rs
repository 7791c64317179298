//! From files to examples and batches.

use burn::tensor::Device;
use regard_nn::{Batch, Source, TargetRows};
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
    /// The pairs behind `valid`, as text.
    pub valid_pairs: Vec<Pair>,
}

/// Reads and encodes the corpora; `tokenizers` are trained on the training pairs unless they are given.
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
    let (valid_pairs, _) = data.read(Split::Valid)?.unwrap_or_default();
    let (valid, _) = encode_pairs(&tokenizers, &valid_pairs, data);
    Ok(Corpora {
        tokenizers,
        train,
        train_report,
        valid,
        valid_pairs,
    })
}

/// Moves a host batch to the device.
pub(crate) fn device_batch(batch: &HostBatch, device: &Device) -> Batch {
    let source = Source::new(&batch.source.ids, &batch.source.lengths, device);
    let target = TargetRows {
        input: &batch.target_in,
        output: &batch.target_out,
        lengths: &batch.target_lengths,
    };
    Batch::new(source, target, device)
}
