use std::io;
use std::path::PathBuf;

use regard_text::TextError;

/// What can go wrong between a run directory and a translation.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// A file cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The path holds no run.
    #[error("`{}` is not a run directory: it has no `config.toml`", path.display())]
    NotARun {
        /// The directory.
        path: PathBuf,
    },
    /// The directory of a new run is there already.
    #[error("`{}` holds a run already", path.display())]
    RunExists {
        /// The directory.
        path: PathBuf,
    },
    /// The run has not written what was asked for.
    #[error("`{}` has no checkpoint {wanted}", path.display())]
    NoCheckpoint {
        /// The run directory.
        path: PathBuf,
        /// `best`, `last`, `average` or a step.
        wanted: String,
        /// Steps that do have one.
        steps: Vec<u64>,
    },
    /// A later version wrote this.
    #[error("`{}` has format {found}; this program reads formats up to {supported}", path.display())]
    Format {
        /// The run directory.
        path: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format known here.
        supported: i64,
    },
    /// A configuration is not TOML.
    #[error("`{}` is not valid TOML", path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// What the parser said, with line and column.
        source: Box<toml::de::Error>,
    },
    /// Values of a configuration cannot be used; all of them.
    #[error("`{}` has {}:\n  {}", path.display(), count(problems), problems.join("\n  "))]
    Config {
        /// The file.
        path: PathBuf,
        /// One sentence each.
        problems: Vec<String>,
    },
    /// Search cannot be done as asked for.
    #[error("translating as asked for is not possible:\n  {}", problems.join("\n  "))]
    Search {
        /// One sentence each, beginning with a key of `[decode]`.
        problems: Vec<String>,
    },
    /// A file of tensors is damaged or something else.
    #[error("`{}` is not a readable safetensors file: {reason}", path.display())]
    Tensors {
        /// The file.
        path: PathBuf,
        /// What the reader said.
        reason: String,
    },
    /// A file of tensors belongs to another model.
    #[error("`{}` does not fit the model:\n  {}", path.display(), list(problems))]
    Mismatch {
        /// The file.
        path: PathBuf,
        /// One sentence for each parameter that is missing, left over or of another shape.
        problems: Vec<String>,
    },
    /// A file of weights from elsewhere is damaged or something else.
    #[error("`{}` is not a readable file of weights: {reason}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of weights from elsewhere belongs to another model.
    #[error("`{}` does not fit the model:\n  {}", path.display(), list(problems))]
    Foreign {
        /// The file.
        path: PathBuf,
        /// One sentence for each tensor that is missing, left over, or of another shape or type.
        problems: Vec<String>,
    },
    /// A file is no whole pack.
    #[error("`{}` is no run directory, nor a whole file of `regard pack`: {reason}", path.display())]
    Pack {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A pack holds another checkpoint than the one asked for.
    #[error("`{}` holds the checkpoint {held}, not the checkpoint {wanted}", path.display())]
    NotPacked {
        /// The file.
        path: PathBuf,
        /// `best`, `last`, `average` or a step.
        wanted: String,
        /// The one that it holds, in words.
        held: String,
    },
    /// What is asked of a translation cannot be.
    #[error("line {line}: {problem}")]
    Request {
        /// Number of the line, from 1.
        line: u64,
        /// Why not.
        problem: String,
    },
    /// An id is outside the vocabulary.
    #[error("id {id} is not one of the {vocabulary} of the vocabulary")]
    Ids {
        /// The id.
        id: u32,
        /// Tokens of the vocabulary.
        vocabulary: usize,
    },
    /// A run's tokenizer cannot be loaded.
    #[error("the run `{}` has no usable tokenizer", path.display())]
    Tokenizer {
        /// The run directory.
        path: PathBuf,
        /// What is wrong with it.
        source: TextError,
    },
    /// The model has one embedding for both sides, the run two vocabularies.
    #[error(
        "the run `{}` has `model.tie = \"all\"`, which needs one vocabulary, but tokenizers of {source_tokens} and {target_tokens} tokens",
        path.display()
    )]
    TwoVocabularies {
        /// The run directory.
        path: PathBuf,
        /// Tokens of the source vocabulary.
        source_tokens: usize,
        /// Tokens of the target vocabulary.
        target_tokens: usize,
    },
}

/// Names of a mismatch that are listed; a foreign file may have hundreds.
const LISTED: usize = 20;

fn list(problems: &[String]) -> String {
    let listed = &problems[..problems.len().min(LISTED)];
    match problems.len() - listed.len() {
        0 => listed.join("\n  "),
        more => format!("{}\n  and {more} more", listed.join("\n  ")),
    }
}

fn count(problems: &[String]) -> String {
    match problems.len() {
        1 => "a problem".into(),
        n => format!("{n} problems"),
    }
}

impl DecodeError {
    /// What to do about it, in one sentence; `None` where the message says it already.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotARun { .. } => Some(
                "name a directory that `regard train` wrote, for example runs/toy-transformer; where a model is used, a file that \
                 `regard pack` wrote does as well"
                    .into(),
            ),
            Self::RunExists { path } => Some(format!(
                "choose another directory with `--run`, or remove `{}`",
                path.display()
            )),
            Self::Pack { .. } => Some(
                "name a directory that `regard train` wrote, or write the file again with `regard pack RUN --output FILE`".into(),
            ),
            Self::NotPacked { .. } => {
                Some("leave `--checkpoint` out, or pack the other one of the run".into())
            }
            Self::NoCheckpoint { steps, .. } if steps.is_empty() => {
                Some("the run has not written a checkpoint yet; train on with `--resume`".into())
            }
            Self::NoCheckpoint { wanted, .. } if wanted == "`average`" => {
                Some("write it with `regard average RUN`".into())
            }
            Self::NoCheckpoint { steps, .. } => {
                Some(format!("there are checkpoints at steps {steps:?}"))
            }
            Self::Format { .. } => {
                Some("use the version of Regard that wrote it, or a later one".into())
            }
            Self::Tensors { .. } => Some(
                "the file is damaged: choose another checkpoint with `--checkpoint STEP`".into(),
            ),
            Self::Mismatch { .. } => {
                Some("weights and configuration must come from the same run".into())
            }
            Self::Checkpoint { .. } => Some(
                "write it with `torch.save(model.state_dict(), path)`; `docs/weights.md` says what is read"
                    .into(),
            ),
            Self::Foreign { .. } => Some(
                "`docs/weights.md` has the names; shapes follow from `[model]` and the vocabularies"
                    .into(),
            ),
            Self::Write { .. } => {
                Some("check that the directory exists, is writable and has space left".into())
            }
            Self::Tokenizer { .. } | Self::TwoVocabularies { .. } => Some(
                "the run needs the `tokenizer.json`, or the pair of `source-tokenizer.json` and `target-tokenizer.json`, it was trained with"
                    .into(),
            ),
            _ => None,
        }
    }
}
