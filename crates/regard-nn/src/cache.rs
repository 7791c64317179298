//! Keys and values of the past.

use burn::tensor::{Int, Tensor, TensorData};
use regard_kernels::write_positions;

use crate::Rows;

/// The keys and values that self-attention has seen, so that a step computes only its own.
///
/// Room is doubled when it runs out and written in place, so a step costs what it adds, not what it has.
#[derive(Clone, Debug, Default)]
pub struct KeyValueCache {
    /// Keys and values, each `[R, room, H_kv * K]`, the first `length` positions in use.
    filled: Option<(Tensor<3>, Tensor<3>)>,
    length: usize,
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
        let [rows, added, width] = key.dims();
        let (keys, values) = match self.filled.take() {
            Some(filled) => filled,
            None => (empty(&key, added), empty(&value, added)),
        };
        assert_eq!(
            [keys.dims()[0], keys.dims()[2]],
            [rows, width],
            "KeyValueCache: expected rows and width of the positions before, got {rows} and {width}"
        );
        let start = self.length;
        self.length += added;
        let write =
            |room: Tensor<3>, new: Tensor<3>| write_positions(grow(room, self.length), start, new);
        let keys = write(keys, key);
        let values = write(values, value);
        let used = |room: &Tensor<3>| room.clone().slice([0..rows, 0..self.length]);
        let all = (used(&keys), used(&values));
        self.filled = Some((keys, values));
        all
    }
}

impl Rows for KeyValueCache {
    fn select(self, rows: &[usize]) -> Self {
        let filled = self
            .filled
            .map(|(keys, values)| (select_rows(keys, rows), select_rows(values, rows)));
        Self { filled, ..self }
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
        let device = Device::flex();
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

    #[test]
    fn selected_rows_are_copies_of_their_origin() {
        let device = Device::flex();
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
