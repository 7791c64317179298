//! The `[data]` section: where pairs come from and how batches are cut.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::corpus::{self, Pair, ReadReport};
use crate::error::TextError;
use crate::toy;

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
    /// The pairs to validate on. Default: none, or generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid: Option<CorpusFiles>,
    /// The pairs to report on at the end. Default: none, or generated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<CorpusFiles>,
    /// Most tokens on either side of a pair, special ids not counted. At least 1. Default 200:
    /// longer than nearly every sentence, and short enough that one pair fits in a small machine's
    /// memory.
    pub max_length: usize,
    /// What happens to a pair with a longer side. Default `drop`, since half a translation teaches
    /// to stop early.
    pub long: LongLines,
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
            valid: None,
            test: None,
            max_length: 200,
            long: LongLines::Drop,
            batch_tokens: 4096,
        }
    }
}

/// The files of one corpus: two that run side by side, or one with tabs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CorpusFiles {
    /// One source sentence a line. Goes with `target`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<PathBuf>,
    /// One target sentence a line; line N translates line N of `source`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<PathBuf>,
    /// A source, a TAB and a target a line; further columns are ignored. Instead of `source` and
    /// `target`. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tsv: Option<PathBuf>,
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
    pub fn parallel(source: impl Into<PathBuf>, target: impl Into<PathBuf>) -> Self {
        Self {
            source: Some(source.into()),
            target: Some(target.into()),
            tsv: None,
        }
    }

    /// One file with a source, a TAB and a target a line.
    pub fn tsv(path: impl Into<PathBuf>) -> Self {
        Self {
            tsv: Some(path.into()),
            ..Self::default()
        }
    }

    /// What is wrong with this combination of keys; `key` is where it stands in the configuration.
    pub fn problem(&self, key: &str) -> Option<String> {
        let got = match (&self.source, &self.target, &self.tsv) {
            (Some(_), Some(_), None) | (None, None, Some(_)) => return None,
            (None, None, None) => "none of them",
            (_, _, Some(_)) => "`tsv` together with the others",
            (Some(_), None, None) => "only `source`",
            (None, Some(_), None) => "only `target`",
        };
        Some(format!(
            "`{key}`: expected `source` and `target`, or `tsv`, got {got}"
        ))
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
        for (key, value) in [
            ("max_length", self.max_length),
            ("batch_tokens", self.batch_tokens),
        ] {
            if value == 0 {
                problems.push(format!("`data.{key}`: expected at least 1, got 0"));
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

    /// The pairs of one part, read from its files or generated; `None` if the configuration names
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
