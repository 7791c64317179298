//! Associative memory.

use burn::tensor::{DType, Device, Tensor, TensorData};
use regard_nn::{
    AttentionMask, AttentionOptions, AttentionOutput, HopfieldAttention, HopfieldAttentionConfig,
    Init, Key, Linear, MultiHeadAttentionConfig, Normalizer, Pass, Settling, attention,
    hopfield_energy, hopfield_retrieve,
};

use crate::case::Case;
use crate::formula::{fill, numbers};
use crate::kinds::{self, D, H, Kind, Promises, Subject};
use crate::parts::{assert_close, vector};

const FIXTURE: &[u8] = include_bytes!("../../fixtures/memory.safetensors");
const B: usize = 2;
const T: usize = 7;
const S: usize = 11;
const BETA: f64 = 1.75;

impl Kind for HopfieldAttention {
    fn attend(
        &self,
        query: Tensor<3>,
        memory: Tensor<3>,
        mask: AttentionMask,
        pass: &Pass,
    ) -> AttentionOutput {
        self.forward(query, memory, &mask, pass)
    }

    fn step_by_step(&self, query: Tensor<3>, memory: Tensor<3>) -> Option<Tensor<3>> {
        let key_value = self.project(memory);
        let step = |t: usize| {
            let (query, pass) = (query.clone().narrow(1, t, 1), Pass::evaluation());
            let output = self.attend(query, &key_value, &AttentionMask::none(), &pass);
            output.context
        };
        Some(Tensor::cat((0..query.dims()[1]).map(step).collect(), 1))
    }

    fn context_of_nothing(&self) -> Vec<f32> {
        vector(self.output.bias.as_ref().expect("a bias").val())
    }
}

fn config() -> HopfieldAttentionConfig {
    HopfieldAttentionConfig::new(D, H).with_dropout(0.3)
}

fn layer(config: &HopfieldAttentionConfig, device: &Device) -> HopfieldAttention {
    fill(config.init(&Init::new(1, device)), "hopfield")
}

fn subjects(device: &Device) -> Vec<Subject<HopfieldAttention>> {
    let sharp = config().with_beta(Some(BETA));
    let configs = [
        ("one iteration", config()),
        ("three iterations", sharp.clone().with_iterations(3)),
        (
            "until settled",
            sharp.with_iterations(50).with_tolerance(0.01),
        ),
    ];
    let subject = |(name, config): (&str, _)| Subject {
        name: name.into(),
        kind: layer(&config, device),
        promises: Promises::of_cross_attention(),
    };
    configs.into_iter().map(subject).collect()
}

kinds::tests!(super::hopfield::subjects);

#[test]
fn it_is_the_papers_formula() {
    for (name, iterations) in [("hopfield/1", 1), ("hopfield/3", 3)] {
        let device = crate::device().autodiff();
        let config = config().with_iterations(iterations).with_beta(Some(BETA));
        let memory = layer(&config, &device);
        let x = numbers("x", [B, T, D], &device).require_grad();
        let stored = numbers("memory", [B, S, D], &device).require_grad();
        let mask = AttentionMask::key_lengths(vec![S, 5]);
        let pass = Pass::evaluation().with_attention();
        let y = memory.forward(x.clone(), stored.clone(), &mask, &pass);
        Case::new(FIXTURE, name)
            .result("weights", y.weights.expect("asked for"))
            .output(y.context)
            .input("x", &x)
            .input("memory", &stored)
            .check(&memory, "hopfield");
    }
}

#[test]
fn the_energy_is_the_papers_formula() {
    let device = crate::device().autodiff();
    let state = numbers("state", [B, T, D], &device).require_grad();
    let patterns = numbers("patterns", [B, S, D], &device).require_grad();
    let options = AttentionOptions {
        mask: AttentionMask::key_lengths(vec![S, 5]),
        ..sharp(H, BETA)
    };
    Case::new(FIXTURE, "energy")
        .output(hopfield_energy(state.clone(), patterns.clone(), &options))
        .input("state", &state)
        .input("patterns", &patterns)
        .check(&None::<Linear>, "");
}

fn sharp(n_heads: usize, beta: f64) -> AttentionOptions {
    AttentionOptions {
        scale: Some(beta),
        ..AttentionOptions::new(n_heads)
    }
}

fn settling(iterations: usize, tolerance: f64) -> Settling {
    Settling {
        iterations,
        tolerance,
    }
}

/// Numbers of deviation `deviation`, in f64 where `exact`.
fn normal<const R: usize>(
    key: Key,
    shape: [usize; R],
    deviation: f64,
    exact: bool,
    device: &Device,
) -> Tensor<R> {
    let n = shape.iter().product::<usize>() as u64;
    let values: Vec<f64> = (0..n).map(|i| deviation * key.normal(i)).collect();
    let dtype = if exact { DType::F64 } else { DType::F32 };
    Tensor::from_data(TensorData::new(values, shape), (device, dtype))
}

fn doubles<const R: usize>(x: Tensor<R>) -> Vec<f64> {
    x.into_data().iter::<f64>().collect()
}

#[test]
fn one_iteration_is_attention() {
    let device = crate::device();
    let [state, patterns, value] =
        [("x", T), ("memory", S), ("value", S)].map(|(name, n)| numbers(name, [B, n, D], &device));
    let options = AttentionOptions {
        mask: AttentionMask::causal(),
        weights: true,
        ..AttentionOptions::new(H)
    };
    let got = hopfield_retrieve(
        state.clone(),
        patterns.clone(),
        value.clone(),
        Settling::once(),
        options.clone(),
    );
    let expected = attention(state, patterns, value, options);
    assert_eq!(vector(got.context), vector(expected.context));
    assert_eq!(got.weights.map(vector), expected.weights.map(vector));
}

#[test]
fn with_default_beta_the_layer_is_multi_head_attention_with_the_same_parameters() {
    let device = crate::device();
    let (x, memory) = (
        numbers("x", [B, T, D], &device),
        numbers("memory", [B, S, D], &device),
    );
    let mask = AttentionMask::key_lengths(vec![S, 5]);
    let attention = MultiHeadAttentionConfig::new(D, H).init_cross(&Init::new(1, &device));
    let attention = fill(attention, "hopfield");
    let pass = Pass::evaluation();
    let expected = attention.forward(x.clone(), memory.clone(), &mask, &pass);
    let got = layer(&config(), &device).forward(x, memory, &mask, &pass);
    assert_close(
        &vector(got.context),
        &vector(expected.context),
        1e-6,
        "context",
    );
}

/// Energies of states through eight iterations, and beta: one draw of everything on which they depend.
fn energies(draw: u64, biased: bool) -> (Vec<Vec<f64>>, f64) {
    let device = crate::device();
    let key = Key::new(draw);
    let size =
        |name: &str, most: u64| usize::try_from(1 + key.at(name).bits(0) % most).expect("small");
    let (n_heads, k_width, t, s) = (size("heads", 2), size("width", 9), 3, size("patterns", 12));
    let width = n_heads * k_width;
    let deviation = |name: &str| 10_f64.powf(1.5 * key.at(name).uniform(0) - 1.0);
    let exact = |name: &str, length| {
        normal(
            key.at(name),
            [2, length, width],
            deviation(name),
            true,
            &device,
        )
    };
    let (mut state, patterns) = (exact("state", t), exact("stored", s));
    let beta = 10_f64.powf(3.0 * key.at("beta").uniform(0) - 1.5);
    let options = AttentionOptions {
        mask: match draw % 3 {
            0 => AttentionMask::none(),
            1 => AttentionMask::key_lengths(vec![s / 2, s]),
            _ => AttentionMask::window(2, 1),
        },
        bias: biased.then(|| normal(key.at("bias"), [2, n_heads, t, s], 1.0, true, &device)),
        ..sharp(n_heads, beta)
    };
    let mut energies = Vec::new();
    for _ in 0..8 {
        energies.push(doubles(hopfield_energy(
            state.clone(),
            patterns.clone(),
            &options,
        )));
        let (keys, values) = (patterns.clone(), patterns.clone());
        state = hopfield_retrieve(state, keys, values, Settling::once(), options.clone()).context;
    }
    (energies, beta)
}

#[test]
fn no_iteration_lets_the_energy_rise() {
    if !crate::has_doubles() {
        return;
    }
    let (mut fell, mut pairs) = (0, 0);
    for draw in 0..400 {
        let biased = draw % 2 == 0;
        let (energies, beta) = energies(draw, biased);
        for step in energies.windows(2) {
            for (&before, &after) in step[0].iter().zip(&step[1]) {
                let rounding = 1e-12 * (1.0 + before.abs() + 1.0 / beta);
                assert!(
                    after <= before + rounding,
                    "draw {draw}: {before} to {after}"
                );
                assert!(biased || after >= -rounding, "draw {draw}: {after}");
                pairs += 1;
                fell += usize::from(after < before - rounding);
            }
        }
    }
    assert!(fell > pairs / 4, "{fell} of {pairs} fell");
}

#[test]
fn the_slope_of_the_energy_is_what_an_iteration_moves() {
    if !crate::has_doubles() {
        return;
    }
    let device = crate::device().autodiff();
    let state = normal(Key::new(1), [B, T, D], 1.0, true, &device).require_grad();
    let patterns = normal(Key::new(2), [B, S, D], 1.0, true, &device);
    let options = AttentionOptions {
        mask: AttentionMask::key_lengths(vec![S, 0]),
        bias: Some(normal(Key::new(3), [1, H, T, S], 1.0, true, &device)),
        ..sharp(H, BETA)
    };
    let energy = hopfield_energy(state.clone(), patterns.clone(), &options);
    let slope = state.grad(&energy.sum().backward()).expect("a gradient");
    let start = state.clone().inner();
    let next = hopfield_retrieve(state, patterns.clone(), patterns, Settling::once(), options);
    let moved = start - next.context.inner();
    for (slope, moved) in doubles(slope).into_iter().zip(doubles(moved)) {
        assert!((slope - moved).abs() < 1e-12, "{slope} and {moved}");
    }
}

#[test]
fn the_energy_of_a_state_that_sees_no_pattern_is_half_its_square() {
    let device = crate::device().autodiff();
    let state = numbers("state", [B, T, 5], &device).require_grad();
    let patterns = numbers("patterns", [B, S, 5], &device).require_grad();
    let options = AttentionOptions {
        mask: AttentionMask::key_lengths(vec![0, 0]),
        ..sharp(1, BETA)
    };
    let energy = hopfield_energy(state.clone(), patterns.clone(), &options);
    let squares = (state.clone().square().sum_dim(2) * 0.5).swap_dims(1, 2);
    assert_eq!(vector(energy.clone()), vector(squares));
    let tape = energy.sum().backward();
    assert_eq!(
        vector(state.grad(&tape).expect("a gradient")),
        vector(state)
    );
    let of_patterns = vector(patterns.grad(&tape).expect("a gradient"));
    assert!(of_patterns.iter().all(|&g| g == 0.0));
}

/// Patterns `[1, n, width]` of -1 and 1.
fn signs(key: Key, n: usize, width: usize, device: &Device) -> Tensor<3> {
    normal(key, [1, n, width], 1.0, false, device).sign()
}

#[test]
fn stored_patterns_are_retrieved_from_corrupted_ones() {
    let device = crate::device();
    let (n, width) = (200, 64);
    let patterns = signs(Key::new(4), n, width, &device);
    // Half of every pattern is lost, and the rest noisy.
    let noise = normal(Key::new(5), [1, n, width], 0.5, false, &device);
    let corrupted = (patterns.clone() + noise).slice_fill([0..1, 0..n, 0..width / 2], 0.0);
    let retrieve = |iterations| {
        let (keys, values) = (patterns.clone(), patterns.clone());
        let options = AttentionOptions {
            weights: true,
            ..sharp(1, 0.35)
        };
        hopfield_retrieve(
            corrupted.clone(),
            keys,
            values,
            settling(iterations, 1e-6),
            options,
        )
    };
    let errors = |output: AttentionOutput| {
        let difference = (output.context - patterns.clone()).abs().max_dim(2);
        vector(difference)
    };
    let wrong = |errors: Vec<f32>| errors.iter().filter(|&&error| error > 1e-3).count();
    assert_eq!(wrong(errors(retrieve(5))), 0, "of {n}");
    assert!(wrong(errors(retrieve(1))) > 0, "further iterations matter");
    // Each pattern's own weight is the largest, by far.
    let own = retrieve(5).weights.expect("asked for").reshape([n, n]) * Tensor::eye(n, &device);
    assert!(vector(own.sum_dim(1)).iter().all(|&weight| weight > 0.999));
}

#[test]
fn a_value_that_belongs_to_a_pattern_is_found_by_the_pattern() {
    let device = crate::device();
    let patterns = signs(Key::new(4), 20, 64, &device);
    let names = normal(Key::new(6), [1, 20, 3], 1.0, false, &device);
    let corrupted = patterns.clone().slice_fill([0..1, 0..20, 0..16], 0.0);
    let found = hopfield_retrieve(
        corrupted,
        patterns,
        names.clone(),
        settling(3, 0.0),
        sharp(1, 1.0),
    );
    assert_close(&vector(found.context), &vector(names), 1e-5, "values");
}

#[test]
fn at_a_high_temperature_every_state_goes_to_the_mean() {
    let device = crate::device();
    let patterns = signs(Key::new(4), 20, 64, &device);
    let (state, values) = (patterns.clone(), patterns.clone());
    let settled = hopfield_retrieve(
        state,
        values,
        patterns.clone(),
        settling(50, 0.0),
        sharp(1, 1e-4),
    );
    let mean = patterns.mean_dim(1).repeat_dim(1, 20);
    assert_close(&vector(settled.context), &vector(mean), 2e-2, "states");
}

#[test]
fn a_tolerance_ends_at_a_fixed_point() {
    let device = crate::device();
    let patterns = normal(Key::new(7), [B, S, D], 1.0, false, &device);
    let state = normal(Key::new(8), [B, T, D], 1.0, false, &device);
    let run = |state: Tensor<3>, settling| {
        let (keys, values) = (patterns.clone(), patterns.clone());
        hopfield_retrieve(state, keys, values, settling, sharp(H, BETA)).context
    };
    let tolerance = 1e-4;
    let settled = run(state.clone(), settling(1000, tolerance));
    let again = run(settled.clone(), Settling::once());
    let moved = (again - settled.clone()).abs().max().into_scalar::<f32>();
    assert!(f64::from(moved) <= tolerance, "{moved}");
    let exact = run(state.clone(), settling(1000, 0.0));
    assert_close(&vector(settled), &vector(exact), 1e-2, "fixed points");
    // No state moves as far as this.
    let stayed = run(state.clone(), settling(1000, 100.0));
    assert_eq!(vector(stayed), vector(run(state, Settling::once())));
}

#[test]
fn gradients_flow_through_every_iteration_that_moved_a_state() {
    let device = crate::device().autodiff();
    let gradient = |settling| {
        let state = numbers("x", [B, T, D], &device).require_grad();
        let patterns = numbers("memory", [B, S, D], &device);
        let context = hopfield_retrieve(
            state.clone(),
            patterns.clone(),
            patterns,
            settling,
            sharp(H, BETA),
        )
        .context;
        vector(
            state
                .grad(&context.square().sum().backward())
                .expect("a gradient"),
        )
    };
    let three = gradient(settling(3, 0.0));
    assert_close(
        &gradient(settling(3, 1e-7)),
        &three,
        1e-6,
        "a tolerance that no state meets",
    );
    assert_ne!(gradient(Settling::once()), three);
}

#[test]
#[should_panic(
    expected = "HopfieldAttention: expected d_model to be a multiple of n_heads = 4 and at least one iteration, got 6 and 1 iterations"
)]
fn heads_that_do_not_divide_the_width() {
    HopfieldAttentionConfig::new(6, 4).init(&Init::new(1, &crate::device()));
}

#[test]
#[should_panic(expected = "HopfieldAttention: expected a positive beta, got Some(0.0)")]
fn an_infinite_temperature() {
    let config = HopfieldAttentionConfig::new(6, 3).with_beta(Some(0.0));
    config.init(&Init::new(1, &crate::device()));
}

#[test]
#[should_panic(expected = "hopfield_retrieve: expected at least one iteration, got 0")]
fn no_iterations() {
    let x = Tensor::<3>::zeros([1, 2, 3], &crate::device());
    hopfield_retrieve(
        x.clone(),
        x.clone(),
        x,
        settling(0, 0.0),
        AttentionOptions::new(1),
    );
}

#[test]
#[should_panic(
    expected = "hopfield_energy: expected state [B, T, H K] and patterns [B, S, H K] with H = 1, got [1, 2, 3] and [1, 2, 4]"
)]
fn the_energy_of_patterns_of_another_width() {
    let device = crate::device();
    let (state, patterns) = (
        Tensor::zeros([1, 2, 3], &device),
        Tensor::zeros([1, 2, 4], &device),
    );
    hopfield_energy(state, patterns, &AttentionOptions::new(1));
}

fn sparse() -> AttentionOptions {
    AttentionOptions {
        normalizer: Normalizer::Sparsemax,
        ..AttentionOptions::new(1)
    }
}

#[test]
#[should_panic(expected = "hopfield_retrieve: the normaliser")]
fn an_update_by_another_normaliser() {
    let x = Tensor::<3>::ones([1, 2, 3], &crate::device());
    hopfield_retrieve(x.clone(), x.clone(), x, Settling::once(), sparse());
}

#[test]
#[should_panic(expected = "hopfield_energy: the normaliser")]
fn an_energy_of_another_normaliser() {
    let x = Tensor::<3>::ones([1, 2, 3], &crate::device());
    hopfield_energy(x.clone(), x, &sparse());
}
