//! The sections that a model needs to be used: `[tokenizer]`, `[model]`, `[decode]`.

mod decode;

use std::path::Path;

use regard_nn::{ModelConfig, TransformerConfig};
use regard_text::TokenizerConfig;
use serde::Serialize;
use toml::{Table, Value};

use crate::section::suggestion;
use crate::{DecodeError, FORMAT, Problems, parse, read_section};

pub use decode::{DecodeConfig, SearchKind, Utility};

/// What a run's `config.toml` says about its model; the other sections are for training.
#[derive(Clone, Debug, Serialize)]
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

    /// As a run keeps it: every key of these sections, and who wrote it.
    ///
    /// # Panics
    ///
    /// Never: every section is a table of plain values.
    pub fn to_toml(&self) -> String {
        let config = Self {
            model: self.model.clone().resolved(),
            ..self.clone()
        };
        let body = toml::to_string(&config).expect("sections are tables of plain values");
        format!(
            "format = {FORMAT}\nregard = \"{}\"\n\n{body}",
            env!("CARGO_PKG_VERSION")
        )
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
