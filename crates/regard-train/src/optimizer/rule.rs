use regard_kernels::{
    AdafactorStep, AdamStep, LionStep, SecondMoment, SgdStep, adafactor, adam, lion, sgd,
};
use serde::{Deserialize, Serialize};

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

    /// Updates one parameter and what is kept of it.
    pub(super) fn apply(
        self,
        parameter: &mut [f32],
        gradient: &[f32],
        slots: &mut [Vec<f32>],
        weight_decay: f64,
        update: Update,
    ) {
        let Update {
            step,
            rate,
            gradient_scale,
        } = update;
        match (self, slots) {
            (
                Self::Adam {
                    beta1,
                    beta2,
                    epsilon,
                },
                [first, second],
            ) => {
                let constants = AdamStep {
                    step,
                    rate,
                    beta1,
                    beta2,
                    epsilon,
                    weight_decay,
                    gradient_scale,
                };
                adam(parameter, gradient, first, second, &constants);
            }
            (
                Self::Adafactor {
                    relative,
                    update_clip,
                },
                slots,
            ) => {
                let second = match slots {
                    [rows, columns] => SecondMoment::Factored { rows, columns },
                    [full] => SecondMoment::Full(full),
                    _ => unreachable!("Adafactor keeps one or two vectors"),
                };
                let constants = AdafactorStep {
                    step,
                    rate,
                    relative,
                    update_clip,
                    weight_decay,
                    gradient_scale,
                };
                adafactor(parameter, gradient, second, &constants);
            }
            (Self::Lion { beta1, beta2 }, [momentum]) => {
                let constants = LionStep {
                    rate,
                    beta1,
                    beta2,
                    weight_decay,
                    gradient_scale,
                };
                lion(parameter, gradient, momentum, &constants);
            }
            (Self::Sgd { momentum, nesterov }, slots) => {
                let constants = SgdStep {
                    rate,
                    momentum,
                    nesterov,
                    weight_decay,
                    gradient_scale,
                };
                let velocity = slots.first_mut().map_or(&mut [][..], Vec::as_mut_slice);
                sgd(parameter, gradient, velocity, &constants);
            }
            (rule, slots) => unreachable!("{rule:?} does not keep {} vectors", slots.len()),
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
