//! A model in training, as a run has it.

use regard_nn::{Batch, Model};

use crate::{MovingAverage, Part, PendingOutcome, TeacherForcing, TrainError, Trainer};

/// What an update changes: the trainer, and the moving average where the run keeps one.
#[derive(Debug)]
pub(crate) struct Learner {
    pub(crate) trainer: Trainer<TeacherForcing>,
    pub(crate) average: Option<MovingAverage>,
}

impl Learner {
    /// Makes one update from the sum over `parts`; a GPU may still be at it.
    pub(crate) fn begin_update(
        self,
        parts: &[Part<Batch>],
    ) -> Result<(Self, PendingOutcome), TrainError> {
        let (mut trainer, outcome) = self.trainer.begin_update(parts)?;
        let (mut average, step) = (self.average, trainer.step());
        if let Some(average) = &mut average {
            trainer = trainer.map_model(|model| average.update(model, step));
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
