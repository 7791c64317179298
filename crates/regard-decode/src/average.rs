//! Averages of checkpoints.

use crate::weights::TensorFile;
use crate::{DecodeError, NamedTensor, RunDirectory, write_tensors};

/// Writes the mean of the weights at `steps` as the checkpoint `average`; what stood there is replaced.
///
/// ```text
/// average[i] = sum_s weights_s[i] / S
/// ```
///
/// Sums are made in f64, in the order of `steps`. Weights are those that inference would use of each checkpoint.
///
/// # Errors
///
/// [`DecodeError::NoCheckpoint`] if `steps` is empty or names one that is not there; [`DecodeError::Mismatch`] if checkpoints
/// differ in names or shapes; [`DecodeError::Write`].
///
/// # References
///
/// Vaswani et al. Attention Is All You Need. 2017. <https://arxiv.org/abs/1706.03762>, section 6.1.
pub fn average(run: &RunDirectory, steps: &[u64]) -> Result<(), DecodeError> {
    let known = run.steps()?;
    let missing = |wanted: String| DecodeError::NoCheckpoint {
        path: run.path().into(),
        wanted,
        steps: known.clone(),
    };
    if let Some(step) = steps.iter().find(|step| !known.contains(step)) {
        return Err(missing(format!("at step {step}")));
    }
    let (&first, others) = steps
        .split_first()
        .ok_or_else(|| missing("to average".into()))?;
    let mut sums: Vec<Sum> = TensorFile::read(&run.weights(first))?
        .into_tensors()
        .map(Sum::from)
        .collect();
    for &step in others {
        let mut file = TensorFile::read(&run.weights(step))?;
        let mut problems = Vec::new();
        for sum in &mut sums {
            if let Some(values) = file.take(&sum.name, &sum.shape, &mut problems) {
                let values = values.into_iter().map(f64::from);
                sum.values.iter_mut().zip(values).for_each(|(s, v)| *s += v);
            }
        }
        file.finish(problems)?;
    }
    let count = steps.len() as f64;
    let means: Vec<NamedTensor> = sums.into_iter().map(|sum| sum.divided(count)).collect();
    run.write_average(|directory| write_tensors(&directory.join("model.safetensors"), &means))
}

/// A tensor of sums in double precision.
struct Sum {
    name: String,
    shape: Vec<usize>,
    values: Vec<f64>,
}

impl From<NamedTensor> for Sum {
    fn from(tensor: NamedTensor) -> Self {
        Self {
            name: tensor.name,
            shape: tensor.shape,
            values: tensor.values.into_iter().map(f64::from).collect(),
        }
    }
}

impl Sum {
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a mean of f32 values is within their range"
    )]
    fn divided(self, count: f64) -> NamedTensor {
        NamedTensor {
            name: self.name,
            shape: self.shape,
            values: self.values.iter().map(|sum| (sum / count) as f32).collect(),
        }
    }
}
