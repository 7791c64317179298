use std::io;
use std::path::PathBuf;

use crate::toy::ToyError;

/// What can be wrong with configuration, corpora and tokenizer files.
///
/// Lines count from 1. [`TextError::hint`] says what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// A file is missing or cannot be read.
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
    /// A file has no byte in it.
    #[error("`{}` is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// A corpus has lines, but on none of them are both sides more than white space, or the filters
    /// leave none.
    #[error(
        "no pair is left of the {read} in `{}`: {}",
        path.display(),
        if blank == read {
            "one side or both are blank on every line".to_owned()
        } else {
            format!("{blank} have a blank side, the filters of `[data]` drop the others")
        }
    )]
    NoPairs {
        /// The source file, the TSV or the JSON lines; the first, if there are several.
        path: PathBuf,
        /// Pairs read.
        read: usize,
        /// Pairs with a blank side.
        blank: usize,
    },
    /// A compressed file ends too early, or is damaged.
    #[error("cannot decompress `{}` behind line {line}", path.display())]
    Decompress {
        /// The file.
        path: PathBuf,
        /// Lines that could be read.
        line: usize,
        /// What the decoder said.
        source: io::Error,
    },
    /// A line is too long to be text.
    #[error("line {line} of `{}` is longer than {most} bytes", path.display())]
    LongLine {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// Bytes that a line may have.
        most: usize,
    },
    /// A line of JSON is not an object with both sides.
    #[error("line {line} of `{}`: {reason}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// The examples cannot be kept.
    #[error("cannot write the examples to `{}`", path.display())]
    CacheWrite {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Examples that were whole when they were opened are no longer.
    #[error("the examples in `{}` have changed or are damaged: {reason}", path.display())]
    CacheDamaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// There are more training pairs than 32 bits can number.
    #[error("more than {most} training pairs")]
    TooManyPairs {
        /// Pairs that can be numbered.
        most: usize,
    },
    /// A line is not UTF-8.
    #[error("line {line} of `{}` is not valid UTF-8 (byte {byte} of the line)", path.display())]
    Utf8 {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// The first byte of the line that does not belong, counted from 1.
        byte: usize,
    },
    /// Two files that should be translations of each other, line by line, differ in length.
    #[error(
        "`{}` has {source_lines} lines but `{}` has {target_lines}",
        source_path.display(),
        target_path.display()
    )]
    LineCounts {
        /// The source file.
        source_path: PathBuf,
        /// Its lines.
        source_lines: usize,
        /// The target file.
        target_path: PathBuf,
        /// Its lines.
        target_lines: usize,
    },
    /// A row of a TSV has no target.
    #[error("line {line} of `{}`: expected {expected} columns, got {got}", path.display())]
    Columns {
        /// The file.
        path: PathBuf,
        /// The line.
        line: usize,
        /// Columns a row needs.
        expected: usize,
        /// Columns this row has.
        got: usize,
    },
    /// A tokenizer file does not hold a tokenizer.
    #[error("`{}` is not a tokenizer: {reason}", path.display())]
    NotATokenizer {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        reason: String,
    },
    /// A tokenizer lacks a token that models need.
    #[error(
        "the tokenizer `{}` has no token for {role}: expected {}",
        path.display(),
        one_of(candidates)
    )]
    MissingToken {
        /// The file.
        path: PathBuf,
        /// What the token stands for.
        role: &'static str,
        /// The key of `[tokenizer]` that names it.
        key: &'static str,
        /// The spellings that were looked for.
        candidates: Vec<String>,
    },
    /// There is no text to train a tokenizer on.
    #[error("cannot train a tokenizer: the text has no words")]
    NoText,
    /// The tokenizer library refused its input.
    #[error("cannot train a tokenizer: {reason}")]
    Training {
        /// What the library said.
        reason: String,
    },
    /// The model of a tokenizer cannot be read for sampling.
    #[error("cannot sample from the tokenizer: {reason}")]
    Sampling {
        /// What is wrong with it.
        reason: String,
    },
    /// A toy task cannot make the pairs asked for.
    #[error(transparent)]
    Toy(#[from] ToyError),
    /// Values of a configuration cannot be used. Holds all of them, not only the first.
    #[error("{}", problems.join("\n"))]
    Config {
        /// One sentence for each, which names the key, what was expected and what came.
        problems: Vec<String>,
    },
}

impl TextError {
    /// What to do about it, in one sentence; `None` where the message says it already.
    pub fn hint(&self) -> Option<String> {
        let advice = match self {
            Self::Read { path, source } if source.kind() == io::ErrorKind::NotFound => {
                // An absolute path is what it is.
                path.is_relative()
                    .then_some("relative paths start at the working directory")?
            }
            Self::Write { .. } => "check that the directory exists, is writable and has space left",
            Self::Empty { .. } => "put at least one line of text in it, or name another file",
            Self::NoPairs { read, blank, .. } if read != blank => {
                "`regard check` shows what each filter drops; loosen them in `[data]`"
            }
            Self::NoPairs { .. } => "check that source and target are the files you mean",
            Self::Decompress { .. } => {
                "the file is damaged or was not copied whole: see `gzip -t` or `zstd -t`"
            }
            Self::LongLine { .. } => "check that it is a file of text, one sentence a line",
            Self::Json { .. } => {
                "each line is an object such as {\"source\": \"...\", \"target\": \"...\"}; `source_key` and `target_key` name others"
            }
            Self::CacheWrite { .. } => {
                "set `data.cache` to a directory that is writable and has space left"
            }
            Self::CacheDamaged { .. } => {
                "start again: what is damaged is made anew, and `--resume` goes on from the last checkpoint"
            }
            Self::TooManyPairs { .. } => "leave some of the files out",
            Self::Utf8 { .. } => "convert the file first, as with `iconv -f LATIN1 -t UTF-8`",
            Self::LineCounts { .. } => {
                "line N of one file must translate line N of the other: look for a line broken in two"
            }
            Self::Columns { .. } => "each row is a source, a TAB and a target",
            Self::NotATokenizer { .. } => {
                "expected a `tokenizer.json` as Regard or Hugging Face's `tokenizers` writes it"
            }
            Self::MissingToken { key, .. } => {
                return Some(format!("`tokenizer.{key}` says which of its tokens it is"));
            }
            _ => return None,
        };
        Some(advice.to_owned())
    }

    /// `Ok` if there are no problems, else all of them in one error.
    pub(crate) fn from_problems(problems: Vec<String>) -> Result<(), Self> {
        if problems.is_empty() {
            Ok(())
        } else {
            Err(Self::Config { problems })
        }
    }
}

fn one_of(candidates: &[String]) -> String {
    let quoted: Vec<String> = candidates
        .iter()
        .map(|token| format!("`{token}`"))
        .collect();
    match quoted.as_slice() {
        [only] => only.clone(),
        all => format!("one of {}", all.join(", ")),
    }
}
