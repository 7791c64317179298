use burn::tensor::{Tensor, TensorData};
use regard_kernels::{
    AdafactorStep, AdamStep, LionStep, SecondMoment, SgdStep, adafactor, adafactor_on_device, adam,
    adam_on_device, is_gpu, lion, lion_on_device, sgd, sgd_on_device,
};
use serde::{Deserialize, Serialize};

use crate::vectors::{slice, slice_mut};

/// Which rule turns gradients into updates: `train.optimizer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimizerKind {
    /// [`adam`].
    Adam,
    /// [`adam`] with decoupled decay of the weights.
    Adamw,
    /// [`adafactor`].
    Adafactor,
    /// [`lion`].
    Lion,
    /// [`sgd`].
    Sgd,
}

impl OptimizerKind {
    /// The name in a configuration.
    pub fn name(self) -> &'static str {
        match self {
            Self::Adam => "adam",
            Self::Adamw => "adamw",
            Self::Adafactor => "adafactor",
            Self::Lion => "lion",
            Self::Sgd => "sgd",
        }
    }

    /// The name in a profile.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Adam => "Adam",
            Self::Adamw => "AdamW",
            Self::Adafactor => "Adafactor",
            Self::Lion => "Lion",
            Self::Sgd => "SGD",
        }
    }
}

/// A rule with its constants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum UpdateRule {
    /// [`adam`]; `AdamW`, if weights decay.
    Adam {
        /// Decay of the first moment.
        beta1: f64,
        /// Decay of the second moment.
        beta2: f64,
        /// Added to the root of the second moment.
        epsilon: f64,
    },
    /// [`adafactor`].
    Adafactor {
        /// Whether the rate is a share of each parameter's root mean square.
        relative: bool,
        /// Largest root mean square of an update, before the rate.
        update_clip: f64,
    },
    /// [`lion`].
    Lion {
        /// Share of the momentum in the direction.
        beta1: f64,
        /// Decay of the momentum.
        beta2: f64,
    },
    /// [`sgd`].
    Sgd {
        /// Decay of the velocity; 0 keeps none.
        momentum: f64,
        /// Whether the gradient is followed from where the velocity leads.
        nesterov: bool,
    },
}

/// What all parameters of an update have in common.
#[derive(Clone, Copy, Debug)]
pub(super) struct Update {
    pub(super) step: u64,
    pub(super) rate: f64,
    pub(super) gradient_scale: f64,
}

impl UpdateRule {
    /// Names and shapes of what is kept of a parameter of shape `shape`.
    ///
    /// Rules that are not interchangeable share no set of names: a file tells whose it is.
    pub(super) fn slots(self, shape: &[usize]) -> Vec<(&'static str, Vec<usize>)> {
        match (self, shape) {
            (Self::Adam { .. }, _) => vec![
                ("first_moment", shape.to_vec()),
                ("second_moment", shape.to_vec()),
            ],
            // Of more than two axes, all but the last are rows.
            (Self::Adafactor { .. }, [rows @ .., columns]) if !rows.is_empty() => vec![
                ("row_second_moment", vec![rows.iter().product()]),
                ("column_second_moment", vec![*columns]),
            ],
            (Self::Adafactor { .. }, _) => vec![("second_moment", shape.to_vec())],
            (Self::Lion { .. }, _) => vec![("momentum", shape.to_vec())],
            (Self::Sgd { momentum, .. }, _) if momentum > 0.0 => {
                vec![("velocity", shape.to_vec())]
            }
            (Self::Sgd { .. }, _) => Vec::new(),
        }
    }

    /// One parameter and what is kept of it, after an update.
    pub(super) fn apply(
        self,
        parameter: Tensor<1>,
        gradient: Tensor<1>,
        slots: Vec<Tensor<1>>,
        weight_decay: f64,
        update: Update,
    ) -> (Tensor<1>, Vec<Tensor<1>>) {
        let device = parameter.device();
        let constants = self.constants(weight_decay, update);
        if is_gpu(&device) {
            return constants.of_tensors(parameter, gradient, slots);
        }
        // Without another handle on it, memory moves out and back in without a copy.
        let (mut parameter, gradient) = (parameter.into_data(), gradient.into_data());
        let mut slots: Vec<TensorData> = slots.into_iter().map(Tensor::into_data).collect();
        constants.of_slices(
            slice_mut(&mut parameter),
            slice(&gradient),
            &mut slots.iter_mut().map(slice_mut).collect::<Vec<_>>(),
        );
        let back = |data| Tensor::from_data(data, &device);
        (back(parameter), slots.into_iter().map(back).collect())
    }

    fn constants(self, weight_decay: f64, update: Update) -> Constants {
        let Update {
            step,
            rate,
            gradient_scale,
        } = update;
        match self {
            Self::Adam {
                beta1,
                beta2,
                epsilon,
            } => Constants::Adam(AdamStep {
                step,
                rate,
                beta1,
                beta2,
                epsilon,
                weight_decay,
                gradient_scale,
            }),
            Self::Adafactor {
                relative,
                update_clip,
            } => Constants::Adafactor(AdafactorStep {
                step,
                rate,
                relative,
                update_clip,
                weight_decay,
                gradient_scale,
            }),
            Self::Lion { beta1, beta2 } => Constants::Lion(LionStep {
                rate,
                beta1,
                beta2,
                weight_decay,
                gradient_scale,
            }),
            Self::Sgd { momentum, nesterov } => Constants::Sgd(SgdStep {
                rate,
                momentum,
                nesterov,
                weight_decay,
                gradient_scale,
            }),
        }
    }
}

/// All that a rule needs for one parameter besides tensors.
#[derive(Debug)]
enum Constants {
    Adam(AdamStep),
    Adafactor(AdafactorStep),
    Lion(LionStep),
    Sgd(SgdStep),
}

impl Constants {
    /// In the memory of the host, in place.
    fn of_slices(&self, parameter: &mut [f32], gradient: &[f32], slots: &mut [&mut [f32]]) {
        match (self, slots) {
            (Self::Adam(constants), [first, second]) => {
                adam(parameter, gradient, first, second, constants);
            }
            (Self::Adafactor(constants), [full]) => {
                adafactor(
                    parameter,
                    gradient,
                    SecondMoment::Full(&mut **full),
                    constants,
                );
            }
            (Self::Adafactor(constants), [rows, columns]) => {
                let second = SecondMoment::Factored {
                    rows: &mut **rows,
                    columns: &mut **columns,
                };
                adafactor(parameter, gradient, second, constants);
            }
            (Self::Lion(constants), [momentum]) => lion(parameter, gradient, momentum, constants),
            (Self::Sgd(constants), [velocity]) => sgd(parameter, gradient, velocity, constants),
            (Self::Sgd(constants), []) => sgd(parameter, gradient, &mut [], constants),
            (rule, slots) => unreachable!("{rule:?} does not keep {} vectors", slots.len()),
        }
    }

    /// On their device.
    fn of_tensors(
        &self,
        parameter: Tensor<1>,
        gradient: Tensor<1>,
        slots: Vec<Tensor<1>>,
    ) -> (Tensor<1>, Vec<Tensor<1>>) {
        let mut slots = slots.into_iter();
        let mut slot = || slots.next().expect("the slots of the rule");
        match self {
            Self::Adam(constants) => {
                let moments = [slot(), slot()];
                let (parameter, moments) = adam_on_device(parameter, gradient, moments, constants);
                (parameter, moments.into())
            }
            Self::Adafactor(constants) => {
                let (first, second) = (slot(), slots.next());
                let moment = match second {
                    Some(columns) => SecondMoment::Factored {
                        rows: first,
                        columns,
                    },
                    None => SecondMoment::Full(first),
                };
                match adafactor_on_device(parameter, gradient, moment, constants) {
                    (parameter, SecondMoment::Full(moment)) => (parameter, vec![moment]),
                    (parameter, SecondMoment::Factored { rows, columns }) => {
                        (parameter, vec![rows, columns])
                    }
                }
            }
            Self::Lion(constants) => {
                let (parameter, momentum) = lion_on_device(parameter, gradient, slot(), constants);
                (parameter, vec![momentum])
            }
            Self::Sgd(constants) => {
                let velocity = slots.next();
                let (parameter, velocity) = sgd_on_device(parameter, gradient, velocity, constants);
                (parameter, velocity.into_iter().collect())
            }
        }
    }
}

/// Whose state a file holds in which these names end those of its tensors; `None` if nobody's.
pub(super) fn owner(kinds: &[&str]) -> Option<&'static str> {
    match kinds {
        ["first_moment", "second_moment"] => Some("`adam` or `adamw`"),
        ["column_second_moment", "row_second_moment"]
        | ["column_second_moment", "row_second_moment", "second_moment"]
        | ["second_moment"] => Some("`adafactor`"),
        ["momentum"] => Some("`lion`"),
        ["velocity"] => Some("`sgd`"),
        [] => Some("`sgd` without momentum"),
        _ => None,
    }
}
