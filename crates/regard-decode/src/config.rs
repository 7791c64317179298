//! The sections that a model needs to be used: `[tokenizer]`, `[model]`, `[decode]`.

use std::path::Path;

use regard_nn::{ModelConfig, TransformerConfig};
use regard_text::TokenizerConfig;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::section::suggestion;
use crate::{BeamOptions, DecodeError, FORMAT, LengthPenalty, Problems, parse, read_section};

/// The `[decode]` section: how text is translated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecodeConfig {
    /// Most tokens of a source, at least 1; what stands behind is cut off and counted. Default 1,024.
    pub max_source_length: usize,
    /// Most tokens of a translation per source token, above 0. Default 2.
    pub max_target_ratio: f64,
    /// Tokens a translation may have beyond that. Default 10, since short sources vary most.
    pub max_target_extra: usize,
    /// Largest padded size of a batch, in source tokens, each counted once for every hypothesis of the beam; at least 1. Default
    /// 4,096.
    pub batch_tokens: usize,
    /// Hypotheses that are kept at every step, from 1 to the tokens of the vocabulary. Default 1, greedy search: the fastest.
    pub beam: usize,
    /// The exponent of [`LengthPenalty`], from -10 to 10: the higher, the longer what wins. Default 1,
    /// nearly the mean over tokens.
    pub length_penalty: f64,
}

impl Default for DecodeConfig {
    fn default() -> Self {
        Self {
            max_source_length: 1024,
            max_target_ratio: 2.0,
            max_target_extra: 10,
            batch_tokens: 4096,
            beam: 1,
            length_penalty: 1.0,
        }
    }
}

impl DecodeConfig {
    /// Everything that is wrong, one sentence each, beginning with the key.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (key, value) in [
            ("max_source_length", self.max_source_length),
            ("batch_tokens", self.batch_tokens),
            ("beam", self.beam),
        ] {
            if value == 0 {
                problems.push(format!("{key}: expected at least 1, got 0"));
            }
        }
        if !(self.max_target_ratio > 0.0 && self.max_target_ratio.is_finite()) {
            problems.push(format!(
                "max_target_ratio: expected a number above 0, got {}",
                self.max_target_ratio
            ));
        }
        // What lies beyond says nothing but "the longest" or "the shortest".
        if !(-10.0..=10.0).contains(&self.length_penalty) {
            problems.push(format!(
                "length_penalty: expected a number from -10 to 10, got {}",
                self.length_penalty
            ));
        }
        problems
    }

    /// What is wrong with the beam for a vocabulary, beginning with the key.
    pub fn beam_problem(&self, vocabulary: usize) -> Option<String> {
        (self.beam > vocabulary).then(|| {
            format!(
                "beam: expected at most {vocabulary}, the tokens of the vocabulary, got {}",
                self.beam
            )
        })
    }

    /// How search is to be done.
    pub fn beam_options(&self) -> BeamOptions {
        BeamOptions {
            beam: self.beam,
            length_penalty: LengthPenalty {
                alpha: self.length_penalty,
            },
        }
    }

    /// Most tokens of a translation of `source_length` tokens.
    pub fn target_limit(&self, source_length: usize) -> usize {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the ratio is above 0, and what is too large saturates"
        )]
        let scaled = (source_length as f64 * self.max_target_ratio).round() as usize;
        scaled.saturating_add(self.max_target_extra)
    }
}

/// What a run's `config.toml` says about its model; the other sections are for training.
#[derive(Clone, Debug)]
pub struct BundleConfig {
    /// The `[tokenizer]` section.
    pub tokenizer: TokenizerConfig,
    /// The `[model]` section.
    pub model: ModelConfig,
    /// The `[decode]` section.
    pub decode: DecodeConfig,
}

impl BundleConfig {
    /// Reads a run's `config.toml`.
    ///
    /// # Errors
    ///
    /// If it cannot be read, is of a later format, or says something impossible.
    pub fn read(path: &Path) -> Result<Self, DecodeError> {
        Self::from_table(path, &parse(path)?)
    }

    /// The same of what such a file holds; `path` stands for it in errors.
    ///
    /// # Errors
    ///
    /// If it is of a later format, or says something impossible.
    pub fn from_table(path: &Path, table: &Table) -> Result<Self, DecodeError> {
        check_format(path, table)?;
        let mut problems = Problems::default();
        let config = Self {
            tokenizer: read_section(table, "tokenizer", &mut problems),
            model: read_model(table, &mut problems),
            decode: read_section(table, "decode", &mut problems),
        };
        config.check(&mut problems);
        problems.or(path, config)
    }

    /// Notes everything that is wrong.
    pub fn check(&self, problems: &mut Problems) {
        problems.extend(self.tokenizer.problems());
        problems.add_section("model", self.model.problems());
        let size = self.model.size_problem(self.tokenizer.vocabulary);
        problems.extend(size.map(|problem| format!("`model`: {problem}")));
        problems.add_section("decode", self.decode.problems());
        problems.add_section(
            "decode",
            self.decode.beam_problem(self.tokenizer.vocabulary),
        );
        if self.model.needs_joint_vocabulary() && !self.tokenizer.shared {
            problems.add(
                "`model.tie`: `all` needs one vocabulary for both sides, but `tokenizer.shared` is false".into(),
            );
        }
    }
}

/// Reads the `[model]` section: `kind` says which keys it has.
pub fn read_model(config: &Table, problems: &mut Problems) -> ModelConfig {
    let mut config = config.clone();
    let kind = config
        .get_mut("model")
        .and_then(Value::as_table_mut)
        .and_then(|model| model.remove("kind"));
    match &kind {
        Some(Value::String(kind)) => match kind.as_str() {
            "transformer" => {}
            "bottleneck" => {
                return ModelConfig::Bottleneck(read_section(&config, "model", problems));
            }
            "bahdanau" => return ModelConfig::Bahdanau(read_section(&config, "model", problems)),
            "luong" => return ModelConfig::Luong(read_section(&config, "model", problems)),
            _ => problems.add(format!(
                "`model.kind`: unknown kind `{kind}`{}",
                suggestion(kind, ModelConfig::KINDS)
            )),
        },
        None => problems.add(format!(
            "`model.kind`: missing; expected one of {}",
            ModelConfig::KINDS.join(", ")
        )),
        Some(other) => problems.add(format!(
            "`model.kind`: expected a string, got {}",
            other.type_str()
        )),
    }
    ModelConfig::Transformer(read_section::<TransformerConfig>(
        &config, "model", problems,
    ))
}

/// Refuses what a later version wrote, before its keys are called unknown. A file without `format` was written by hand.
///
/// # Errors
///
/// [`DecodeError::Format`], or [`DecodeError::Config`] if `format` is no number.
pub fn check_format(path: &Path, config: &Table) -> Result<(), DecodeError> {
    match config.get("format") {
        Some(&Value::Integer(found)) if found > FORMAT => Err(DecodeError::Format {
            path: path.into(),
            found,
            supported: FORMAT,
        }),
        None | Some(Value::Integer(_)) => Ok(()),
        Some(other) => Err(DecodeError::Config {
            path: path.into(),
            problems: vec![format!(
                "`format`: expected an integer, got {}",
                other.type_str()
            )],
        }),
    }
}
