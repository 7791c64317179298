//! From files to examples and batches.

use burn::tensor::Device;
use regard_kernels::is_gpu;
use regard_nn::{Batch, TargetRows, Tokens};
use regard_text::batch::HostBatch;
use regard_text::corpus::{Example, Pair, PairStream, ReadReport, encode_pairs};
use regard_text::store::ExampleStore;
use regard_text::toy::Split;
use regard_text::{DataConfig, Tokenizers};

use crate::TrainError;

/// The corpora of a run as token ids.
#[derive(Debug)]
pub struct Corpora {
    /// How text became ids.
    pub tokenizers: Tokenizers,
    /// To train on; on disk.
    pub train: ExampleStore,
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
    tokenizers: impl FnOnce(&mut PairStream) -> Result<Tokenizers, TrainError>,
) -> Result<Corpora, TrainError> {
    let mut pairs = data.training_pairs()?;
    let tokenizers = tokenizers(&mut pairs)?;
    let train = ExampleStore::open(&mut pairs, &tokenizers)?;
    if train.lengths().is_empty() {
        return Err(TrainError::NothingToTrain {
            read: train.report().read,
            dropped: train.report().dropped(),
        });
    }
    let (pairs, read) = data.read(Split::Valid)?.unwrap_or_default();
    let (valid, encoded) = encode_pairs(&tokenizers, &pairs, data);
    // Read for the sake of its errors: they are to come before the first step, not after the last.
    let (test, _) = data.read(Split::Test)?.unwrap_or_default();
    Ok(Corpora {
        tokenizers,
        train,
        valid,
        valid_pairs: pairs,
        valid_report: read.then(encoded),
        test_pairs: test.len(),
    })
}

/// Rows of ids on the device of a model that has so many positions at most. A GPU computes padding for the sake of few shapes; the
/// processor leaves it out.
pub(crate) fn tokens(
    ids: &[u32],
    lengths: &[usize],
    most_positions: Option<usize>,
    device: &Device,
) -> Tokens {
    if is_gpu(device) {
        Tokens::rounded(ids, lengths, most_positions, device)
    } else {
        Tokens::new(ids, lengths, device)
    }
}

/// Moves a host batch to the device of a model that has so many positions at most.
pub(crate) fn device_batch(
    batch: &HostBatch,
    most_positions: Option<usize>,
    device: &Device,
) -> Batch {
    let tokens = |ids: &[u32], lengths: &[usize]| tokens(ids, lengths, most_positions, device);
    let target = TargetRows {
        input: &batch.target_in,
        output: &batch.target_out,
        lengths: &batch.target_lengths,
    };
    let source = tokens(&batch.source.ids, &batch.source.lengths);
    Batch {
        target_in: tokens(target.input, target.lengths),
        ..Batch::new(source, target, device)
    }
}
