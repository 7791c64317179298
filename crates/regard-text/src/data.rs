//! The `[data]` section: where pairs come from and how batches are cut.

mod paths;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::corpus::{self, Pair, PairStream, ReadReport, Writing};
use crate::error::TextError;
use crate::toy;

pub use paths::Paths;

/// Most tokens of a side: lengths are kept in 16 bits.
const LONGEST: usize = u16::MAX as usize;

/// The `[data]` section of a configuration.
///
/// Paths are relative to the working directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// A toy task whose pairs are made up on the spot, instead of `train`. Where `valid` or `test`
    /// is missing, 1,000 pairs of the task's own held-out part stand in. Default: none, since most
    /// users have data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generate: Option<toy::Generate>,
    /// The pairs to train on. Required unless `generate` is given. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train: Option<CorpusFiles>,
    /// Where the training pairs are kept as ids, so that they are read and cut only once; a
    /// directory that may be emptied at any time. Default `runs/.cache`, beside the runs.
    pub cache: PathBuf,
    /// The pairs to validate on. Default: none, or generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid: Option<CorpusFiles>,
    /// The pairs to report on at the end. Default: none, or generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<CorpusFiles>,
    /// Most tokens on either side of a pair, special ids not counted. 1 to 65535. Default 200:
    /// longer than nearly every sentence, and short enough that one pair fits in a small machine's
    /// memory.
    pub max_length: usize,
    /// What happens to a pair with a longer side. Default `drop`, since half a translation teaches
    /// to stop early.
    pub long: LongLines,
    /// Training pairs are left out whose one side has more than so many times the tokens of the
    /// other. At least 1. Default: none, since what is unequal differs from language to language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_ratio: Option<f64>,
    /// Whether training pairs are left out that came before, apart from white space at their ends.
    /// Default false: what is frequent may be meant to be.
    pub drop_duplicates: bool,
    /// Whether training pairs are left out whose sides are equal, apart from white space at their
    /// ends. Default false: names and numbers are translated so.
    pub drop_identical: bool,
    /// Training pairs are left out of whose source fewer than half of the letters are in this
    /// script: a name of Unicode such as `latin`, `cyrillic` or `han`, or `japanese` or `korean`.
    /// Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_script: Option<String>,
    /// The same for the target. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_script: Option<String>,
    /// Largest padded size of a batch in tokens: rows times the longer of source and target,
    /// special ids included. At least 1; a single longer pair is a batch of its own. Default 4096:
    /// enough for a steady gradient, within 2 GiB for models of a few million parameters.
    pub batch_tokens: usize,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            generate: None,
            train: None,
            cache: PathBuf::from("runs/.cache"),
            valid: None,
            test: None,
            max_length: 200,
            long: LongLines::Drop,
            max_ratio: None,
            drop_duplicates: false,
            drop_identical: false,
            source_script: None,
            target_script: None,
            batch_tokens: 4096,
        }
    }
}

/// The files of one corpus: two that run side by side, one with tabs, or one of JSON lines; or a
/// list of such files, read one after the other.
///
/// A name that ends in `.gz` or `.zst` is decompressed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CorpusFiles {
    /// One source sentence a line. Goes with `target`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Paths>,
    /// One target sentence a line; line N translates line N of `source`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<Paths>,
    /// A source, a TAB and a target a line; further columns are ignored. Instead of `source` and
    /// `target`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tsv: Option<Paths>,
    /// A JSON object a line. Instead of `source` and `target`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jsonl: Option<Paths>,
    /// Where the source stands in an object of `jsonl`: a key, or a JSON pointer such as
    /// `/translation/en`. Default `source`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source_key: Option<String>,
    /// Where the target stands. Default `target`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target_key: Option<String>,
}

/// What happens to a pair one of whose sides is longer than `data.max_length`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LongLines {
    /// The pair is left out and counted.
    #[default]
    Drop,
    /// Each side is cut to the limit, and the pair counted.
    Truncate,
}

impl CorpusFiles {
    /// Two files that run side by side.
    pub fn parallel(source: impl Into<Paths>, target: impl Into<Paths>) -> Self {
        Self {
            source: Some(source.into()),
            target: Some(target.into()),
            ..Self::default()
        }
    }

    /// One file with a source, a TAB and a target a line.
    pub fn tsv(path: impl Into<Paths>) -> Self {
        Self {
            tsv: Some(path.into()),
            ..Self::default()
        }
    }

    /// One file with a JSON object a line.
    pub fn jsonl(path: impl Into<Paths>) -> Self {
        Self {
            jsonl: Some(path.into()),
            ..Self::default()
        }
    }

    /// Every file, in the order in which they are read.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        let all = [&self.source, &self.target, &self.tsv, &self.jsonl];
        all.into_iter().flatten().flat_map(Paths::iter)
    }

    pub(crate) fn source_key(&self) -> &str {
        self.source_key.as_deref().unwrap_or("source")
    }

    pub(crate) fn target_key(&self) -> &str {
        self.target_key.as_deref().unwrap_or("target")
    }

    /// What is wrong with this combination of keys; `key` is where it stands in the configuration.
    pub fn problem(&self, key: &str) -> Option<String> {
        let single = [("tsv", &self.tsv), ("jsonl", &self.jsonl)];
        let named: Vec<&str> = single
            .into_iter()
            .filter_map(|(name, paths)| paths.as_ref().map(|_| name))
            .collect();
        let got = match (&self.source, &self.target, &named[..]) {
            (Some(source), Some(target), []) => return self.list_problem(key, source, target),
            (None, None, [_]) => return self.single_problem(key),
            (None, None, []) => "none of them".to_owned(),
            (Some(_), None, []) => "only `source`".to_owned(),
            (None, Some(_), []) => "only `target`".to_owned(),
            (.., [name, ..]) => format!("`{name}` together with the others"),
        };
        Some(format!(
            "`{key}`: expected `source` and `target`, or `tsv`, or `jsonl`, got {got}"
        ))
    }

    fn list_problem(&self, key: &str, source: &Paths, target: &Paths) -> Option<String> {
        let (sources, targets) = (source.iter().count(), target.iter().count());
        if sources != targets {
            return Some(format!(
                "`{key}`: expected as many files in `target` as in `source`, got {targets} and {sources}"
            ));
        }
        self.single_problem(key)
    }

    fn single_problem(&self, key: &str) -> Option<String> {
        if self.paths().next().is_none() {
            return Some(format!(
                "`{key}`: expected at least one file, got an empty list"
            ));
        }
        let keys = [
            ("source_key", &self.source_key),
            ("target_key", &self.target_key),
        ];
        let (name, _) = keys.into_iter().find(|(_, value)| value.is_some())?;
        let is_json = self.jsonl.is_some();
        (!is_json).then(|| format!("`{key}.{name}`: is read with `jsonl` only"))
    }
}

impl DataConfig {
    /// Everything that can be seen to be wrong without opening a file, one sentence for each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        match (&self.generate, &self.train) {
            (None, None) => problems
                .push("`data.train`: expected `data.train` or `data.generate`, got neither".into()),
            (Some(_), Some(_)) => {
                problems.push(
                    "`data.train`: expected `data.train` or `data.generate`, got both".into(),
                );
            }
            _ => {}
        }
        if let Some(generate) = &self.generate {
            problems.extend(generate_problems(generate));
        }
        let corpora = [
            ("data.train", &self.train),
            ("data.valid", &self.valid),
            ("data.test", &self.test),
        ];
        problems.extend(
            corpora
                .iter()
                .filter_map(|(key, files)| files.as_ref()?.problem(key)),
        );
        if !(1..=LONGEST).contains(&self.max_length) {
            problems.push(format!(
                "`data.max_length`: expected 1 to {LONGEST}, got {}",
                self.max_length
            ));
        }
        if self.batch_tokens == 0 {
            problems.push("`data.batch_tokens`: expected at least 1, got 0".into());
        }
        if self.cache.as_os_str().is_empty() {
            problems.push("`data.cache`: expected a directory, got an empty path".into());
        }
        if let Some(ratio) = self
            .max_ratio
            .filter(|ratio| ratio.is_nan() || *ratio < 1.0)
        {
            problems.push(format!(
                "`data.max_ratio`: expected a number from 1, got {ratio}"
            ));
        }
        for (key, name) in [
            ("source_script", &self.source_script),
            ("target_script", &self.target_script),
        ] {
            if let Some(name) = name.as_ref().filter(|name| Writing::named(name).is_none()) {
                problems.push(format!(
                    "`data.{key}`: expected a script of Unicode such as `latin`, `japanese` or `korean`, got `{name}`"
                ));
            }
        }
        problems
    }

    /// [`problems`](Self::problems) as an error.
    ///
    /// # Errors
    ///
    /// [`TextError::Config`] with all problems.
    pub fn validate(&self) -> Result<(), TextError> {
        TextError::from_problems(self.problems())
    }

    /// The pairs to train on, in chunks.
    ///
    /// # Errors
    ///
    /// A file that is missing; a configuration that names no training pairs.
    pub fn training_pairs(&self) -> Result<PairStream, TextError> {
        PairStream::new(self)
    }

    /// The pairs of one part, all at once and not filtered but for empty sides, read from its files or generated; `None` if the configuration names
    /// no such part.
    ///
    /// # Errors
    ///
    /// Those of [`corpus::read_pairs`] and of [`toy::Generate::pairs`].
    pub fn read(&self, split: toy::Split) -> Result<Option<(Vec<Pair>, ReadReport)>, TextError> {
        let files = match split {
            toy::Split::Train => &self.train,
            toy::Split::Valid => &self.valid,
            toy::Split::Test => &self.test,
        };
        match (files, &self.generate) {
            (Some(files), _) => corpus::read_pairs(files).map(Some),
            (None, Some(generate)) => generated(generate, split).map(Some),
            (None, None) => Ok(None),
        }
    }
}

fn generate_problems(generate: &toy::Generate) -> Vec<String> {
    let shortest = generate.task.min_length();
    let checks = [
        ("pairs", 1, Some(generate.pairs)),
        ("max_length", shortest, generate.max_length),
    ];
    checks
        .into_iter()
        .filter_map(|(key, least, got)| Some((key, least, got.filter(|&got| got < least)?)))
        .map(|(key, least, got)| {
            format!("`data.generate.{key}`: expected at least {least}, got {got}")
        })
        .collect()
}

fn generated(
    generate: &toy::Generate,
    split: toy::Split,
) -> Result<(Vec<Pair>, ReadReport), TextError> {
    let pairs: Vec<Pair> = generate
        .pairs(split)?
        .into_iter()
        .map(|(source, target)| Pair { source, target })
        .collect();
    let report = ReadReport {
        read: pairs.len(),
        ..ReadReport::default()
    };
    Ok((pairs, report))
}
