//! Optimisers: against PyTorch, in steps that are cut, saved and loaded.

use std::path::Path;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData};
use regard_decode::{NamedTensor, ParameterPath, parameters};
use regard_kernels::is_gpu;
use regard_nn::{Embedding, Init, LayerNorm, Linear, LossSum, Pass};
use regard_train::ParameterGroup::{self, Bias, Norm};
use regard_train::{
    Objective, Optimizer, OptimizerKind, Part, Schedule, TeacherForcing, TrainConfig, TrainError,
    Trainer,
};
use safetensors::SafeTensors;

use crate::update::{batches, config, examples, largest_difference, saved, trainer};

const KINDS: [OptimizerKind; 5] = [
    OptimizerKind::Adam,
    OptimizerKind::Adamw,
    OptimizerKind::Adafactor,
    OptimizerKind::Lion,
    OptimizerKind::Sgd,
];

fn with(optimizer: OptimizerKind) -> TrainConfig {
    TrainConfig {
        optimizer,
        learning_rate: None,
        ..config()
    }
}

/// One parameter of each group, and a second matrix.
#[derive(Module, Debug)]
struct Parts {
    token_embedding: Embedding,
    norm: LayerNorm,
    linear: Linear,
}

/// Element `i` of the tensor `name`, in `[-1, 1)`: `scripts/parity/formula.py` says how.
fn number(name: &str, i: usize) -> f32 {
    const GOLDEN: u32 = 0x9e37_79b9;
    let start = name.bytes().fold(0_u32, |x, byte| {
        x.wrapping_mul(31).wrapping_add(u32::from(byte))
    });
    let i = u32::try_from(i).unwrap();
    let mut x = start.wrapping_add((i + 1).wrapping_mul(GOLDEN));
    for _ in 0..2 {
        x = (x ^ (x >> 15)).wrapping_mul(GOLDEN);
    }
    ((x ^ (x >> 15)) >> 12) as f32 / 524_288.0 - 1.0
}

/// Makes parameters by formula.
#[derive(Default)]
struct Fill(ParameterPath);

impl ModuleMapper for Fill {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.0.enter(name, container_type);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.0.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let name = self.0.name();
        let centre = f32::from(u8::from(name.ends_with("norm.weight")));
        param.map(|old| {
            let values = (0..old.shape().num_elements())
                .map(|i| centre + number(&name, i) / 2.0)
                .collect();
            let data = TensorData::new::<f32, _>(values, old.dims());
            Tensor::from_data(data, &old.device()).require_grad()
        })
    }
}

/// The sum of parameters times numbers by formula, which are then the gradient. The batch is the number of the step.
struct Given;

struct Products {
    step: u64,
    path: ParameterPath,
    sum: Tensor<1>,
}

impl ModuleVisitor for Products {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let value = param.val();
        let name = format!("gradient/{}/{}", self.step, self.path.name());
        let n = value.shape().num_elements();
        let gradient: Vec<f32> = (0..n).map(|i| number(&name, i)).collect();
        let gradient = TensorData::new(gradient, value.dims());
        let gradient = Tensor::<D>::from_data(gradient, &value.device());
        self.sum = self.sum.clone() + (value * gradient).sum();
    }
}

impl Objective for Given {
    type Model = Parts;
    type Batch = u64;

    fn loss(&self, model: &Parts, step: &u64, _: &Pass) -> LossSum {
        let device = crate::device();
        let mut products = Products {
            step: *step,
            path: ParameterPath::default(),
            sum: Tensor::zeros([1], &device.clone().autodiff()),
        };
        model.visit(&mut products);
        LossSum {
            objective: products.sum,
            nats: Tensor::zeros([1], &device),
            tokens: 1,
        }
    }
}

/// Five updates of the case `name`, each within a millionth of PyTorch's, by the largest element.
fn check(name: &str, optimizer: OptimizerKind, rate: f64, change: TrainConfig) {
    let fixture = include_bytes!("../fixtures/optimizers.safetensors");
    let fixture = SafeTensors::deserialize(fixture).unwrap();
    let config = TrainConfig {
        optimizer,
        learning_rate: Some(rate),
        schedule: Schedule::Constant,
        warmup: 0,
        clip_norm: 1e30,
        ..change
    };
    assert_eq!(config.problems(), Vec::<String>::new(), "{name}");
    let init = Init::new(1, &crate::device().autodiff());
    let parts = Parts {
        token_embedding: Embedding::new(11, 7, &init.at("embedding")),
        norm: LayerNorm::new(7, &init.at("norm")),
        linear: Linear::new(7, 13, &init.at("linear")),
    };
    let optimizer = Optimizer::new(config.optimizer());
    let mut trainer = Trainer::new(Given, config, parts.map(&mut Fill::default()), optimizer, 0);
    for step in 1..=5 {
        trainer = trainer.update(&[Part::new(step, 1)]).unwrap().0;
        let got = parameters(trainer.model());
        assert_eq!(got.len(), 5);
        for tensor in got {
            let what = format!("{name}/{step}/{}", tensor.name);
            let view = fixture.tensor(&what).unwrap();
            assert_eq!(view.shape(), tensor.shape, "{what}");
            let (quads, _) = view.data().as_chunks::<4>();
            let expected: Vec<f32> = quads.iter().map(|&quad| f32::from_le_bytes(quad)).collect();
            let largest = expected.iter().fold(0.0_f32, |most, x| most.max(x.abs()));
            for (got, expected) in tensor.values.iter().zip(&expected) {
                let off = (got - expected).abs() / largest;
                assert!(off <= 1e-6, "{what}: {got}, expected {expected}");
            }
        }
    }
}

#[test]
fn adam_and_adamw_are_those_of_pytorch() {
    use OptimizerKind::{Adam, Adamw};
    let decaying = |exclude: Option<Vec<ParameterGroup>>| TrainConfig {
        weight_decay: Some(0.5),
        decay_exclude: exclude,
        ..TrainConfig::default()
    };
    check("adam", Adam, 0.1, TrainConfig::default());
    let other = TrainConfig {
        beta1: Some(0.5),
        beta2: Some(0.75),
        epsilon: Some(0.1),
        ..TrainConfig::default()
    };
    check("adam/other", Adam, 0.3, other);
    check("adamw", Adamw, 0.1, decaying(None));
    let embedding = decaying(Some(vec![ParameterGroup::Embedding]));
    check("adamw/embedding", Adamw, 0.1, embedding);
    check("adamw/all", Adamw, 0.1, decaying(Some(Vec::new())));
}

#[test]
fn adafactor_is_that_of_pytorch_and_of_the_paper() {
    let kind = OptimizerKind::Adafactor;
    check("adafactor", kind, 0.25, TrainConfig::default());
    let other = TrainConfig {
        update_clip: Some(1.0625),
        weight_decay: Some(0.5),
        decay_exclude: Some(vec![Bias]),
        ..TrainConfig::default()
    };
    check("adafactor/other", kind, 0.25, other);
    let plain = TrainConfig {
        relative_rate: Some(false),
        update_clip: Some(0.75),
        weight_decay: Some(0.5),
        ..TrainConfig::default()
    };
    check("adafactor/plain", kind, 0.1, plain);
}

#[test]
fn lion_is_that_of_the_paper() {
    let kind = OptimizerKind::Lion;
    let decaying = TrainConfig {
        weight_decay: Some(0.5),
        ..TrainConfig::default()
    };
    check("lion", kind, 0.125, decaying);
    let other = TrainConfig {
        beta1: Some(0.5),
        beta2: Some(0.75),
        weight_decay: Some(0.0),
        ..TrainConfig::default()
    };
    check("lion/other", kind, 0.1, other);
}

#[test]
fn sgd_is_that_of_pytorch() {
    let kind = OptimizerKind::Sgd;
    let sgd = |momentum, nesterov, weight_decay| TrainConfig {
        momentum: Some(momentum),
        nesterov: Some(nesterov),
        weight_decay: Some(weight_decay),
        decay_exclude: Some(vec![Norm, Bias]),
        ..TrainConfig::default()
    };
    check("sgd", kind, 0.1, sgd(0.0, false, 0.0));
    check("sgd/decay", kind, 0.1, sgd(0.0, false, 0.5));
    check("sgd/momentum", kind, 0.1, sgd(0.9, false, 0.5));
    check("sgd/nesterov", kind, 0.1, sgd(0.75, true, 0.5));
}

#[test]
fn cutting_a_step_into_batches_changes_nothing_but_rounding() {
    let examples = examples();
    for kind in KINDS {
        let step = |parts: &[&[_]]| {
            let (trainer, _) = trainer(0.3, with(kind)).update(&batches(parts)).unwrap();
            // What is kept shows every difference of the gradient; an update may be as large for any, or have its sign.
            saved(trainer.optimizer())
        };
        let whole = step(&[&examples]);
        for cut in [1, 4] {
            let parts = step(&[&examples[..cut], &examples[cut..]]);
            let difference = largest_difference(&whole, &parts);
            assert!(difference < 1e-6, "{kind:?}, cut at {cut}: {difference}");
            // Squares are far below 1.
            for (whole, part) in whole.iter().zip(&parts) {
                let largest = whole
                    .values
                    .iter()
                    .fold(0.0_f32, |most, x| most.max(x.abs()));
                let pairs = whole.values.iter().zip(&part.values);
                let off = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(
                    off <= 1e-4 * largest,
                    "{kind:?}: {} is off by {off}",
                    whole.name
                );
            }
        }
    }
}

#[test]
fn every_rule_learns_a_batch() {
    let batch = batches(&[&examples()]);
    // A hundred steps are few for the defaults, which are for long runs.
    for (kind, rate) in KINDS.into_iter().zip([1e-2, 1e-2, 1e-1, 3e-3, 0.5]) {
        let config = TrainConfig {
            label_smoothing: 0.0,
            learning_rate: Some(rate),
            schedule: Schedule::Constant,
            ..with(kind)
        };
        let mut trainer = trainer(0.0, config);
        let mut losses = Vec::new();
        for _ in 0..100 {
            let (updated, outcome) = trainer.update(&batch).unwrap();
            losses.push(outcome.nats / outcome.tokens as f64);
            trainer = updated;
        }
        assert!(losses[99] < 0.75 * losses[0], "{kind:?}: {losses:?}");
    }
}

fn resumed(path: &Path, config: &TrainConfig, model: regard_nn::Model) -> Trainer<TeacherForcing> {
    let optimizer = Optimizer::load(config.optimizer(), &model, path).unwrap();
    let objective = TeacherForcing {
        smoothing: config.label_smoothing,
        r_drop: 0.0,
    };
    Trainer::new(objective, config.clone(), model, optimizer, 2)
}

/// The next update is the same as well: bit for bit, but on a GPU, which adds the gradients of an embedding's rows in the order in
/// which they come.
#[test]
fn what_is_kept_survives_saving_and_loading_to_the_bit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("optimizer.safetensors");
    let batch = batches(&[&examples()]);
    let plain = TrainConfig {
        momentum: Some(0.0),
        ..with(OptimizerKind::Sgd)
    };
    for config in KINDS.map(with).into_iter().chain([plain]) {
        let mut trainer = trainer(0.1, config.clone());
        for _ in 0..2 {
            trainer = trainer.update(&batch).unwrap().0;
        }
        trainer.optimizer().save(&path).unwrap();
        let again = resumed(&path, &config, trainer.model().clone());
        let what = config.optimizer;
        let kept = [&trainer, &again].map(|trainer| saved(trainer.optimizer()));
        assert!(bits(&kept[0]) == bits(&kept[1]), "{what:?}");
        let next = |trainer: Trainer<TeacherForcing>| {
            let trainer = trainer.update(&batch).unwrap().0;
            [saved(trainer.optimizer()), parameters(trainer.model())].concat()
        };
        let (expected, got) = (next(trainer), next(again));
        if is_gpu(&crate::device()) {
            let difference = largest_difference(&expected, &got);
            assert!(difference <= 1e-6, "{what:?}: {difference}");
        } else {
            assert!(bits(&expected) == bits(&got), "{what:?}");
        }
    }
}

fn bits(tensors: &[NamedTensor]) -> Vec<u32> {
    let values = tensors.iter().flat_map(|tensor| &tensor.values);
    values.map(|value| value.to_bits()).collect()
}

#[test]
fn what_is_kept_is_small_where_it_is_said_to_be() {
    let size = |kind| -> usize {
        let batch = batches(&[&examples()]);
        let trainer = trainer(0.0, with(kind)).update(&batch).unwrap().0;
        let values = saved(trainer.optimizer())
            .into_iter()
            .map(|tensor| tensor.values.len());
        values.sum()
    };
    let n = size(OptimizerKind::Lion);
    assert_eq!(size(OptimizerKind::Adam), 2 * n);
    assert_eq!(size(OptimizerKind::Sgd), n);
    // The small matrices of this test: 17 x 12, 12 x 36, 36 x 12, ...
    assert!(4 * size(OptimizerKind::Adafactor) < n);
}

#[test]
fn the_state_of_another_optimizer_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let batch = batches(&[&examples()]);
    let plain = || TrainConfig {
        momentum: Some(0.0),
        ..with(OptimizerKind::Sgd)
    };
    let owners = [
        (with(OptimizerKind::Adam), "`adam` or `adamw`"),
        (with(OptimizerKind::Adafactor), "`adafactor`"),
        (with(OptimizerKind::Lion), "`lion`"),
        (with(OptimizerKind::Sgd), "`sgd`"),
        (plain(), "`sgd` without momentum"),
    ];
    for (writer, found) in &owners {
        let path = directory.path().join("optimizer.safetensors");
        let trainer = trainer(0.0, writer.clone()).update(&batch).unwrap().0;
        trainer.optimizer().save(&path).unwrap();
        for (reader, expected) in owners.iter().filter(|(_, name)| name != found) {
            let error = Optimizer::load(reader.optimizer(), trainer.model(), &path).unwrap_err();
            assert!(
                matches!(error, TrainError::OtherOptimizer { .. }),
                "{error}"
            );
            let sentence = format!("holds the state of {found}, expected that of {expected}");
            assert!(error.to_string().ends_with(&sentence), "{error}");
            assert!(error.hint().unwrap().contains("`train.optimizer`"));
        }
    }
}
