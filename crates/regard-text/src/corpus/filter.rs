use std::collections::HashSet;

use twox_hash::XxHash3_64;

use super::Pair;
use super::report::Reason;
use super::script::Writing;
use crate::data::DataConfig;

/// Decides by its text alone whether a pair is trained on.
#[derive(Debug)]
pub(crate) struct Filter {
    source: Option<Writing>,
    target: Option<Writing>,
    identical: bool,
    /// What came before, where that matters. Only ever asked whether it holds a pair: its order
    /// reaches nothing.
    seen: Option<HashSet<u64>>,
}

impl Filter {
    /// The filters of `config`.
    pub(crate) fn new(config: &DataConfig) -> Self {
        let writing = |name: &Option<String>| Writing::named(name.as_deref()?);
        Self {
            source: writing(&config.source_script),
            target: writing(&config.target_script),
            identical: config.drop_identical,
            seen: config.drop_duplicates.then(HashSet::new),
        }
    }

    /// Why `pair` is left out; `None` if it is kept.
    pub(crate) fn reason(&mut self, pair: &Pair) -> Option<Reason> {
        let (source, target) = (pair.source.trim(), pair.target.trim());
        if source.is_empty() || target.is_empty() {
            return Some(Reason::Empty);
        }
        let covers = |writing: &Option<Writing>, text: &str| {
            writing.as_ref().is_none_or(|writing| writing.covers(text))
        };
        if !covers(&self.source, source) || !covers(&self.target, target) {
            return Some(Reason::Script);
        }
        if self.identical && source == target {
            return Some(Reason::Identical);
        }
        if let Some(seen) = &mut self.seen
            && !seen.insert(key(source, target))
        {
            return Some(Reason::Duplicate);
        }
        None
    }
}

/// 64 bits for a pair: among ten million pairs, two different ones share them once in 400,000
/// corpora.
fn key(source: &str, target: &str) -> u64 {
    XxHash3_64::oneshot_with_seed(XxHash3_64::oneshot(source.as_bytes()), target.as_bytes())
}
