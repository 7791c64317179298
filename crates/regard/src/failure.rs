//! How errors look, and what the process says to whoever called it.

use std::io;
use std::process::ExitCode;

use anyhow::Error;
use regard_decode::DecodeError;
use regard_text::TextError;
use regard_train::TrainError;

/// A check that the user asked for failed.
pub(crate) const CHECK_FAILED: u8 = 1;
const ERROR: u8 = 2;
/// A signal ended what could have gone on.
pub(crate) const INTERRUPTED: u8 = 130;

/// Prints an error with its causes and what to do; a reader that went away is no error.
pub(crate) fn report(error: &Error) -> ExitCode {
    if is_closed_pipe(error) {
        return ExitCode::SUCCESS;
    }
    let mut causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    // A transparent error says the same as its source.
    causes.dedup();
    crate::output::complain(&format!("error: {}", causes[0]));
    for cause in &causes[1..] {
        crate::output::complain(&format!("  caused by: {cause}"));
    }
    if let Some(hint) = hint(error) {
        crate::output::complain(&format!("hint: {hint}"));
    }
    ExitCode::from(ERROR)
}

fn is_closed_pipe(error: &Error) -> bool {
    error.chain().any(|cause| {
        cause
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

fn hint(error: &Error) -> Option<String> {
    error.chain().find_map(|cause| {
        let train = cause.downcast_ref::<TrainError>().map(TrainError::hint);
        let decode = cause.downcast_ref::<DecodeError>().map(DecodeError::hint);
        let text = cause.downcast_ref::<TextError>().map(TextError::hint);
        train.or(decode).or(text).flatten()
    })
}
