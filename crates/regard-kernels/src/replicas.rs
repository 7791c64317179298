//! Where replicas of a model meet.

use burn::tensor::Tensor;

/// The sum of one tensor of each replica, on the device of the first.
///
/// ```text
/// y = x[0] + x[1] + .. + x[n - 1]
/// ```
///
/// # Shapes
///
/// All alike, as the result.
///
/// # Behaviour
///
/// Where every tensor is on a GPU of its own by NVIDIA, the sum is an all-reduce of NCCL, and no device is waited for; which
/// addend comes first is NCCL's choice. Elsewhere tensors move to the device of the first and are added in order, which a rerun
/// repeats bit for bit on the processor.
///
/// # Panics
///
/// If there is no tensor, or the shapes differ.
///
/// # Differences
///
/// burn's `all_reduce` is what the first case calls; it leaves the sum on every device, and knows no other backend. PyTorch:
/// `torch.distributed.all_reduce`, one process for each device.
///
/// # Example
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use regard_kernels::sum_over_replicas;
///
/// let of_replica = |x: f32| Tensor::<1>::from_floats([x], &Device::flex());
/// let sum = sum_over_replicas(vec![of_replica(1.0), of_replica(2.0)]);
/// assert_eq!(sum.into_scalar::<f32>(), 3.0);
/// ```
pub fn sum_over_replicas(tensors: Vec<Tensor<1>>) -> Tensor<1> {
    #[cfg(feature = "cuda")]
    let tensors = match all_reduced(tensors) {
        Ok(sum) => return sum,
        Err(tensors) => tensors,
    };
    let mut tensors = tensors.into_iter();
    let first = tensors
        .next()
        .expect("sum_over_replicas: expected at least one tensor");
    let device = first.device();
    tensors.fold(first, |sum, tensor| sum + tensor.to_device(&device))
}

/// The sum by NCCL; the tensors themselves where it cannot add them.
#[cfg(feature = "cuda")]
fn all_reduced(tensors: Vec<Tensor<1>>) -> Result<Tensor<1>, Vec<Tensor<1>>> {
    use burn::tensor::distributed::{ReduceOperation, all_reduce};

    use crate::devices::is_cuda;

    let devices: Vec<_> = tensors.iter().map(Tensor::device).collect();
    let alone = |(i, device)| is_cuda(device) && !devices[..i].contains(device);
    if devices.len() < 2 || !devices.iter().enumerate().all(alone) {
        return Err(tensors);
    }
    // Every device has its part before the first is asked for the sum: they wait for each other.
    let mut sums: Vec<_> = tensors
        .into_iter()
        .map(|tensor| all_reduce(tensor, ReduceOperation::Sum, devices.clone()))
        .collect();
    Ok(sums.swap_remove(0).resolve())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_replica_is_itself_and_several_are_added_in_order() {
        let device = crate::test_device();
        let tensor = |values: [f32; 2]| Tensor::<1>::from_floats(values, &device);
        // 1e8 + 1 - 1e8 is 0 in f32, and 1 in another order.
        let parts = [[1e8, 1.0], [1.0, 2.0], [-1e8, 3.0]];
        let sum = |parts: &[[f32; 2]]| {
            let sum = sum_over_replicas(parts.iter().copied().map(tensor).collect());
            sum.into_data().iter::<f32>().collect::<Vec<_>>()
        };
        assert_eq!(sum(&parts[..1]), [1e8, 1.0]);
        assert_eq!(sum(&parts), [0.0, 6.0]);
    }

    #[test]
    #[should_panic(expected = "sum_over_replicas: expected at least one tensor")]
    fn no_replica() {
        sum_over_replicas(Vec::new());
    }
}
