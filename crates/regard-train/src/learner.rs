//! A model in training, as a run has it.

use regard_nn::{Batch, Model};

use crate::{MovingAverage, Part, StepOutcome, TeacherForcing, TrainError, Trainer};

/// What an update changes: the trainer, and the moving average where the run keeps one.
#[derive(Debug)]
pub(crate) struct Learner {
    pub(crate) trainer: Trainer<TeacherForcing>,
    pub(crate) average: Option<MovingAverage>,
}

impl Learner {
    /// Makes one update from the sum over `parts`.
    pub(crate) fn update(self, parts: &[Part<Batch>]) -> Result<(Self, StepOutcome), TrainError> {
        let (mut trainer, outcome) = self.trainer.update(parts)?;
        let mut average = self.average;
        if let Some(average) = &mut average {
            trainer = trainer.map_model(|model| average.update(model, outcome.step));
        }
        Ok((Self { trainer, average }, outcome))
    }

    /// The model that is validated and kept for inference.
    pub(crate) fn evaluated(&self) -> Model {
        let model = self.trainer.model().clone();
        match &self.average {
            Some(average) => average.apply(model),
            None => model,
        }
    }
}
