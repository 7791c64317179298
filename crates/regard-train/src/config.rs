//! A run's whole configuration.

use std::path::Path;

use regard_decode::{
    BundleConfig, DecodeConfig, FORMAT, Problems, check_format, check_sections, parse, read_model,
    read_section,
};
use regard_nn::ModelConfig;
use regard_text::{DataConfig, TokenizerConfig};
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::{AdamConfig, SamplingConstants, SamplingDecay, Schedule, TrainError};

/// The `[train]` section.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainConfig {
    /// Number of updates after which training ends, at least 1. Default 10,000.
    pub steps: u64,
    /// Every random draw of the run comes from it. At most 2^63 - 1, since TOML has no larger integer. Default 1.
    pub seed: u64,
    /// Peak of the learning rate, above 0. Default 0.001: works for widths up to 512 with pre-norm.
    pub learning_rate: f64,
    /// What the rate does after the warm-up. Default `inverse_sqrt`, as in the transformer paper.
    pub schedule: Schedule,
    /// Steps over which the rate grows from 0 to its peak. Default 1,000.
    pub warmup: u64,
    /// Step at which the `cosine` schedule reaches 0; the others do not read it. Default 10,000.
    pub horizon: u64,
    /// Decay of Adam's first moment, in `[0, 1)`. Default 0.9.
    pub beta1: f64,
    /// Decay of Adam's second moment, in `[0, 1)`. Default 0.98, as in the transformer paper.
    pub beta2: f64,
    /// Adam's epsilon, above 0. Default 1e-9, as in the transformer paper.
    pub epsilon: f64,
    /// Gradients whose global norm is larger are scaled down to it; above 0. Default 1.
    pub clip_norm: f64,
    /// Share of the target's probability that is spread over all classes, in `[0, 1)`. Default 0.1.
    pub label_smoothing: f64,
    /// Weight of the divergence between two passes with different dropout (R-Drop), from 0; 0 makes one pass, above it a step
    /// costs twice as much. Default 0.
    pub r_drop: f64,
    /// How the share of true tokens among what the decoder reads falls: scheduled sampling. Default `none`: teacher forcing.
    pub scheduled_sampling: SamplingDecay,
    /// k of the decay; with a decay. Default 1 for `linear`, 0.9999 for `exponential`, 1,000 for `inverse_sigmoid`.
    pub sampling_k: Option<f64>,
    /// By how much the share falls at each step, from 0; with `linear`. Default 0.0001.
    pub sampling_slope: Option<f64>,
    /// Where the share stops falling, in `[0, 1]`; with `linear`. Default 0.
    pub sampling_floor: Option<f64>,
    /// Batches whose gradients are summed for one update, at least 1. Default 1.
    pub accumulate: usize,
    /// Steps between two lines of the log, at least 1. Default 50.
    pub log_every: u64,
    /// Steps between two validations, at least 1. Default 500.
    pub validate_every: u64,
    /// Steps between two checkpoints, at least 1. Default 500.
    pub checkpoint_every: u64,
    /// Checkpoints that are kept, at least 1; the best is kept besides. Default 3.
    pub keep: usize,
    /// Sentences of the validation set that are translated at each validation, into `samples/` and `attention/`; none with 0.
    /// Default 3.
    pub samples: usize,
    /// Whether event files for `TensorBoard` are written, into `tensorboard/`. Default false.
    pub tensorboard: bool,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            steps: 10_000,
            seed: 1,
            learning_rate: 1e-3,
            schedule: Schedule::InverseSqrt,
            warmup: 1_000,
            horizon: 10_000,
            beta1: 0.9,
            beta2: 0.98,
            epsilon: 1e-9,
            clip_norm: 1.0,
            label_smoothing: 0.1,
            r_drop: 0.0,
            scheduled_sampling: SamplingDecay::None,
            sampling_k: None,
            sampling_slope: None,
            sampling_floor: None,
            accumulate: 1,
            log_every: 50,
            validate_every: 500,
            checkpoint_every: 500,
            keep: 3,
            samples: 3,
            tensorboard: false,
        }
    }
}

impl TrainConfig {
    /// The learning rate of step `step`, counted from 1.
    pub fn rate(&self, step: u64) -> f64 {
        self.schedule
            .rate(step, self.learning_rate, self.warmup, self.horizon)
    }

    /// The same with every key said that its decay reads.
    #[must_use]
    pub fn resolved(self) -> Self {
        let constants = self.sampling();
        let decay = self.scheduled_sampling;
        let is_linear = decay == SamplingDecay::Linear;
        Self {
            sampling_k: (decay != SamplingDecay::None).then_some(constants.k),
            sampling_slope: is_linear.then_some(constants.slope),
            sampling_floor: is_linear.then_some(constants.floor),
            ..self
        }
    }

    fn sampling(&self) -> SamplingConstants {
        SamplingConstants {
            k: self
                .sampling_k
                .unwrap_or(self.scheduled_sampling.default_k()),
            slope: self.sampling_slope.unwrap_or(1e-4),
            floor: self.sampling_floor.unwrap_or(0.0),
        }
    }

    /// The share of true tokens that the decoder reads at step `step`, counted from 1.
    pub fn gold(&self, step: u64) -> f64 {
        self.scheduled_sampling.gold(step, self.sampling())
    }

    /// The constants of its optimiser.
    pub fn adam(&self) -> AdamConfig {
        AdamConfig {
            beta1: self.beta1,
            beta2: self.beta2,
            epsilon: self.epsilon,
        }
    }

    /// Everything that is wrong, one sentence each, beginning with the key.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for (key, value) in [
            ("steps", self.steps),
            ("accumulate", self.accumulate as u64),
            ("log_every", self.log_every),
            ("validate_every", self.validate_every),
            ("checkpoint_every", self.checkpoint_every),
            ("keep", self.keep as u64),
        ] {
            if value == 0 {
                problems.push(format!("{key}: expected at least 1, got 0"));
            }
        }
        for (key, value) in [
            ("learning_rate", self.learning_rate),
            ("epsilon", self.epsilon),
            ("clip_norm", self.clip_norm),
        ] {
            if !(value > 0.0 && value.is_finite()) {
                problems.push(format!("{key}: expected a number above 0, got {value}"));
            }
        }
        for (key, value) in [
            ("beta1", self.beta1),
            ("beta2", self.beta2),
            ("label_smoothing", self.label_smoothing),
        ] {
            if !(0.0..1.0).contains(&value) {
                problems.push(format!("{key}: expected a number in [0, 1), got {value}"));
            }
        }
        if !(self.r_drop >= 0.0 && self.r_drop.is_finite()) {
            problems.push(format!(
                "r_drop: expected a number from 0, got {}",
                self.r_drop
            ));
        }
        problems.extend(self.sampling_problems());
        if i64::try_from(self.seed).is_err() {
            problems.push(format!(
                "seed: expected at most {}, got {}",
                i64::MAX,
                self.seed
            ));
        }
        if self.schedule == Schedule::Cosine && self.horizon <= self.warmup {
            problems.push(format!(
                "horizon: expected more than warmup = {}, got {}",
                self.warmup, self.horizon
            ));
        }
        problems
    }
}

impl TrainConfig {
    fn sampling_problems(&self) -> Vec<String> {
        use SamplingDecay::{Exponential, InverseSigmoid, Linear};
        let decay = self.scheduled_sampling;
        let mut problems = Vec::new();
        let keys = [
            (
                "sampling_k",
                self.sampling_k,
                &[Linear, Exponential, InverseSigmoid][..],
            ),
            ("sampling_slope", self.sampling_slope, &[Linear]),
            ("sampling_floor", self.sampling_floor, &[Linear]),
        ];
        for (key, value, readers) in keys {
            if value.is_some() && !readers.contains(&decay) {
                let reader = match readers {
                    [_] => "`scheduled_sampling = \"linear\"`",
                    _ => "scheduled sampling",
                };
                problems.push(format!("{key}: is read with {reader} only"));
            }
        }
        let (range, is_sound): (_, fn(f64) -> bool) = match decay {
            SamplingDecay::None | Linear => ("a number above 0", |k| k > 0.0 && k.is_finite()),
            Exponential => ("a number in (0, 1)", |k| k > 0.0 && k < 1.0),
            InverseSigmoid => ("a number from 1", |k| k >= 1.0 && k.is_finite()),
        };
        if let Some(k) = self.sampling_k.filter(|&k| !is_sound(k)) {
            problems.push(format!("sampling_k: expected {range}, got {k}"));
        }
        if let Some(slope) = self
            .sampling_slope
            .filter(|slope| slope.is_nan() || *slope < 0.0)
        {
            problems.push(format!(
                "sampling_slope: expected a number from 0, got {slope}"
            ));
        }
        if let Some(floor) = self
            .sampling_floor
            .filter(|floor| !(0.0..=1.0).contains(floor))
        {
            problems.push(format!(
                "sampling_floor: expected a number in [0, 1], got {floor}"
            ));
        }
        problems
    }
}

/// One file, one experiment: the sections `[data] [tokenizer] [model] [train] [decode]`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunConfig {
    /// Where pairs come from.
    pub data: DataConfig,
    /// How text becomes ids.
    pub tokenizer: TokenizerConfig,
    /// What is trained.
    pub model: ModelConfig,
    /// How.
    pub train: TrainConfig,
    /// How text is translated.
    pub decode: DecodeConfig,
}

/// Keys of a run's `config.toml` outside the sections.
const STAMPS: [&str; 2] = ["format", "regard"];
const SECTIONS: [&str; 5] = ["data", "tokenizer", "model", "train", "decode"];

/// Keys of `[train]` that a resumed run may change: none of them touches a result already reached.
const MAY_CHANGE: [&str; 7] = [
    "steps",
    "log_every",
    "validate_every",
    "checkpoint_every",
    "keep",
    "samples",
    "tensorboard",
];

impl RunConfig {
    /// Reads a configuration file, with `overrides` (`section.key=value`) applied.
    ///
    /// # Errors
    ///
    /// All problems together, each with its key.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Self, TrainError> {
        let mut table = parse(path)?;
        check_format(path, &table)?;
        for assignment in overrides {
            set_key(&mut table, assignment)?;
        }
        Self::from_table(path, &table)
    }

    fn from_table(path: &Path, table: &Table) -> Result<Self, TrainError> {
        let mut problems = Problems::default();
        check_sections(
            table,
            &[SECTIONS.as_slice(), &STAMPS].concat(),
            &mut problems,
        );
        let config = Self {
            data: read_section(table, "data", &mut problems),
            tokenizer: read_section(table, "tokenizer", &mut problems),
            model: read_model(table, &mut problems),
            train: read_section(table, "train", &mut problems),
            decode: read_section(table, "decode", &mut problems),
        };
        let mut found = Problems::default();
        config.check(&mut found);
        // A corpus that could not be read is reported as such; that it is missing now would be said in vain.
        let section = table.get("data").and_then(Value::as_table);
        let unread = |key: &str, absent: bool| {
            absent && section.is_some_and(|section| section.contains_key(key))
        };
        if unread("generate", config.data.generate.is_none())
            || unread("train", config.data.train.is_none())
        {
            found.forget("`data.train`: expected `data.train` or");
        }
        problems.append(found);
        Ok(problems.or(path, config)?.resolved())
    }

    /// The same with every key said that is read.
    #[must_use]
    pub fn resolved(self) -> Self {
        Self {
            model: self.model.resolved(),
            train: self.train.resolved(),
            ..self
        }
    }

    /// Notes everything that is wrong.
    pub fn check(&self, problems: &mut Problems) {
        problems.extend(self.data.problems());
        let bundle = BundleConfig {
            tokenizer: self.tokenizer.clone(),
            model: self.model.clone(),
            decode: self.decode.clone(),
        };
        bundle.check(problems);
        problems.add_section("train", self.train.problems());
        // A source has its end besides, a target its start.
        let needed = self.data.max_length.saturating_add(1);
        if let Some(positions) = self.model.max_positions().filter(|&most| most < needed) {
            problems.add(format!(
                "`model.max_positions`: expected at least {needed}, for `data.max_length` tokens and one more, got {positions}"
            ));
        }
    }

    /// The configuration as a run keeps it: every key, and who wrote it.
    ///
    /// # Panics
    ///
    /// Never: every section is a table of plain values.
    pub fn to_toml(&self) -> String {
        let sections = Table::try_from(self).expect("sections are tables of plain values");
        let body = toml::to_string(&sections).expect("a table can be written");
        format!(
            "format = {FORMAT}\nregard = \"{}\"\n\n{body}",
            env!("CARGO_PKG_VERSION")
        )
    }

    /// `self` for the run whose configuration is `earlier`, if they differ only in what a resumed run may change.
    ///
    /// # Errors
    ///
    /// [`TrainError::ConfigChanged`] with every other key that differs.
    pub fn resuming(self, earlier: &Self) -> Result<Self, TrainError> {
        let table = |config: &Self| Table::try_from(config).unwrap_or_default();
        let (ours, theirs) = (table(&self), table(earlier));
        let mut keys = Vec::new();
        differences("", &ours, &theirs, &mut keys);
        keys.retain(|(key, _)| {
            !MAY_CHANGE
                .iter()
                .any(|allowed| *key == format!("train.{allowed}"))
        });
        if keys.is_empty() {
            return Ok(self);
        }
        let keys = keys.into_iter().map(|(_, clause)| clause).collect();
        Err(TrainError::ConfigChanged { keys })
    }
}

fn differences(prefix: &str, ours: &Table, theirs: &Table, found: &mut Vec<(String, String)>) {
    let names: std::collections::BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
    for name in names {
        let key = format!("{prefix}{name}");
        match (ours.get(name), theirs.get(name)) {
            (Some(Value::Table(a)), Some(Value::Table(b))) => {
                differences(&format!("{key}."), a, b, found);
            }
            (a, b) if a == b => {}
            (a, b) => {
                let show =
                    |value: Option<&Value>| value.map_or("nothing".into(), ToString::to_string);
                let clause = format!("`{key}` was {} and is now {}", show(b), show(a));
                found.push((key, clause));
            }
        }
    }
}

/// Applies `section.key=value`; the value is read as TOML, or as a string where that fails.
///
/// # Errors
///
/// [`TrainError::Set`] if there is no `=`, or a part of the key is not a table.
pub fn set_key(config: &mut Table, assignment: &str) -> Result<(), TrainError> {
    let refused = |key: &str, reason: &str| TrainError::Set {
        key: key.into(),
        reason: reason.into(),
    };
    let (key, text) = assignment
        .split_once('=')
        .ok_or_else(|| refused(assignment, "expected `section.key=value`"))?;
    let value = format!("value = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(text.into()));

    let (parents, name) = key
        .rsplit_once('.')
        .ok_or_else(|| refused(key, "expected `section.key`"))?;
    let mut table = config;
    for part in parents.split('.') {
        table = table
            .entry(part)
            .or_insert_with(|| Value::Table(Table::new()))
            .as_table_mut()
            .ok_or_else(|| refused(key, &format!("`{part}` is a value, not a table")))?;
    }
    table.insert(name.into(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use regard_nn::{
        Activation, NormKind, Normalizer, PositionKind, SelfAttentionKind, SinusoidLayout,
        TransformerConfig, Wavelengths,
    };

    const MINIMAL: &str = "[data]\ngenerate = { task = \"copy\", pairs = 10, seed = 1 }\n[model]\nkind = \"transformer\"\n";

    fn config(text: &str) -> Result<RunConfig, TrainError> {
        RunConfig::from_table(Path::new("test.toml"), &text.parse().unwrap())
    }

    #[test]
    fn what_is_written_reads_back_the_same() {
        let once = config(MINIMAL).unwrap();
        let twice = config(&once.to_toml()).unwrap();
        assert_eq!(once, twice);
    }

    /// `[model]` as a run wrote it when these were all of its keys.
    const EARLIER: &str = "format = 1\nregard = \"0.1.0\"\n\n[data]\ngenerate = { task = \"copy\", pairs = 10, seed = 1 }\n\n\
        [model]\nkind = \"transformer\"\nd_model = 256\nn_heads = 4\nd_ff = 1024\nencoder_layers = 3\ndecoder_layers = 3\n\
        dropout = 0.1\nattention_dropout = 0.0\nembedding_dropout = 0.1\nresidual = \"pre\"\ntie = \"all\"\n";

    #[test]
    fn an_earlier_configuration_is_the_model_that_it_was() {
        let model = |tie| {
            let text = EARLIER.replace("\"all\"", &format!("\"{tie}\""));
            match config(&text).unwrap().model {
                ModelConfig::Transformer(model) => model,
                other => panic!("expected a transformer, got {other:?}"),
            }
        };
        let as_it_was = TransformerConfig {
            attention: SelfAttentionKind::Full,
            n_kv_heads: Some(4),
            query_key_norm: false,
            normalizer: Normalizer::Softmax,
            positions: PositionKind::Sinusoidal,
            sinusoid_layout: Some(SinusoidLayout::Interleaved),
            sinusoid_wavelengths: Some(Wavelengths::Paper),
            position_start: Some(0),
            norm: NormKind::Layer,
            norm_epsilon: 1e-5,
            activation: Activation::Relu,
            bias: true,
            embedding_scale: true,
            output_bias: Some(false),
            ..TransformerConfig::default()
        };
        assert_eq!(model("all"), as_it_was);
        assert_eq!(TransformerConfig::default().resolved(), as_it_was);
        for (tie, has_bias) in [("all", false), ("output", false), ("none", true)] {
            assert_eq!(model(tie).output_bias, Some(has_bias), "{tie}");
        }
    }

    #[test]
    fn a_run_keeps_the_constants_of_its_decay() {
        let text = format!("{MINIMAL}[train]\nscheduled_sampling = \"exponential\"\n");
        let train = config(&text).unwrap().train;
        assert_eq!(train.sampling_k, Some(0.9999));
        assert_eq!(train.sampling_floor, None);
        assert!((train.gold(2) - 0.9998).abs() < 1e-7);
    }

    #[test]
    fn keys_of_scheduled_sampling_fit_their_decay() {
        let train = |change: &dyn Fn(&mut TrainConfig)| {
            let mut train = TrainConfig::default();
            change(&mut train);
            train.problems()
        };
        let none = train(&|train| train.sampling_k = Some(0.5));
        assert_eq!(none, ["sampling_k: is read with scheduled sampling only"]);
        let exponential = train(&|train| {
            train.scheduled_sampling = SamplingDecay::Exponential;
            train.sampling_k = Some(1.0);
            train.sampling_floor = Some(0.1);
        });
        assert_eq!(
            exponential,
            [
                "sampling_floor: is read with `scheduled_sampling = \"linear\"` only",
                "sampling_k: expected a number in (0, 1), got 1",
            ]
        );
        let linear = train(&|train| {
            train.scheduled_sampling = SamplingDecay::Linear;
            train.sampling_slope = Some(f64::NAN);
            train.sampling_floor = Some(1.5);
        });
        assert_eq!(
            linear,
            [
                "sampling_slope: expected a number from 0, got NaN",
                "sampling_floor: expected a number in [0, 1], got 1.5",
            ]
        );
    }

    #[test]
    fn problems_of_all_sections_come_together() {
        let text = "[data]\n[model]\nkind = \"transfomer\"\nd_model = 130\nn_head = 2\n[train]\nsteps = \"many\"\nclip_norm = 0\n[modle]\n";
        let error = config(text).unwrap_err().to_string();
        for part in [
            "`[modle]`: unknown section; did you mean `model`?",
            "`model.kind`: unknown kind `transfomer`; did you mean `transformer`?",
            "`model.n_head`: unknown key; did you mean `n_heads`?",
            "`model.d_model`: expected a multiple of n_heads = 4, got 130",
            "`train.steps`: invalid type: string \"many\", expected u64",
            "`train.clip_norm`: expected a number above 0, got 0",
            "`data.train`",
        ] {
            assert!(error.contains(part), "`{part}` is not in:\n{error}");
        }
    }

    #[test]
    fn learned_positions_must_reach_as_far_as_the_data() {
        let positions = |keys: &str| config(&format!("{MINIMAL}positions = \"learned\"\n{keys}\n"));
        assert!(positions("max_positions = 201").is_ok());
        let error = positions("max_positions = 200").unwrap_err().to_string();
        let expected = "`model.max_positions`: expected at least 201, for `data.max_length` tokens and one more, got 200";
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn set_takes_toml_values_and_else_strings() {
        let mut table: Table = MINIMAL.parse().unwrap();
        for assignment in [
            "train.steps=7",
            "data.generate.task=copy",
            "model.dropout=0.3",
        ] {
            set_key(&mut table, assignment).unwrap();
        }
        assert_eq!(table["train"]["steps"].as_integer(), Some(7));
        assert_eq!(table["data"]["generate"]["task"].as_str(), Some("copy"));
        assert_eq!(table["model"]["dropout"].as_float(), Some(0.3));
        assert!(set_key(&mut table, "train").is_err());
        assert!(set_key(&mut table, "model.kind.x=1").is_err());
    }

    #[test]
    fn resuming_may_change_steps_and_nothing_that_matters() {
        let earlier = config(MINIMAL).unwrap();
        let mut later = earlier.clone();
        later.train.steps = 20_000;
        assert!(later.clone().resuming(&earlier).is_ok());
        later.train.learning_rate = 0.5;
        let error = later.resuming(&earlier).unwrap_err().to_string();
        assert!(
            error.contains("`train.learning_rate` was 0.001 and is now 0.5"),
            "{error}"
        );
    }
}
