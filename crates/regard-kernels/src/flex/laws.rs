//! What every operation keeps to, over random shapes, views, masks and values: it is its composition, and has the same bits
//! on any number of threads.

mod attention;
mod linear;
mod loss;
mod pointwise;
mod recurrence;
mod rows;
mod switches;
mod updates;

use burn::tensor::{Device, Tensor, TensorData};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::{AttentionMask, Draws, Graph, Key, RowDropout};

/// As many cases as given, or fewer if `PROPTEST_CASES` says so. The same in every run, if `PROPTEST_RNG_SEED` does not ask
/// for others: what is compared are roundings, and a tensor of one element may by chance be a sum that all but cancels.
fn cases(most: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    ProptestConfig {
        cases: default.cases.min(most),
        rng_seed: match default.rng_seed {
            RngSeed::Random => RngSeed::Fixed(1),
            asked_for @ RngSeed::Fixed(_) => asked_for,
        },
        failure_persistence: None,
        ..default
    }
}

/// Nothing, one, a few, and both sides of the sizes at which work is divided.
fn size() -> impl Strategy<Value = usize> {
    prop_oneof![
        1 => Just(0),
        2 => Just(1),
        6 => 2..20_usize,
        1 => 47..50_usize,
        1 => 63..66_usize,
        1 => 95..98_usize,
        1 => 127..130_usize,
        2 => 255..=260_usize,
    ]
}

/// As [`size`], but something.
fn some() -> impl Strategy<Value = usize> {
    size().prop_map(|size| size.max(1))
}

/// How a matrix lies in the memory of the tensor behind it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum View {
    Whole,
    Transposed,
    /// Rows and columns out of the middle of a larger matrix.
    Cut,
    /// Some of the rows: contiguous, but not all of the memory.
    Part,
    /// Last row and last column first.
    Reversed,
    /// One row that stands for all.
    Expanded,
}

fn view() -> impl Strategy<Value = View> {
    use View::{Cut, Expanded, Part, Reversed, Transposed, Whole};
    prop::sample::select(vec![Whole, Transposed, Cut, Part, Reversed, Expanded])
}

/// What numbers a tensor has.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Numbers {
    /// Between -factor and factor.
    Uniform(f32),
    /// Zeros of both signs, denormal numbers, 1e-30, 1, and others between -1 and 1.
    Mixed,
    /// All the same.
    Equal(f32),
    /// The factor, its negative, or 0.
    Levels(f32),
}

impl Numbers {
    fn at(self, key: Key, i: u64) -> f32 {
        let uniform = (2.0 * key.uniform(2 * i) - 1.0) as f32;
        let choice = key.bits(2 * i + 1);
        match self {
            Self::Uniform(factor) => uniform * factor,
            Self::Mixed => match choice % 10 {
                0 => 0.0,
                1 => -0.0,
                2 => f32::from_bits(71_000), // about 1e-40
                3 => 1e-30,
                4 => 1.0,
                _ => uniform,
            },
            Self::Equal(value) => value,
            Self::Levels(factor) => [0.0, factor, -factor][(choice % 3) as usize],
        }
    }
}

/// Numbers whose products with each other, and sums of a few hundred of these, stay within f32.
fn numbers() -> impl Strategy<Value = Numbers> {
    use Numbers::{Equal, Mixed, Uniform};
    prop_oneof![
        4 => Just(Uniform(1.0)),
        2 => Just(Mixed),
        1 => Just(Equal(0.75)),
        1 => Just(Uniform(1e15)),
        1 => Just(Uniform(1e-15)),
    ]
}

/// Numbers that nothing is multiplied by but factors around 1.
fn summands() -> impl Strategy<Value = Numbers> {
    use Numbers::Uniform;
    prop_oneof![
        5 => numbers(),
        1 => Just(Uniform(1e30)),
        1 => Just(Uniform(1e-30)),
    ]
}

/// A tensor that gradients are asked of.
fn leaf(name: &str, shape: [usize; 3], numbers: Numbers, device: &Device) -> Tensor<3> {
    let key = Key::new(7).at(name);
    let n = shape.iter().product::<usize>() as u64;
    let values: Vec<f32> = (0..n).map(|i| numbers.at(key, i)).collect();
    Tensor::from_data(TensorData::new(values, shape), device).require_grad()
}

/// A batch of matrices in the given view, and the tensor behind them.
fn batch(
    name: &str,
    [batch, rows, columns]: [usize; 3],
    (view, numbers): (View, Numbers),
    device: &Device,
) -> (Tensor<3>, Tensor<3>) {
    let leaf = |shape| leaf(name, shape, numbers, device);
    let view = match view {
        // burn's empty slices are not on the tape, and it expands to no empty shape.
        View::Cut | View::Part | View::Reversed | View::Expanded if batch * rows * columns == 0 => {
            View::Whole
        }
        // All rows' gradients add up to those of this row: too few for their largest to tell what was lost.
        View::Expanded if columns < 8 => View::Whole,
        _ => view,
    };
    match view {
        View::Whole => {
            let x = leaf([batch, rows, columns]);
            (x.clone(), x)
        }
        View::Transposed => {
            let x = leaf([batch, columns, rows]);
            (x.clone().swap_dims(1, 2), x)
        }
        View::Cut => {
            let x = leaf([batch, rows + 3, columns + 2]);
            let cut = [0..batch, 1..rows + 1, 2..columns + 2];
            (x.clone().slice(cut), x)
        }
        View::Part => {
            let x = leaf([batch + 2, rows, columns]);
            let cut = [1..batch + 1, 0..rows, 0..columns];
            (x.clone().slice(cut), x)
        }
        View::Reversed => {
            let x = leaf([batch, rows, columns]);
            (x.clone().flip([1, 2]), x)
        }
        View::Expanded => {
            let x = leaf([batch, 1, columns]);
            (x.clone().expand([batch, rows, columns]), x)
        }
    }
}

/// As [`batch`], of one matrix.
fn matrix(
    name: &str,
    [rows, columns]: [usize; 2],
    like: (View, Numbers),
    device: &Device,
) -> (Tensor<2>, Tensor<3>) {
    // As the batch, matrices within rows: a part of them is contiguous.
    if like.0 == View::Part && rows * columns > 0 {
        let x = leaf(name, [1, rows + 2, columns], like.1, device);
        let part = x.clone().slice([0..1, 1..rows + 1, 0..columns]);
        return (part.squeeze_dim(0), x);
    }
    let (view, leaf) = batch(name, [1, rows, columns], like, device);
    (view.squeeze_dim(0), leaf)
}

/// As [`matrix`], of one row.
fn vector(
    name: &str,
    size: usize,
    like: (View, Numbers),
    device: &Device,
) -> (Tensor<1>, Tensor<3>) {
    let (row, leaf) = matrix(name, [1, size], like, device);
    (row.squeeze_dim(0), leaf)
}

/// How the gradient of a result arrives.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Use {
    Whole,
    Transposed,
    /// One row for all.
    Summed,
    /// The sum of two.
    Twice,
}

fn usage() -> impl Strategy<Value = Use> {
    prop::sample::select(vec![Use::Whole, Use::Transposed, Use::Summed, Use::Twice])
}

impl Use {
    fn of<const D: usize>(self, y: Tensor<D>) -> Tensor<D> {
        match self {
            Self::Whole => y,
            Self::Transposed => y.swap_dims(D - 2, D - 1),
            Self::Summed => y.sum_dim(D - 2),
            Self::Twice => y.clone() * 0.5 + y,
        }
    }
}

fn draws() -> Draws {
    Draws {
        key: Key::new(2),
        first_row: 3,
    }
}

/// Lengths of three examples that share out `rows`.
fn lengths(rows: usize, cuts: [u16; 2]) -> Vec<usize> {
    let [a, b] = cuts.map(|cut| usize::from(cut) % (rows + 1));
    vec![a.min(b), a.max(b) - a.min(b), rows - a.max(b)]
}

fn dropout(p: f64, rows: usize, cuts: [u16; 2]) -> RowDropout {
    RowDropout {
        p,
        draws: draws(),
        lengths: lengths(rows, cuts).into(),
    }
}

/// One rule or several, drawn by the seed; without a seed, none.
fn mask(seed: Option<u64>, rows: usize, [t, s]: [usize; 2]) -> AttentionMask {
    let Some(seed) = seed else {
        return AttentionMask::none();
    };
    let key = Key::new(seed);
    let draw = |i: u64, below: usize| (key.bits(i) % below as u64) as usize;
    let mut masks = Vec::new();
    if draw(0, 2) == 0 {
        masks.push(AttentionMask::causal());
    }
    if draw(1, 3) == 0 {
        masks.push(AttentionMask::window(draw(2, s + 2), draw(3, s + 2)));
    }
    if draw(4, 2) == 0 {
        let lengths: Vec<usize> = (0..rows as u64).map(|row| draw(100 + row, s + 2)).collect();
        masks.push(AttentionMask::key_lengths(lengths));
    }
    if draw(5, 4) == 0 {
        let blocks = |row: u64| vec![draw(200 + row, s + 1), draw(300 + row, s + 1), s / 2];
        let rows: Vec<_> = (0..rows as u64).map(blocks).collect();
        masks.push(AttentionMask::blocks(&rows));
    }
    if t <= s && draw(6, 4) == 0 {
        let pairs = (0..s).flat_map(|to| (0..s).map(move |from| [from, to]));
        let drawn = |&[from, to]: &[usize; 2]| draw(1000 + (to * s + from) as u64, 3) == 0;
        let edges: Vec<_> = pairs.filter(drawn).collect();
        masks.push(AttentionMask::graph([Graph::new(s, &edges)]));
    }
    masks
        .into_iter()
        .fold(AttentionMask::none(), AttentionMask::and)
}
