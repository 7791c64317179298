//! Attention to a past that hypotheses share: keys and values stay where they were written.

use std::sync::Arc;

use burn::tensor::{Int, Tensor, TensorData};

use crate::heads::key_heads;
use crate::{AttentionOptions, AttentionOutput, attention};

/// In which row of a room each position of some sequences was written.
///
/// In beam search a hypothesis goes on where another began. Its past then stands in several rows, and choosing hypotheses anew
/// is a matter of these numbers, S for each row, instead of the S times W numbers of keys and as many of values.
///
/// # Example
///
/// ```
/// use regard_kernels::Origins;
///
/// let mut origins = Origins::own(2, 1); // two rows, one position each
/// origins.select(&[1, 1]);
/// origins.extend(1);
/// assert_eq!([origins.row(0, 0), origins.row(0, 1)], [1, 0]);
/// assert_eq!([origins.row(1, 0), origins.row(1, 1)], [1, 1]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origins {
    /// `[S, R]`.
    rows: Arc<Vec<u32>>,
    sequences: usize,
}

impl Origins {
    /// `sequences` rows whose `positions` all stand in their own.
    pub fn own(sequences: usize, positions: usize) -> Self {
        let mut origins = Self {
            rows: Arc::default(),
            sequences,
        };
        origins.extend(positions);
        origins
    }

    /// Number of sequences R.
    pub fn sequences(&self) -> usize {
        self.sequences
    }

    /// Number of positions S of each.
    pub fn positions(&self) -> usize {
        self.rows.len().checked_div(self.sequences).unwrap_or(0)
    }

    /// The row where a position of a sequence stands.
    ///
    /// # Panics
    ///
    /// If there is no such position.
    #[inline]
    pub fn row(&self, sequence: usize, position: usize) -> usize {
        self.rows[position * self.sequences + sequence] as usize
    }

    /// Positions behind the others, that every sequence writes in its own row.
    ///
    /// # Panics
    ///
    /// If there are 2^32 sequences or more.
    pub fn extend(&mut self, positions: usize) {
        let sequences = u32::try_from(self.sequences).expect("fewer than 2^32 sequences");
        let rows = Arc::make_mut(&mut self.rows);
        for _ in 0..positions {
            rows.extend(0..sequences);
        }
    }

    /// The given sequences, in the given order.
    ///
    /// # Panics
    ///
    /// If there is no such sequence.
    pub fn select(&mut self, sequences: &[usize]) {
        let positions = self.rows.chunks(self.sequences.max(1));
        let selected = positions.flat_map(|rows| sequences.iter().map(|&sequence| rows[sequence]));
        self.rows = Arc::new(selected.collect());
        self.sequences = sequences.len();
    }

    /// Without the first positions.
    #[must_use]
    pub fn skip(mut self, positions: usize) -> Self {
        let numbers = (positions * self.sequences).min(self.rows.len());
        Arc::make_mut(&mut self.rows).drain(..numbers);
        self
    }

    /// The positions of each sequence side by side, `[R, S, W]`, from a room `[P, S, W]`: a copy of them all.
    ///
    /// # Panics
    ///
    /// If the room has other positions or too few rows.
    pub fn gather(&self, room: Tensor<3>) -> Tensor<3> {
        let [rows, positions, width] = room.dims();
        self.check("Origins::gather", [rows, positions]);
        let of_sequence = |sequence: usize| {
            let place = move |position| self.row(sequence, position) * positions + position;
            (0..positions).map(place)
        };
        let places: Vec<i32> = (0..self.sequences)
            .flat_map(of_sequence)
            .map(|place| i32::try_from(place).expect("rows that fit on a device"))
            .collect();
        let data = TensorData::new(places, [self.sequences * positions]);
        let places = Tensor::<1, Int>::from_data(data, &room.device());
        let flat = room.reshape([rows * positions, width]);
        flat.select(0, places)
            .reshape([self.sequences, positions, width])
    }

    fn check(&self, who: &str, [rows, positions]: [usize; 2]) {
        let most = self.rows.iter().max().map_or(0, |&row| row as usize + 1);
        assert!(
            (positions == self.positions() || self.sequences == 0) && most <= rows,
            "{who}: expected {} positions in at least {most} rows, got {positions} in {rows}",
            self.positions()
        );
    }
}

/// [`attention`](crate::attention()) to keys and values that stand where `origins` says.
///
/// ```text
/// context[r] = attention(q[r], k', v')       k'[s] = k[origins(r, s), s], and v' likewise
/// ```
///
/// # Shapes
///
/// | value | shape |
/// |-------|-------|
/// | `query` | `[R, T, H * K]` |
/// | `key` | `[P, S, H_kv * K]` |
/// | `value` | `[P, S, H_kv * K_v]` |
/// | `origins` | R sequences of S positions |
///
/// # Behaviour
///
/// As [`attention`](crate::attention()), mask and bias being those of the R rows. For a few queries without dropout that want no weights, as in a
/// step of decoding, keys and values are read where they stand (f32, softmax, burn's CPU backend); otherwise they are
/// gathered first, which takes the memory of `R S` positions.
///
/// # Panics
///
/// As [`attention`](crate::attention()), and if rows or positions are not those of `origins`.
///
/// # Differences
///
/// PyTorch, burn: no counterpart; engines for decoding call it a cache with indirection, or paged attention.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::{AttentionOptions, Origins, scattered_attention};
///
/// let device = Device::flex();
/// let mut origins = Origins::own(2, 2);
/// origins.select(&[1, 1]);
/// let value = Tensor::<3>::from_floats([[[0.0], [0.0]], [[4.0], [6.0]]], &device);
/// let (query, key) = (Tensor::zeros([2, 1, 1], &device), Tensor::zeros([2, 2, 1], &device));
/// let context = scattered_attention(query, key, value, &origins, AttentionOptions::new(1)).context;
/// assert_eq!(context.into_data().as_slice::<f32>().unwrap(), [5.0, 5.0]);
/// ```
pub fn scattered_attention(
    query: Tensor<3>,
    key: Tensor<3>,
    value: Tensor<3>,
    origins: &Origins,
    options: AttentionOptions,
) -> AttentionOutput {
    let ([rows, t, width], [key_rows, s, key_width]) = (query.dims(), key.dims());
    let [value_rows, value_s, value_width] = value.dims();
    assert!(
        rows == origins.sequences() && [value_rows, value_s] == [key_rows, s],
        "scattered_attention: expected queries of {} rows and values beside all keys, got {:?}, keys {:?} and values {:?}",
        origins.sequences(),
        query.dims(),
        key.dims(),
        value.dims()
    );
    origins.check("scattered_attention", [key_rows, s]);
    let dims = [
        [rows, t, width],
        [rows, s, key_width],
        [rows, s, value_width],
    ];
    #[cfg_attr(
        not(feature = "flex"),
        expect(unused_variables, reason = "checked for every backend")
    )]
    let key_heads = key_heads("scattered_attention", dims, options.n_heads);
    options.check([rows, t, s]);
    #[cfg(feature = "flex")]
    {
        let heads = crate::flex::Heads {
            queries: options.n_heads,
            keys: key_heads,
            width: width / options.n_heads,
            value_width: value_width / key_heads,
        };
        if let Some(context) = options.scattered([&query, &key, &value], heads, origins) {
            return AttentionOutput {
                context,
                weights: None,
            };
        }
    }
    let (key, value) = (origins.gather(key), origins.gather(value));
    attention(query, key, value, options)
}
