//! Packing and padding rows: copies of whole examples.

use std::sync::Arc;

use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

use super::{FusedOp, elements, tensor};

/// Operand: `x [B, L, W]`; the result is `[N, W]`.
#[derive(Clone, Debug)]
pub(crate) struct PackOp {
    pub(crate) lengths: Arc<[usize]>,
}

/// Operand: `x [N, W]`; the result is `[B, length, W]`.
#[derive(Clone, Debug)]
pub(crate) struct UnpackOp {
    pub(crate) lengths: Arc<[usize]>,
    pub(crate) length: usize,
}

/// Elements below which handing examples to another core costs more than it gains.
const ALONE: usize = 1 << 16;

fn pack(x: &FlexTensor, lengths: &[usize]) -> FlexTensor {
    let x = x.to_contiguous();
    let [_, length, width] = [0, 1, 2].map(|axis| x.layout().shape()[axis]);
    let rows: usize = lengths.iter().sum();
    let mut packed = vec![0.0; rows * width];
    copy(
        &mut packed,
        &x,
        lengths,
        |real| [real * width, length * width],
        width,
    );
    tensor(packed, [rows, width])
}

fn unpack(x: &FlexTensor, lengths: &[usize], length: usize) -> FlexTensor {
    let x = x.to_contiguous();
    let width = x.layout().shape()[1];
    let mut padded = vec![0.0; lengths.len() * length * width];
    copy(
        &mut padded,
        &x,
        lengths,
        |real| [length * width, real * width],
        width,
    );
    tensor(padded, [lengths.len(), length, width])
}

/// Copies the real rows of each example, for whose length `sizes` tells the elements that it takes up in `output` and in `x`.
fn copy(
    output: &mut [f32],
    x: &FlexTensor,
    lengths: &[usize],
    sizes: impl Fn(usize) -> [usize; 2],
    width: usize,
) {
    let is_small = output.len() < ALONE;
    let (mut to, mut from) = (output, elements(x));
    let mut examples = Vec::with_capacity(lengths.len());
    for &real in lengths {
        let [to_size, from_size] = sizes(real);
        let (example, rest) = to.split_at_mut(to_size);
        let (values, others) = from.split_at(from_size);
        examples.push((&mut example[..real * width], &values[..real * width]));
        (to, from) = (rest, others);
    }
    if is_small {
        examples
            .into_iter()
            .for_each(|(to, from)| to.copy_from_slice(from));
    } else {
        examples
            .into_par_iter()
            .for_each(|(to, from)| to.copy_from_slice(from));
    }
}

impl FusedOp<1> for PackOp {
    const NAMES: [&'static str; 2] = ["packing rows", "packing rows, backward"];

    /// Padded length.
    type Saved = usize;

    fn forward(&self, [x]: [FlexTensor; 1], _: bool) -> (FlexTensor, Option<usize>) {
        (pack(&x, &self.lengths), Some(x.layout().shape()[1]))
    }

    fn backward(
        &self,
        length: usize,
        gradient: FlexTensor,
        _: [bool; 1],
    ) -> [Option<FlexTensor>; 1] {
        [Some(unpack(&gradient, &self.lengths, length))]
    }
}

impl FusedOp<1> for UnpackOp {
    const NAMES: [&'static str; 2] = ["padding rows", "padding rows, backward"];

    type Saved = ();

    fn forward(&self, [x]: [FlexTensor; 1], _: bool) -> (FlexTensor, Option<()>) {
        (unpack(&x, &self.lengths, self.length), Some(()))
    }

    fn backward(&self, (): (), gradient: FlexTensor, _: [bool; 1]) -> [Option<FlexTensor>; 1] {
        [Some(pack(&gradient, &self.lengths))]
    }
}
