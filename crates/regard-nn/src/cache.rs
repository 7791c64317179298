//! Keys and values of the past.

use burn::tensor::{Int, Tensor, TensorData};
use regard_kernels::{Origins, write_positions};

use crate::Rows;

/// The keys and values that self-attention has seen, so that a step computes only its own.
///
/// Room is doubled when it runs out and written in place, so a step costs what it adds, not what it has. Nor does choosing
/// rows move any: it is noted which row each position was written in. Only where there are more rows than before, or at most
/// half as many, they are copied to rows of their own.
#[derive(Clone, Debug, Default)]
pub struct KeyValueCache {
    /// Keys and values, each `[Q, room, H_kv * K]`, the first `length` positions in use.
    filled: Option<(Tensor<3>, Tensor<3>)>,
    length: usize,
    /// Where the R rows stand; `None` if each in its own.
    origins: Option<Origins>,
}

/// Keys and values of some sequences.
#[derive(Clone, Debug)]
pub(crate) struct Past {
    /// `[Q, S, H_kv * K]`.
    pub(crate) key: Tensor<3>,
    /// `[Q, S, H_kv * K]`.
    pub(crate) value: Tensor<3>,
    /// In which rows they stand; `None` if each sequence in its own.
    pub(crate) origins: Option<Origins>,
}

impl KeyValueCache {
    /// Number of positions seen.
    pub fn length(&self) -> usize {
        self.length
    }

    /// Adds keys and values `[R, T, H_kv * K]` behind the others and returns all of them, `[R, length, H_kv * K]`.
    ///
    /// # Panics
    ///
    /// If rows or width differ from those before.
    pub fn append(&mut self, key: Tensor<3>, value: Tensor<3>) -> (Tensor<3>, Tensor<3>) {
        self.settle();
        let Past { key, value, .. } = self.append_in_place(key, value);
        (key, value)
    }

    /// As [`append`](Self::append), but of rows that were chosen the past stays where it is.
    pub(crate) fn append_in_place(&mut self, key: Tensor<3>, value: Tensor<3>) -> Past {
        let [rows, added, width] = key.dims();
        let (keys, values) = match self.filled.take() {
            Some(filled) => filled,
            None => (empty(&key, added), empty(&value, added)),
        };
        let [own_rows, _, own_width] = keys.dims();
        let expected = self.origins.as_ref().map_or(own_rows, Origins::sequences);
        assert_eq!(
            [expected, own_width],
            [rows, width],
            "KeyValueCache: expected rows and width of the positions before, got {rows} and {width}"
        );
        let start = self.length;
        self.length += added;
        let write =
            |room: Tensor<3>, new: Tensor<3>| write_positions(grow(room, self.length), start, new);
        let keys = write(keys, key);
        let values = write(values, value);
        let used = |room: &Tensor<3>| room.clone().slice([0..own_rows, 0..self.length]);
        if let Some(origins) = &mut self.origins {
            origins.extend(added);
        }
        let past = Past {
            key: used(&keys),
            value: used(&values),
            origins: self.origins.clone(),
        };
        self.filled = Some((keys, values));
        past
    }

    /// Copies what stands in other rows to its own.
    fn settle(&mut self) {
        let Some(origins) = self.origins.take() else {
            return;
        };
        self.filled = self.filled.take().map(|(keys, values)| {
            let gather = |room: Tensor<3>| {
                let used = room.slice_dim(1, 0..self.length);
                origins.gather(used)
            };
            (gather(keys), gather(values))
        });
    }
}

impl Rows for KeyValueCache {
    fn select(mut self, rows: &[usize]) -> Self {
        let Some((keys, values)) = self.filled.take() else {
            return self;
        };
        let [own_rows, ..] = keys.dims();
        let is_copied = rows.len() > own_rows || 2 * rows.len() <= own_rows;
        if is_copied && self.origins.is_none() {
            self.filled = Some((select_rows(keys, rows), select_rows(values, rows)));
            return self;
        }
        self.filled = Some((keys, values));
        let length = self.length;
        self.origins
            .get_or_insert_with(|| Origins::own(own_rows, length))
            .select(rows);
        if is_copied {
            self.settle();
        }
        self
    }
}

/// The given rows of the first axis, in the given order.
pub(crate) fn select_rows<const D: usize>(x: Tensor<D>, rows: &[usize]) -> Tensor<D> {
    let rows: Vec<i32> = rows
        .iter()
        .map(|&row| crate::batch::device_id(row))
        .collect();
    let count = rows.len();
    let index = Tensor::<1, Int>::from_data(TensorData::new(rows, [count]), &x.device());
    x.select(0, index)
}

fn empty(like: &Tensor<3>, length: usize) -> Tensor<3> {
    let [rows, _, width] = like.dims();
    Tensor::zeros([rows, length.max(16), width], &like.device())
}

fn grow(room: Tensor<3>, needed: usize) -> Tensor<3> {
    let [rows, size, width] = room.dims();
    if needed <= size {
        return room;
    }
    let larger = Tensor::zeros([rows, needed.max(2 * size), width], &room.device());
    write_positions(larger, 0, room)
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn appended_positions_come_back_in_order() {
        let device = regard_kernels::device_of_environment().unwrap();
        let whole = Tensor::<1, Int>::arange(0..2 * 50 * 3, &device)
            .float()
            .reshape([2, 50, 3]);
        let mut cache = KeyValueCache::default();
        let mut start = 0;
        for added in [1, 2, 16, 1, 30] {
            let part = whole.clone().slice([0..2, start..start + added]);
            let (keys, values) = cache.append(part.clone(), part * 2.0);
            start += added;
            let expected = whole.clone().slice([0..2, 0..start]);
            assert_eq!(keys.into_data(), expected.clone().into_data());
            assert_eq!(values.into_data(), (expected * 2.0).into_data());
        }
        assert_eq!(cache.length(), 50);
    }

    /// A cache whose rows are chosen now and again, beside one that copies them each time.
    #[test]
    fn chosen_rows_are_their_origins_whether_or_not_they_are_copied() {
        let device = regard_kernels::device_of_environment().unwrap();
        let choices: [&[usize]; 9] = [
            &[0, 0, 1, 1, 2, 2], // more rows
            &[1, 0, 3, 3, 5, 4],
            &[0, 1, 2, 3, 4, 5],
            &[5, 5, 5, 0, 1, 1],
            &[4, 2, 0, 0], // fewer rows, which stay where they are
            &[3, 3, 1, 0],
            &[0, 1, 3, 2, 1], // more than there are, fewer than there is room for
            &[4, 0],          // at most half
            &[1, 1],
        ];
        for asks_for_copies in [false, true] {
            let mut cache = KeyValueCache::default();
            // What every row should hold, position by position.
            let mut expected: Vec<Vec<f32>> = vec![Vec::new(); 3];
            let mut next = 0.0;
            for (step, choice) in choices.iter().enumerate() {
                for _ in 0..=step % 3 {
                    let new: Vec<f32> = (0..expected.len()).map(|row| next + row as f32).collect();
                    next += 100.0;
                    for (row, &new) in expected.iter_mut().zip(&new) {
                        row.push(new);
                    }
                    let data = TensorData::new(new, [expected.len(), 1, 1]);
                    let new = Tensor::<3>::from_data(data, &device);
                    let past = if asks_for_copies {
                        let (key, value) = cache.append(new.clone(), new * 2.0);
                        Past {
                            key,
                            value,
                            origins: None,
                        }
                    } else {
                        cache.append_in_place(new.clone(), new * 2.0)
                    };
                    let all = |x: Tensor<3>| match &past.origins {
                        Some(origins) => origins.gather(x),
                        None => x,
                    };
                    let got = [all(past.key.clone()), all(past.value.clone()) / 2.0];
                    for got in got {
                        let got: Vec<f32> = got.into_data().iter::<f32>().collect();
                        assert_eq!(got, expected.concat(), "before choice {step}");
                    }
                }
                cache = cache.select(choice);
                expected = choice.iter().map(|&row| expected[row].clone()).collect();
            }
        }
    }

    #[test]
    fn choosing_among_the_rows_moves_none() {
        // Elsewhere nothing is written in place.
        let device = Device::flex();
        let new = || Tensor::<3>::ones([4, 1, 3], &device);
        let address = |cache: &KeyValueCache| {
            let (keys, _) = cache.filled.clone().unwrap();
            let keys = keys.try_into_primitive::<burn::backend::Flex>().unwrap();
            keys.storage::<f32>().as_ptr()
        };
        let mut cache = KeyValueCache::default();
        cache.append_in_place(new(), new());
        let before = address(&cache);
        for rows in [[3, 3, 0, 1], [1, 0, 2, 2]] {
            cache = cache.select(&rows);
            cache.append_in_place(new(), new());
            assert_eq!(address(&cache), before);
        }
        assert_ne!(
            address(&cache.select(&[0, 2])),
            before,
            "half of them are copied"
        );
    }

    #[test]
    fn selected_rows_are_copies_of_their_origin() {
        let device = regard_kernels::device_of_environment().unwrap();
        let part = Tensor::<3>::from_floats([[[1.0]], [[2.0]], [[3.0]]], &device);
        let mut cache = KeyValueCache::default();
        cache.append(part.clone(), part);
        let mut cache = cache.select(&[2, 0]);
        let next = Tensor::<3>::from_floats([[[4.0]], [[5.0]]], &device);
        let (keys, _) = cache.append(next.clone(), next);
        assert_eq!(
            keys.into_data().as_slice::<f32>().unwrap(),
            [3.0, 4.0, 1.0, 5.0]
        );
    }
}
