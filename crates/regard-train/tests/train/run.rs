//! Whole runs through the library.

use regard_decode::{Checkpoint, RunDirectory, Translator};
use regard_nn::{ModelConfig, TransformerConfig};
use regard_text::corpus::ReadReport;
use regard_text::toy::{Generate, Task};
use regard_text::{DataConfig, TokenizerConfig};
use regard_train::{
    Outcome, Progress, Report, RunConfig, TrainConfig, TrainError, TrainOptions, Validation, train,
};
use std::sync::atomic::AtomicBool;

pub(crate) fn config() -> RunConfig {
    RunConfig {
        data: DataConfig {
            generate: Some(Generate {
                pairs: 100,
                max_length: Some(5),
                ..Generate::new(Task::Copy)
            }),
            batch_tokens: 128,
            // The working directory of tests is the source's.
            cache: env!("CARGO_TARGET_TMPDIR").into(),
            ..DataConfig::default()
        },
        tokenizer: TokenizerConfig::default(),
        model: ModelConfig::Transformer(TransformerConfig {
            d_model: 8,
            n_heads: 2,
            d_ff: 16,
            encoder_layers: 1,
            decoder_layers: 1,
            ..TransformerConfig::default()
        }),
        train: TrainConfig {
            steps: 6,
            warmup: 2,
            log_every: 2,
            validate_every: 3,
            checkpoint_every: 2,
            ..TrainConfig::default()
        },
        decode: regard_decode::DecodeConfig::default(),
    }
}

/// Everything that training told, one word each.
#[derive(Default)]
pub(crate) struct Told(Vec<String>);

impl Report for Told {
    fn started(&mut self, parameters: usize, train: &ReadReport, valid: usize) {
        assert!(parameters > 0);
        self.0.push(format!("started {} {valid}", train.kept()));
    }

    fn stepped(&mut self, progress: &Progress) {
        assert!(progress.nats.is_finite() && progress.tokens > 0);
        self.0
            .push(format!("step {}/{}", progress.step, progress.steps));
    }

    fn validated(&mut self, validation: &Validation, _: bool) {
        assert!((validation.perplexity.ln() - validation.nats).abs() < 1e-9);
        self.0.push(format!("validated {}", validation.step));
    }

    fn saved(&mut self, step: u64) {
        self.0.push(format!("saved {step}"));
    }
}

#[test]
fn a_run_tells_what_it_does_and_loads_again() {
    let directory = tempfile::tempdir().unwrap();
    let options = TrainOptions {
        run: directory.path().join("run"),
        resume: false,
        init: None,
        devices: vec![crate::device()],
    };
    let mut told = Told::default();
    let outcome = train(config(), &options, &AtomicBool::new(false), &mut told).unwrap();
    assert_eq!(outcome, Outcome::Finished);
    let expected = [
        "started 100 1000",
        "step 1/6",
        "step 2/6",
        "saved 2",
        "step 3/6",
        "validated 3",
        "saved 3",
        "step 4/6",
        "saved 4",
        "step 5/6",
        "step 6/6",
        "validated 6",
        "saved 6",
    ];
    assert_eq!(told.0, expected);

    let run = RunDirectory::open(&options.run).unwrap();
    assert_eq!(run.find(Checkpoint::Last).unwrap(), 6);
    assert_eq!(Validation::read(&run).unwrap().len(), 2);
    assert_eq!(
        RunConfig::load(&run.config(), &[]).unwrap(),
        config().resolved(),
        "the configuration is kept whole"
    );
    let translator = Translator::from_run(&options.run, &crate::device()).unwrap();
    assert_eq!(
        translator.translate_batch(&["a b", ""]).unwrap()[1].text,
        ""
    );
}

#[test]
fn a_stop_comes_after_the_step_and_its_checkpoint() {
    let directory = tempfile::tempdir().unwrap();
    let options = TrainOptions {
        run: directory.path().join("run"),
        resume: false,
        init: None,
        devices: vec![crate::device()],
    };
    let mut told = Told::default();
    let outcome = train(config(), &options, &AtomicBool::new(true), &mut told).unwrap();
    assert_eq!(outcome, Outcome::Stopped);
    assert_eq!(told.0, ["started 100 1000", "step 1/6", "saved 1"]);
}

#[test]
fn a_configuration_made_by_hand_is_checked_too() {
    let directory = tempfile::tempdir().unwrap();
    let options = TrainOptions {
        run: directory.path().join("run"),
        resume: false,
        init: None,
        devices: vec![crate::device()],
    };
    let mut config = config();
    config.train.steps = 0;
    config.train.seed = u64::MAX;
    config.data.batch_tokens = 0;
    let error = train(
        config,
        &options,
        &AtomicBool::new(false),
        &mut Told::default(),
    )
    .unwrap_err();
    assert!(matches!(error, TrainError::Decode(_)), "{error}");
    let message = error.to_string();
    for key in ["`train.steps`", "`train.seed`", "`data.batch_tokens`"] {
        assert!(message.contains(key), "{message}");
    }
    assert!(!options.run.exists());
}
