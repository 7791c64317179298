use std::io;
use std::path::PathBuf;

use regard_decode::DecodeError;
use regard_text::TextError;

/// What can go wrong in training.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// The directory of a new run is there already.
    #[error("`{}` holds a run already", path.display())]
    RunExists {
        /// The directory.
        path: PathBuf,
    },
    /// There is no run to continue.
    #[error("cannot resume `{}`: it holds no run", path.display())]
    NothingToResume {
        /// The directory.
        path: PathBuf,
    },
    /// Another process trains there.
    #[error("another process is training in `{}`", path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
    },
    /// A resumed run was given another configuration.
    #[error("a resumed run keeps its configuration, but {}", keys.join("; "))]
    ConfigChanged {
        /// What differs, one clause each.
        keys: Vec<String>,
    },
    /// A resumed run found other training pairs than before.
    #[error("the training pairs are not those that the checkpoint at step {step} of `{}` was trained on", path.display())]
    CorpusChanged {
        /// The run directory.
        path: PathBuf,
        /// The checkpoint.
        step: u64,
    },
    /// A value for `--set` names no key.
    #[error("cannot set `{key}`: {reason}")]
    Set {
        /// The key.
        key: String,
        /// Why not.
        reason: String,
    },
    /// No pair is left to train on.
    #[error("no pair is left to train on: {read} read, {dropped} dropped")]
    NothingToTrain {
        /// Pairs read.
        read: usize,
        /// Pairs dropped.
        dropped: usize,
    },
    /// The loss or a gradient is infinite or not a number.
    #[error(
        "step {step}, batch {batch} of the step: the loss is {nats} nats per token and the gradient norm {gradient_norm}; the parameters were not updated"
    )]
    NotFinite {
        /// The step that was not made.
        step: u64,
        /// The first batch of the step, counted from 1, whose loss is at fault; the last, if only the gradient is.
        batch: usize,
        /// Loss per token.
        nats: f64,
        /// Norm of the gradient.
        gradient_norm: f64,
    },
    /// A parameter or the validation loss is infinite or not a number.
    #[error("step {step}: {what} is not finite; no checkpoint was written")]
    Diverged {
        /// The step after which it was seen.
        step: u64,
        /// What it is.
        what: String,
    },
    /// The device does not have the float type asked for.
    #[error("`train.precision`: the device does not compute in bf16")]
    NoBf16,
    /// A log or state file cannot be read back.
    #[error("`{}` is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The state of an optimiser was written by another one.
    #[error("`{}` holds the state of {found}, expected that of {expected}", path.display())]
    OtherOptimizer {
        /// The file.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Whose was asked for.
        expected: String,
    },
    /// A file cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The run directory or its files failed.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Translations of the validation set cannot be scored.
    #[error(transparent)]
    Eval(#[from] regard_eval::EvalError),
    /// Text or tokenizer failed.
    #[error(transparent)]
    Text(#[from] TextError),
}

impl TrainError {
    /// What to do about it, in one sentence; `None` where the message says it already.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::RunExists { path } => Some(format!(
                "continue it with `--resume`, choose another directory with `--run`, or remove `{}`",
                path.display()
            )),
            Self::Locked { .. } => Some("wait for it, or choose another directory with `--run`".into()),
            Self::ConfigChanged { .. } => {
                Some("start a new run with `--run DIR`; only steps, intervals, threads and device may change".into())
            }
            Self::NothingToResume { .. } => Some("start it without `--resume`, or name another directory with `--run`".into()),
            Self::CorpusChanged { .. } => {
                Some("bring back the files it was trained on, or start a new run with `--run DIR`".into())
            }
            Self::NotFinite { .. } | Self::Diverged { .. } => {
                Some("lower `train.learning_rate` or lengthen `train.warmup`; the last checkpoint is intact".into())
            }
            Self::NoBf16 => Some("set it to `f32`, or choose another device; `regard devices` lists their float types".into()),
            Self::NothingToTrain { .. } => Some("raise `data.max_length`, or look at the files with `regard check`".into()),
            Self::OtherOptimizer { found, .. } => {
                Some(format!("set `train.optimizer` to {found}, or start a new run with `--run DIR`"))
            }
            Self::Write { .. } => Some("check that the directory exists, is writable and has space left".into()),
            Self::Damaged { .. } => Some("start again in another directory with `--run DIR`".into()),
            Self::Decode(error) => error.hint(),
            Self::Text(error) => error.hint(),
            Self::Set { .. } | Self::Eval(_) => None,
        }
    }
}
