//! How training went: loss, rates, gradient norms, validation scores and speed of runs, side by side.
//!
//! Here: which curves there are, how they are thinned and smoothed, and their pictures. How logs are read is the caller's
//! business; [`text`], [`svg`] and [`html`] take numbers.

mod chart;
mod page;
mod panel;
mod table;
mod thin;

use crate::error::EvalError;

/// A value after a step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Updates made.
    pub step: u64,
    /// What was seen then; one that is not finite is not drawn.
    pub value: f64,
}

/// A score of a run's validations.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Its name in the log: `nats` is the loss, of others it is known whether more is better.
    pub name: String,
    /// One for each validation.
    pub points: Vec<Point>,
}

/// What one run has logged; steps ascend.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Run {
    /// Its name, of which there is no other.
    pub name: String,
    /// Training loss, nats per token.
    pub loss: Vec<Point>,
    /// Learning rate.
    pub learning_rate: Vec<Point>,
    /// Norm of the gradient before clipping.
    pub gradient_norm: Vec<Point>,
    /// Target tokens per second.
    pub speed: Vec<Point>,
    /// Scores of validations, in the order in which they are shown.
    pub validation: Vec<Score>,
}

/// The last and the best value of everything, in columns, for a terminal.
///
/// # Errors
///
/// [`EvalError::NoRuns`]; [`EvalError::NothingLogged`] if a run has no finite value; [`EvalError::SameName`].
///
/// # Example
///
/// ```
/// use regard_eval::curves::{Point, Run, text};
///
/// let loss = [(50, 4.25), (100, 3.5)].map(|(step, value)| Point { step, value });
/// let run = Run { name: "toy".into(), loss: loss.to_vec(), ..Run::default() };
/// let table = text(&[run])?;
/// assert_eq!(table.lines().nth(1), Some("training loss  3.500   100  3.500   100"));
/// # Ok::<(), regard_eval::EvalError>(())
/// ```
pub fn text(runs: &[Run]) -> Result<String, EvalError> {
    Ok(table::text(&checked(runs)?))
}

/// All charts in one SVG that needs nothing else, two beside each other; light or dark as the reader's screen is.
///
/// # Errors
///
/// As [`text`].
pub fn svg(runs: &[Run]) -> Result<String, EvalError> {
    Ok(page::svg(&checked(runs)?))
}

/// All charts and the table as one page of HTML that needs nothing else; light, dark and for print.
///
/// # Behaviour
///
/// - Logs of any length are drawn with some hundred points, among them the least and the largest of every stretch.
/// - Logs of 200 values and more are drawn faintly, and solid as their mean over 2 % of them around each.
/// - What is proportional is drawn on a logarithm where its largest value is more than so many times its smallest: 20
///   for loss and gradient norm, 5 for perplexity.
///
/// # Errors
///
/// As [`text`].
pub fn html(runs: &[Run]) -> Result<String, EvalError> {
    Ok(page::html(&checked(runs)?))
}

/// The runs with finite values alone.
fn checked(runs: &[Run]) -> Result<Vec<Run>, EvalError> {
    if runs.is_empty() {
        return Err(EvalError::NoRuns);
    }
    let mut kept: Vec<Run> = Vec::new();
    for run in runs {
        let name = &run.name;
        if kept.iter().any(|other| other.name == *name) {
            return Err(EvalError::SameName { name: name.clone() });
        }
        let run = finite(run);
        let logs = [
            &run.loss,
            &run.learning_rate,
            &run.gradient_norm,
            &run.speed,
        ];
        if logs.iter().all(|log| log.is_empty()) && run.validation.is_empty() {
            return Err(EvalError::NothingLogged { name: name.clone() });
        }
        kept.push(run);
    }
    Ok(kept)
}

fn finite(run: &Run) -> Run {
    let keep = |points: &[Point]| -> Vec<Point> {
        let finite = points.iter().filter(|point| point.value.is_finite());
        finite.copied().collect()
    };
    let scores = run.validation.iter().map(|score| Score {
        name: score.name.clone(),
        points: keep(&score.points),
    });
    Run {
        name: run.name.clone(),
        loss: keep(&run.loss),
        learning_rate: keep(&run.learning_rate),
        gradient_norm: keep(&run.gradient_norm),
        speed: keep(&run.speed),
        validation: scores.filter(|score| !score.points.is_empty()).collect(),
    }
}

#[cfg(test)]
mod tests;
