//! The `[decode]` section: how text is translated.

use serde::{Deserialize, Serialize};

use crate::{
    BeamOptions, Diversity, LengthForm, LengthPenalty, Rules, SampleOptions, TargetLength,
};

/// The `[decode]` section: how text is translated.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DecodeConfig {
    /// Most tokens of a source, at least 1; what stands behind is cut off and counted. Default 1,024.
    pub max_source_length: usize,
    /// Fewest tokens of a translation. Default 0. Where bounds contradict each other, the most counts.
    pub min_target_length: usize,
    /// Fewest tokens of a translation per source token, from 0. Default 0.
    pub min_target_ratio: f64,
    /// Most tokens of a translation; 0 for no such bound, the default.
    pub max_target_length: usize,
    /// Most tokens of a translation per source token, above 0. Default 2.
    pub max_target_ratio: f64,
    /// Tokens a translation may have beyond that. Default 10, since short sources vary most.
    pub max_target_extra: usize,
    /// Largest padded size of a batch, in source tokens, each counted once for every hypothesis of the beam; at least 1. Default
    /// 4,096.
    pub batch_tokens: usize,
    /// How hypotheses are found. Default `beam`.
    pub search: SearchKind,
    /// Hypotheses that are kept at every step, from 1 to the tokens of the vocabulary. Default 1, greedy search: the fastest.
    pub beam: usize,
    /// Groups of the beam that are to differ, a divisor of `beam`: see [`Diversity`]. Default 1.
    pub groups: usize,
    /// What a token loses for each time that an earlier group has taken it, nats, from 0. Default 0.5, as in the paper.
    pub diversity: f64,
    /// The exponent of [`LengthPenalty`], from -10 to 10: the higher, the longer what wins. Default 1,
    /// nearly the mean over tokens.
    pub length_penalty: f64,
    /// What it is the exponent of. Default `gnmt`.
    pub length_form: LengthForm,
    /// What hypotheses lose for each position of the source that they do not look at, from 0: see
    /// [`Translator::answer`](crate::Translator::answer). Default 0.
    pub coverage_penalty: f64,
    /// What is added to the rank of the end token, nats; above 0 for shorter translations. Default 0.
    pub end_bias: f64,
    /// No sequence of so many tokens stands in a translation twice; 0 for no such rule, the default.
    pub no_repeat_ngram: usize,
    /// What the log-probability of a token that the translation has already is multiplied by, above 0. Default 1, no such rule.
    pub repetition_penalty: f64,
    /// Tokens that are never taken, spelled as in the vocabulary. Default none.
    pub suppress: Vec<String>,
    /// Whether an unknown token in a translation becomes the word of the source that it looks at most: the raw one where the source
    /// has as many tokens as words. Default false.
    pub replace_unknown: bool,
    /// What samples are compared by, with `search = "mbr"`. Default `chrf`.
    pub utility: Utility,
    /// Hypotheses that are drawn of each source, with every `search` but `"beam"`. Default 1.
    pub samples: usize,
    /// Of draws: below 1 what is probable becomes more so. Above 0. Default 1.
    pub temperature: f64,
    /// Most probable tokens that may be drawn; 0 for all, the default.
    pub top_k: usize,
    /// Share of the probability that may be drawn, above 0, at most 1. Default 1.
    pub top_p: f64,
    /// Least probability of what may be drawn, relative to the highest, from 0 to 1. Default 0.
    pub min_p: f64,
    /// Seed of draws. Default 1.
    pub seed: u64,
}

/// How hypotheses are found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SearchKind {
    /// [`beam_search`](crate::beam_search).
    #[default]
    Beam,
    /// [`sample`](crate::sample()).
    Sample,
    /// [`sample_distinct`](crate::sample_distinct).
    Gumbel,
    /// The sample that is most like all the others: minimum Bayes risk.
    Mbr,
}

/// What minimum Bayes risk compares a sample with another by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Utility {
    /// [`Chrf`](regard_eval::chrf::Chrf) as it is by default: characters, up to six in a row.
    #[default]
    Chrf,
    /// [`Bleu`](regard_eval::bleu::Bleu) of one sentence: with effective order, and otherwise as it is by default.
    Bleu,
}

impl Default for DecodeConfig {
    fn default() -> Self {
        Self {
            max_source_length: 1024,
            min_target_length: 0,
            min_target_ratio: 0.0,
            max_target_length: 0,
            max_target_ratio: 2.0,
            max_target_extra: 10,
            batch_tokens: 4096,
            search: SearchKind::Beam,
            beam: 1,
            groups: 1,
            diversity: 0.5,
            length_penalty: 1.0,
            length_form: LengthForm::Gnmt,
            coverage_penalty: 0.0,
            end_bias: 0.0,
            no_repeat_ngram: 0,
            repetition_penalty: 1.0,
            suppress: Vec::new(),
            replace_unknown: false,
            utility: Utility::Chrf,
            samples: 1,
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            seed: 1,
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
            ("groups", self.groups),
            ("samples", self.samples),
        ] {
            if value == 0 {
                problems.push(format!("{key}: expected at least 1, got 0"));
            }
        }
        if self.groups > 0 && !self.beam.is_multiple_of(self.groups) {
            problems.push(format!(
                "groups: expected a divisor of `beam`, {}, got {}",
                self.beam, self.groups
            ));
        }
        for (key, value) in [
            ("max_target_ratio", self.max_target_ratio),
            ("repetition_penalty", self.repetition_penalty),
            ("temperature", self.temperature),
        ] {
            if !(value > 0.0 && value.is_finite()) {
                problems.push(format!("{key}: expected a number above 0, got {value}"));
            }
        }
        for (key, value) in [
            ("min_target_ratio", self.min_target_ratio),
            ("diversity", self.diversity),
            ("coverage_penalty", self.coverage_penalty),
        ] {
            if !(value >= 0.0 && value.is_finite()) {
                problems.push(format!("{key}: expected a number from 0, got {value}"));
            }
        }
        if self.search == SearchKind::Mbr && self.samples == 1 {
            problems.push(
                "samples: expected at least 2 to be compared by `search = \"mbr\"`, got 1".into(),
            );
        }
        if !self.end_bias.is_finite() {
            problems.push(format!(
                "end_bias: expected a number, got {}",
                self.end_bias
            ));
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            problems.push(format!(
                "top_p: expected a number above 0, at most 1, got {}",
                self.top_p
            ));
        }
        if !(0.0..=1.0).contains(&self.min_p) {
            problems.push(format!(
                "min_p: expected a number from 0 to 1, got {}",
                self.min_p
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

    /// Most hypotheses of a source that search hands out.
    pub fn hypotheses(&self) -> usize {
        match self.search {
            SearchKind::Beam => self.beam,
            SearchKind::Sample | SearchKind::Gumbel | SearchKind::Mbr => self.samples,
        }
    }

    /// How a beam is to be searched; `suppressed` are the ids of what is to be suppressed.
    pub fn beam_options(&self, suppressed: &[u32]) -> BeamOptions {
        BeamOptions {
            beam: self.beam,
            length_penalty: LengthPenalty {
                alpha: self.length_penalty,
                form: self.length_form,
            },
            diversity: Diversity {
                groups: self.groups,
                strength: self.diversity,
            },
            rules: self.rules(suppressed),
        }
    }

    /// How hypotheses are to be drawn, likewise.
    pub fn sample_options(&self, suppressed: &[u32]) -> SampleOptions {
        SampleOptions {
            samples: self.samples,
            temperature: self.temperature,
            top_k: self.top_k,
            top_p: self.top_p,
            min_p: self.min_p,
            seed: self.seed,
            rules: self.rules(suppressed),
        }
    }

    pub(crate) fn rules(&self, suppressed: &[u32]) -> Rules {
        Rules {
            end_bias: self.end_bias,
            no_repeat_ngram: self.no_repeat_ngram,
            repetition_penalty: self.repetition_penalty,
            suppressed: suppressed.to_vec(),
        }
    }

    /// How many tokens a translation of `source_length` tokens may have.
    pub fn target_length(&self, source_length: usize) -> TargetLength {
        let most = self.target_limit(source_length);
        let least = scaled(source_length, self.min_target_ratio).max(self.min_target_length);
        TargetLength {
            least: least.min(most),
            most,
        }
    }

    /// Most tokens of a translation of `source_length` tokens.
    pub fn target_limit(&self, source_length: usize) -> usize {
        let most = scaled(source_length, self.max_target_ratio);
        let most = most.saturating_add(self.max_target_extra);
        match self.max_target_length {
            0 => most,
            bound => most.min(bound),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "ratios are from 0 on, and what is too large saturates"
)]
fn scaled(length: usize, ratio: f64) -> usize {
    (length as f64 * ratio).round() as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hand_computed() {
        let config = DecodeConfig {
            min_target_length: 4,
            min_target_ratio: 0.5,
            max_target_length: 20,
            max_target_ratio: 1.5,
            max_target_extra: 3,
            ..DecodeConfig::default()
        };
        for (source, least, most) in [(0, 3, 3), (4, 4, 9), (10, 5, 18), (12, 6, 20), (50, 20, 20)]
        {
            assert_eq!(config.target_length(source), TargetLength { least, most });
        }
        let free = DecodeConfig::default().target_length(7);
        assert_eq!(free, TargetLength { least: 0, most: 24 });
    }
}
