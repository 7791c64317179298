//! Tokenizers that were made elsewhere: reading them, and finding their special tokens.

use std::collections::HashMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;
use tokenizers::models::ModelWrapper;

use super::TokenizerConfig;
use crate::error::TextError;
use crate::special::SpecialIds;

/// A part that a special token plays.
struct Role {
    name: &'static str,
    key: &'static str,
    /// Spellings, the most usual first.
    usual: &'static [&'static str],
}

const PAD: Role = Role {
    name: "padding",
    key: "pad_token",
    usual: &["<pad>", "[PAD]", "<PAD>", "<|pad|>", "<blank>"],
};
const UNKNOWN: Role = Role {
    name: "what is unknown",
    key: "unknown_token",
    usual: &["<unk>", "[UNK]", "<UNK>", "<|unk|>"],
};
const START: Role = Role {
    name: "the start",
    key: "start_token",
    usual: &[
        "<s>",
        "[CLS]",
        "<bos>",
        "[BOS]",
        "<BOS>",
        "<|startoftext|>",
        "<|begin_of_text|>",
    ],
};
const END: Role = Role {
    name: "the end",
    key: "end_token",
    usual: &[
        "</s>",
        "[SEP]",
        "<eos>",
        "[EOS]",
        "<EOS>",
        "<|endoftext|>",
        "<|end_of_text|>",
    ],
};

/// Reads a `tokenizer.json`; its special tokens are those that `config` names, else the usual ones.
pub(super) fn read(
    path: &Path,
    config: &TokenizerConfig,
) -> Result<(tokenizers::Tokenizer, SpecialIds), TextError> {
    let bytes = std::fs::read(path).map_err(|source| TextError::Read {
        path: path.to_owned(),
        source,
    })?;
    parse(&bytes, path, config)
}

/// The same of a file's content.
pub(super) fn parse(
    bytes: &[u8],
    path: &Path,
    config: &TokenizerConfig,
) -> Result<(tokenizers::Tokenizer, SpecialIds), TextError> {
    let refused = |reason: String| TextError::NotATokenizer {
        path: path.to_owned(),
        reason,
    };
    if let Some(reason) = unmergeable(bytes) {
        return Err(refused(reason));
    }
    let mut inner =
        tokenizers::Tokenizer::from_bytes(bytes).map_err(|error| refused(error.to_string()))?;
    if let Some(reason) = sparse(&inner) {
        return Err(refused(reason));
    }
    // Texts are cut at random where the configuration says so, not where a file does.
    if let ModelWrapper::BPE(model) = inner.get_model()
        && model.dropout.is_some()
    {
        let mut plain = model.clone();
        plain.dropout = None;
        inner.with_model(plain);
    }
    let special = special_ids(&inner, path, config)?;
    Ok((inner, special))
}

/// A file with a BPE model, as far as it matters to [`unmergeable`].
#[derive(Deserialize)]
struct Merging {
    model: MergingModel,
}

#[derive(Deserialize)]
struct MergingModel {
    vocab: HashMap<String, Value>,
    merges: Vec<Couple>,
    continuing_subword_prefix: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Couple {
    Spaced(String),
    Two(String, String),
}

/// What is wrong with merges on which the library would panic: it takes for granted that the right
/// part has the prefix, and that no merge makes a token longer than all there are.
fn unmergeable(bytes: &[u8]) -> Option<String> {
    // Files of other models, or of no model, are for the library to judge.
    let Merging { model } = serde_json::from_slice(bytes).ok()?;
    let prefix = model.continuing_subword_prefix.unwrap_or_default();
    model.merges.iter().find_map(|couple| {
        let (left, right) = match couple {
            // Old files begin with a line that names a version.
            Couple::Spaced(line) if line.starts_with("#version") => return None,
            Couple::Spaced(line) => line.split_once(' ')?,
            Couple::Two(left, right) => (left.as_str(), right.as_str()),
        };
        let Some(rest) = right.strip_prefix(&prefix) else {
            return Some(format!(
                "it merges `{left}` with `{right}`, which does not begin with `{prefix}`"
            ));
        };
        let joined = [left, rest].concat();
        (!model.vocab.contains_key(&joined))
            .then(|| format!("it merges `{left}` and `{right}`, but has no token `{joined}`"))
    })
}

/// What is wrong with ids that are spread so far that an embedding would be mostly empty.
fn sparse(inner: &tokenizers::Tokenizer) -> Option<String> {
    let vocabulary = inner.get_vocab(true);
    let (tokens, largest) = (vocabulary.len(), *vocabulary.values().max()? as usize);
    (largest > 4 * tokens + 1000)
        .then(|| format!("it has {tokens} tokens, but ids up to {largest}"))
}

fn special_ids(
    inner: &tokenizers::Tokenizer,
    path: &Path,
    config: &TokenizerConfig,
) -> Result<SpecialIds, TextError> {
    let find = |role: &Role, named: &Option<String>| {
        let candidates: Vec<&str> = match named {
            Some(token) => vec![token],
            None => role.usual.to_vec(),
        };
        let id = candidates.iter().find_map(|token| inner.token_to_id(token));
        id.ok_or_else(|| TextError::MissingToken {
            path: path.to_owned(),
            role: role.name,
            key: role.key,
            candidates: candidates.into_iter().map(str::to_owned).collect(),
        })
    };
    let pad = find(&PAD, &config.pad_token)?;
    Ok(SpecialIds {
        pad,
        unknown: find(&UNKNOWN, &config.unknown_token)?,
        start: match find(&START, &config.start_token) {
            // Models like Marian and T5 have no token for it and start with padding.
            Err(_) if config.start_token.is_none() => pad,
            found => found?,
        },
        end: find(&END, &config.end_token)?,
    })
}
