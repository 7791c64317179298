//! Packing and padding rows: copies of whole examples.

#![allow(
    unsafe_code,
    reason = "memory that several cores write is not zeroed first"
)]

use std::mem::MaybeUninit;
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

fn pack(x: &FlexTensor, lengths: &[usize]) -> FlexTensor {
    let width = x.layout().shape()[2];
    // An example that stands for all of them, as positions do, is a stride of 0.
    let is_whole = |x: &FlexTensor| {
        let strides = x.layout().strides();
        strides[0] >= 0 && strides[1..] == [width.cast_signed(), 1]
    };
    let x = if is_whole(x) {
        x.clone()
    } else {
        x.to_contiguous()
    };
    let stride = x.layout().strides()[0].unsigned_abs();
    let values = &x.storage::<f32>()[x.layout().start_offset()..];
    let examples = lengths.iter().enumerate();
    let examples = examples.map(|(b, &real)| (&values[b * stride..][..real * width], 0));
    let rows: usize = lengths.iter().sum();
    tensor(side_by_side(examples.collect()), [rows, width])
}

fn unpack(x: &FlexTensor, lengths: &[usize], length: usize) -> FlexTensor {
    let x = x.to_contiguous();
    let width = x.layout().shape()[1];
    let mut rest = elements(&x);
    let examples = lengths.iter().map(|&real| {
        let example;
        (example, rest) = rest.split_at(real * width);
        (example, (length - real) * width)
    });
    tensor(
        side_by_side(examples.collect()),
        [lengths.len(), length, width],
    )
}

/// Elements below which handing parts to another core costs more than it gains.
const ALONE: usize = 1 << 15;

/// The values of each part and as many zeros as it tells, one part behind the other.
fn side_by_side(parts: Vec<(&[f32], usize)>) -> Vec<f32> {
    let size = parts
        .iter()
        .map(|(values, zeros)| values.len() + zeros)
        .sum();
    let mut output = Vec::with_capacity(size);
    let mut rest = &mut output.spare_capacity_mut()[..size];
    let mut places = Vec::with_capacity(parts.len());
    for (values, zeros) in parts {
        let (place, others) = rest.split_at_mut(values.len() + zeros);
        places.push((place, values));
        rest = others;
    }
    let write = |(place, values): (&mut [MaybeUninit<f32>], &[f32])| {
        let (copied, zeroed) = place.split_at_mut(values.len());
        copied.write_copy_of_slice(values);
        zeroed.fill(MaybeUninit::new(0.0));
    };
    if size < ALONE {
        places.into_iter().for_each(write);
    } else {
        places.into_par_iter().for_each(write);
    }
    // SAFETY: the places cut all of `size` elements into parts, and each part was written whole.
    unsafe { output.set_len(size) };
    output
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
