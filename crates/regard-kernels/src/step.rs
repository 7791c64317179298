//! What a step of a decoder adds to what it keeps.

use burn::tensor::Tensor;

/// Writes positions into the room that a cache has for them.
///
/// ```text
/// y[r, start + t] = new[r, t], and everything else as in room       [Q, P, W]
/// ```
///
/// # Shapes
///
/// `room: [Q, P, W]`, `new: [R, T, W]` with R at most Q and `start + T` at most P.
///
/// # Behaviour
///
/// Where nothing else holds the room it is written in place, at a cost of `O(R T W)`; on burn's CPU backend columns cut out of
/// a wider `new` are read where they are. Otherwise the room is copied first.
///
/// # Panics
///
/// If widths differ, or the room has too few rows or ends before.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::write_positions;
///
/// let device = Device::flex();
/// let room = Tensor::<3>::zeros([1, 3, 1], &device);
/// let room = write_positions(room, 1, Tensor::from_floats([[[5.0], [7.0]]], &device));
/// assert_eq!(room.into_data().as_slice::<f32>().unwrap(), [0.0, 5.0, 7.0]);
/// ```
pub fn write_positions(room: Tensor<3>, start: usize, new: Tensor<3>) -> Tensor<3> {
    let ([rows, size, width], [new_rows, added, new_width]) = (room.dims(), new.dims());
    assert!(
        new_rows <= rows && width == new_width && start + added <= size,
        "write_positions: expected at most {} positions for at most {rows} rows of width {width}, got {:?}",
        size.saturating_sub(start),
        new.dims()
    );
    #[cfg(feature = "flex")]
    {
        use crate::flex::{Operand, write_positions};
        if let (Some(Operand::Plain(values)), Some(Operand::Plain(new))) =
            (Operand::new(&room), Operand::new(&new))
        {
            drop(room); // another handle would mean another copy
            return Tensor::from_primitive::<burn::backend::Flex>(write_positions(
                values, start, new,
            ));
        }
    }
    room.slice_assign([0..new_rows, start..start + added, 0..width], new)
}

#[cfg(all(test, feature = "flex"))]
mod tests {
    use super::*;
    use crate::flex::tests::COMPOSED;
    use burn::backend::Flex;
    use burn::tensor::{Device, TensorData};

    fn values(shape: [usize; 3], phase: f32) -> Tensor<3> {
        let n = shape.iter().product::<usize>();
        let values: Vec<f32> = (0..n).map(|i| (i as f32 * 0.7 + phase).sin()).collect();
        Tensor::from_data(TensorData::new(values, shape), &crate::test_device())
    }

    #[test]
    fn fused_is_composed() {
        for (rows, size, start, added, width) in [
            (3, 7, 2, 1, 5),
            (2, 4, 0, 4, 3),
            (1, 1, 0, 1, 1),
            (0, 4, 1, 2, 3),
            (2, 5, 5, 0, 3),
        ] {
            let room = values([rows, size, width], 0.1);
            let whole = values([rows, added, width], 0.2);
            let wide = values([rows, added, 3 * width], 0.3);
            let cut = wide.slice([0..rows, 0..added, width..2 * width]);
            let turned = values([width, added, rows], 0.4).swap_dims(0, 2);
            let fewer = whole.clone().slice_dim(0, 0..rows / 2);
            for new in [whole, fewer, cut, turned] {
                let write = || write_positions(room.clone(), start, new.clone()).into_data();
                COMPOSED.set(true);
                let expected = write();
                COMPOSED.set(false);
                assert_eq!(write(), expected);
            }
        }
    }

    #[test]
    fn a_room_without_another_owner_is_written_in_place_and_one_with_is_not() {
        let address = |room: &Tensor<3>| {
            let primitive = room.clone().try_into_primitive::<Flex>().expect("on flex");
            primitive.storage::<f32>().as_ptr()
        };
        let values = |shape, phase| values(shape, phase).to_device(&Device::flex());
        let room = values([2, 3, 4], 0.1);
        let before = address(&room);
        let room = write_positions(room, 1, values([2, 1, 4], 0.2));
        assert_eq!(address(&room), before);
        let (kept, data) = (room.clone(), room.to_data());
        let other = write_positions(room, 0, values([2, 1, 4], 0.3));
        assert_ne!(address(&other), before);
        assert_eq!(kept.into_data(), data);
    }

    #[test]
    #[should_panic(
        expected = "write_positions: expected at most 1 positions for at most 1 rows of width 2, got [1, 2, 2]"
    )]
    fn more_positions_than_room() {
        write_positions(values([1, 3, 2], 0.1), 2, values([1, 2, 2], 0.2));
    }
}
