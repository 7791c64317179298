//! The parts around attention: norms, feed-forward networks, residual connections, linear maps.
//!
//! Held to what `scripts/parity/blocks.py` wrote down, and to what is their own.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::{Device, Tensor};
use regard_nn::{
    Activation, FeedForward, FeedForwardConfig, Init, LayerNorm, Layout, Linear, NormKind, Pass,
    Residual, ResidualConfig, RmsNorm,
};

use crate::case::Case;
use crate::formula::{fill, numbers};
use crate::parts::{gradients, parameters, replace, vector};

// As in the script: distinct primes.
const B: usize = 2;
const T: usize = 7;
const D: usize = 3 * 5;
const F: usize = 13;

const ACTIVATIONS: [(Activation, &str); 8] = [
    (Activation::Relu, "relu"),
    (Activation::Gelu, "gelu"),
    (Activation::GeluTanh, "gelu_tanh"),
    (Activation::Silu, "silu"),
    (Activation::Glu, "glu"),
    (Activation::Reglu, "reglu"),
    (Activation::Geglu, "geglu"),
    (Activation::Swiglu, "swiglu"),
];

fn case(name: &str) -> Case {
    Case::new(include_bytes!("../fixtures/blocks.safetensors"), name)
}

fn device() -> Device {
    crate::device().autodiff()
}

fn init() -> Init {
    Init::new(0, &device())
}

fn input() -> Tensor<2> {
    numbers("x", [B * T, D], &device()).require_grad()
}

#[test]
fn layer_norm_with_another_epsilon() {
    let norm = fill(LayerNorm::new(D, &init()).with_epsilon(1e-4), "norm");
    let x = input();
    let y = norm.forward(x.clone() / 64.0);
    let case = case("layer_norm").output(y);
    case.input("x", &x).check(&norm, "norm");
}

#[test]
fn rms_norm() {
    let norm = fill(RmsNorm::new(D, &init()).with_epsilon(1e-4), "norm");
    let x = input();
    let y = norm.forward(x.clone() / 64.0);
    let case = case("rms_norm").output(y);
    case.input("x", &x).check(&norm, "norm");
}

#[test]
fn feed_forward_of_every_activation() {
    for (activation, name) in ACTIVATIONS {
        for (bias, form) in [(true, "bias"), (false, "no_bias")] {
            let config = FeedForwardConfig::new(D, F)
                .with_activation(activation)
                .with_bias(bias);
            let feed_forward = fill(config.init(&init()), "feed_forward");
            let x = input();
            let y = feed_forward.forward(x.clone() * 4.0);
            let case = case(&format!("feed_forward/{name}/{form}")).output(y);
            case.input("x", &x).check(&feed_forward, "feed_forward");
        }
    }
}

/// A sub-layer in its residual connection.
#[derive(Module, Debug)]
struct Block {
    residual: Residual,
    feed_forward: FeedForward,
}

fn block(norm: NormKind, pre_norm: bool) -> Block {
    Block {
        residual: ResidualConfig::new(D)
            .with_norm(norm)
            .with_epsilon(1e-2)
            .with_pre_norm(pre_norm)
            .init(&init().at("residual")),
        feed_forward: FeedForwardConfig::new(D, F)
            .with_activation(Activation::Swiglu)
            .with_bias(false)
            .init(&init().at("feed_forward")),
    }
}

impl Block {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let layout = Layout::dense(B, T);
        let f = |x| self.feed_forward.forward(x);
        self.residual.forward(x, &layout, &Pass::evaluation(), f)
    }
}

#[test]
fn residual_with_rms_norm() {
    for (name, pre_norm) in [("residual/pre", true), ("residual/post", false)] {
        let block = fill(block(NormKind::Rms, pre_norm), "");
        let x = input();
        let case = case(name).output(block.forward(x.clone()));
        case.input("x", &x).check(&block, "");
    }
}

#[test]
fn names_of_parameters_leave_the_kind_of_norm_out() {
    let names = |norm| {
        parameters(&block(norm, true))
            .into_keys()
            .collect::<Vec<_>>()
    };
    let maps = ["feed_forward.inner.weight", "feed_forward.outer.weight"];
    let rms = [&maps[..], &["residual.norm.weight"]].concat();
    assert_eq!(names(NormKind::Rms), rms);
    let layer = [&maps[..], &["residual.norm.bias", "residual.norm.weight"]].concat();
    assert_eq!(names(NormKind::Layer), layer);
}

#[test]
fn residual_new_is_the_default_configuration() {
    let x = input();
    let layout = Layout::dense(B, T);
    let run = |residual: Residual| {
        let y = residual.forward(x.clone(), &layout, &Pass::evaluation(), |x| x * 0.5);
        vector(y)
    };
    let expected = run(ResidualConfig::new(D).init(&init()));
    assert_eq!(run(Residual::new(D, 0.0, true, &init())), expected);
    let post = ResidualConfig::new(D).with_pre_norm(false);
    assert_ne!(run(post.init(&init())), expected);
}

#[test]
fn a_gated_network_packs_two_maps_each_initialised_as_if_alone() {
    let config = FeedForwardConfig::new(D, F).with_activation(Activation::Geglu);
    let feed_forward = config.init(&init());
    assert_eq!(feed_forward.inner.weight.dims(), [D, 2 * F]);
    assert_eq!(feed_forward.outer.weight.dims(), [F, D]);
    let bound = (6.0 / (D + F) as f32).sqrt();
    let weight = vector(feed_forward.inner.weight.val());
    let largest = weight
        .iter()
        .fold(0.0_f32, |largest, w| largest.max(w.abs()));
    // Of 390 uniform draws, the largest falls below 95 % of the bound with probability 2e-9.
    assert!(largest <= bound && largest > 0.95 * bound, "{largest}");
}

#[test]
fn every_parameter_of_a_gated_network_learns_and_is_loaded_by_name() {
    let config = FeedForwardConfig::new(D, F).with_activation(Activation::Swiglu);
    let feed_forward = config.init(&init());
    let x = input();
    let y = feed_forward.forward(x.clone());
    let names = ["inner.bias", "inner.weight", "outer.bias", "outer.weight"];
    let found = gradients(&feed_forward, "", y.clone().sum().backward());
    assert!(found.keys().eq(names), "{:?}", found.keys());
    for (name, gradient) in found {
        assert!(gradient.iter().all(|g| *g != 0.0), "gradient of {name}");
    }

    let saved = parameters(&feed_forward);
    let other = config.init(&Init::new(1, &device()));
    assert_ne!(vector(other.forward(x.clone())), vector(y.clone()));
    let loaded = replace(other, "", |name, _| saved[name].clone());
    assert_eq!(vector(loaded.forward(x)), vector(y));
}

#[test]
fn the_default_network_is_the_one_of_the_paper() {
    let config = FeedForwardConfig::new(D, F);
    assert_eq!((config.activation, config.bias), (Activation::Relu, true));
    let feed_forward = config.init(&init());
    let x = input();
    let expected = feed_forward
        .outer
        .forward(feed_forward.inner.forward_relu(x.clone()));
    assert_eq!(vector(feed_forward.forward(x)), vector(expected));
}

#[test]
fn activations_and_norms_have_lowercase_names() {
    for (activation, name) in ACTIVATIONS {
        let json = format!(r#"{{"d_model": 3, "d_ff": 5, "activation": "{name}", "bias": true}}"#);
        let config = FeedForwardConfig::load_binary(json.as_bytes()).expect("a configuration");
        assert_eq!(config.activation, activation);
    }
    for (norm, name) in [(NormKind::Layer, "layer"), (NormKind::Rms, "rms")] {
        let json = ResidualConfig::new(3).with_norm(norm).to_string();
        assert!(json.contains(&format!(r#""norm": "{name}""#)), "{json}");
    }
}

#[test]
fn a_map_without_bias_takes_zero_to_zero_and_keeps_its_weight() {
    let with = fill(Linear::packed(D, &[F; 2], &init()), "map");
    let without = with.clone().without_bias();
    assert!(parameters(&without).into_keys().eq(["weight"]));
    let zeros = Tensor::zeros([1, D], &device());
    assert_eq!(vector(without.forward(zeros.clone())), [0.0; 2 * F]);
    assert_ne!(vector(with.forward(zeros)), [0.0; 2 * F]);
    let x = input();
    let bias = with.bias.as_ref().expect("a bias").val();
    let expected = with.forward(x.clone()) - bias.unsqueeze();
    let difference = (without.forward(x) - expected)
        .abs()
        .max()
        .into_scalar::<f32>();
    assert!(difference < 1e-6, "{difference}");
}
