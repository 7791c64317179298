//! Positions written into the room of a cache.

use burn::backend::flex::FlexTensor;

/// As the function of that name; `room [Q, P, W]`, `new [R, T, W]`.
pub(crate) fn write_positions(room: FlexTensor, start: usize, new: FlexTensor) -> FlexTensor {
    let [_, size, width] = dims(&room);
    let [rows, added, _] = dims(&new);
    let mut room = if room.layout().start_offset() == 0 && room.is_contiguous() {
        room
    } else {
        room.to_contiguous()
    };
    let strides = new.layout().strides();
    let is_whole = strides[2] == 1 && strides.iter().all(|&stride| stride > 0);
    let new = if is_whole { new } else { new.to_contiguous() };
    let stride = |axis: usize| new.layout().strides()[axis].unsigned_abs();
    let values = &new.storage::<f32>()[new.layout().start_offset()..];
    let target = room.storage_mut::<f32>();
    for row in 0..rows {
        for position in 0..added {
            let from = row * stride(0) + position * stride(1);
            let to = (row * size + start + position) * width;
            target[to..to + width].copy_from_slice(&values[from..from + width]);
        }
    }
    room
}

fn dims(tensor: &FlexTensor) -> [usize; 3] {
    let shape = tensor.layout().shape();
    [shape[0], shape[1], shape[2]]
}
