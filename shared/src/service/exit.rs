//! How a process ends.

use std::process::ExitCode;

use crate::{config::ConfigError, db::ConnectError, queue::OpenError};

/// Reports how a program ended, on standard error in one line with its causes, and turns it
/// into the exit code: 0, 2 for what starting again will not change, 1 for anything else.
#[expect(
    clippy::print_stderr,
    reason = "the last words of a process, also before logging is up"
)]
pub fn exit_code(program: &str, result: anyhow::Result<()>) -> ExitCode {
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    eprintln!("{program}: {error:#}");
    let wrong_broker = error
        .downcast_ref::<OpenError>()
        .is_some_and(|error| !error.may_pass());
    let wrong_database = error
        .downcast_ref::<ConnectError>()
        .is_some_and(|error| matches!(error, ConnectError::Unreachable(_)) && !error.may_pass());
    if error.is::<ConfigError>() || wrong_broker || wrong_database {
        ExitCode::from(ConfigError::EXIT_CODE)
    } else {
        ExitCode::FAILURE
    }
}
