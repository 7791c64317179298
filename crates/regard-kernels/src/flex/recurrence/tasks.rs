//! How sequences are divided among tasks, and memory among sequences.
//!
//! Sequences do not meet, so each task runs its own from the first step to the last without waiting for others. No sum is made
//! over sequences of a task: which are together, and so the number of threads, changes no bit.

#![allow(unsafe_code, reason = "matrices are written once, not zeroed first")]

use std::cmp::Reverse;
use std::mem::MaybeUninit;

use rayon::prelude::*;

use super::network::Network;
use crate::Sequences;

/// Work, in multiply-adds, below which dividing it costs more than it gains.
const WORTH_DIVIDING: usize = 1 << 19;

/// Sequences that a task runs side by side at most: enough to share what is read of the weights.
const SIDE_BY_SIDE: usize = 64;

/// A sequence, and which of the task's memories it looks at.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Member {
    pub(super) sequence: usize,
    pub(super) memory: usize,
}

/// What a task runs: the longest sequences first, so that those that still go on are the first ones at every step; and the
/// units of work that these come from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    pub(super) members: Vec<Member>,
    pub(super) units: Vec<usize>,
}

/// Deals the sequences out so that every task has about as much to do.
pub(super) fn groups(network: &Network<'_>) -> Vec<Group> {
    let work: Vec<usize> = (0..network.units())
        .map(|unit| network.work(unit))
        .collect();
    let total = work.iter().sum::<usize>();
    let threads = if total < WORTH_DIVIDING {
        1
    } else {
        rayon::current_num_threads()
    };
    let tasks = threads
        * network
            .sequences
            .count()
            .div_ceil(threads * SIDE_BY_SIDE)
            .max(1);
    let looks = network.looks();
    let group = |units: Vec<usize>| {
        let of_unit = |(memory, unit): (usize, &usize)| {
            let sequences = unit * looks..(unit + 1) * looks;
            sequences.map(move |sequence| Member { sequence, memory })
        };
        let mut members: Vec<Member> = units.iter().enumerate().flat_map(of_unit).collect();
        members.sort_by_key(|member| Reverse(network.sequences.lengths()[member.sequence]));
        Group { members, units }
    };
    deal(&work, tasks).into_iter().map(group).collect()
}

/// Gives the largest piece of work that is left to the task that has least, until none is left.
fn deal(work: &[usize], tasks: usize) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> = (0..work.len()).collect();
    order.sort_by_key(|&unit| Reverse(work[unit]));
    let mut hands = vec![(0, Vec::new()); tasks];
    for unit in order {
        // Pieces without work, too, are given to one after the other.
        let least = hands
            .iter_mut()
            .min_by_key(|(load, units)| (*load, units.len()));
        let (load, units) = least.expect("at least one task");
        *load += work[unit];
        units.push(unit);
    }
    let hands = hands.into_iter().map(|(_, units)| units);
    hands.filter(|units| !units.is_empty()).collect()
}

/// Runs `f` on every task.
pub(super) fn each<T: Send, R: Send>(
    mut tasks: Vec<T>,
    f: impl Fn(T) -> R + Sync + Send,
) -> Vec<R> {
    match tasks.pop() {
        Some(task) if tasks.is_empty() => vec![f(task)],
        last => tasks.into_par_iter().chain(last).map(f).collect(),
    }
}

/// Rows of each sequence in a matrix of that many columns; `f` is given what lies between them.
pub(super) fn parts<'a, T>(
    sequences: &Sequences,
    width: usize,
    mut data: &'a mut [T],
    mut f: impl FnMut(&mut [T]),
) -> Vec<&'a mut [T]> {
    let mut parts = Vec::with_capacity(sequences.count());
    let mut row = 0;
    for range in (0..sequences.count()).map(|sequence| sequences.range(sequence)) {
        let (between, rest) = data.split_at_mut((range.start - row) * width);
        let (part, rest) = rest.split_at_mut(range.len() * width);
        f(between);
        parts.push(part);
        (data, row) = (rest, range.end);
    }
    f(data);
    parts
}

/// A matrix `[N, width]` in the making.
pub(super) struct Unwritten {
    data: Vec<f32>,
    size: usize,
}

/// Rows of a sequence that a task writes.
pub(super) type Rows<'a> = &'a mut [MaybeUninit<f32>];

impl Unwritten {
    pub(super) fn new(sequences: &Sequences, width: usize) -> Self {
        let size = sequences.rows() * width;
        Self {
            data: Vec::with_capacity(size),
            size,
        }
    }

    /// The rows of each sequence; those of none become 0.
    pub(super) fn parts(&mut self, sequences: &Sequences, width: usize) -> Vec<Rows<'_>> {
        let room = &mut self.data.spare_capacity_mut()[..self.size];
        parts(sequences, width, room, |between| {
            between.fill(MaybeUninit::new(0.0));
        })
    }

    /// # Safety
    ///
    /// Every row of every one of its parts must have been written.
    pub(super) unsafe fn written(mut self) -> Vec<f32> {
        // SAFETY: the parts and what lies between them are all elements; the former the caller wrote, the latter `parts`.
        unsafe { self.data.set_len(self.size) };
        self.data
    }
}
