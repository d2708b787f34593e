//! How a job fails.

use std::error::Error;

use sea_orm::{DbErr, SqlErr};
use shared::{
    db::{self, Trouble},
    queue::PublishError,
    stripe::error::StripeError,
};
use tokio::time::error::Elapsed;

use crate::{
    failure_code::FailureCode,
    fulfill_checkout::fulfill_error::{FulfillError, HookError},
    outage::dependency::Down,
};

/// A job that failed. Its code says what becomes of the message: retried, or dead-lettered.
#[derive(Debug, thiserror::Error)]
#[error("job failed: {code}")]
pub struct JobError {
    code: FailureCode,
    source: Box<dyn Error + Send + Sync>,
}

impl JobError {
    /// - `source`: what failed.
    pub fn new(code: FailureCode, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            code,
            source: source.into(),
        }
    }

    /// The error as a field of a log line, which prints its causes as well.
    pub fn chain(&self) -> &(dyn Error + 'static) {
        self
    }

    /// Why.
    pub fn code(&self) -> FailureCode {
        self.code
    }

    /// What to keep beside the code, if it says more than the code: for operators only.
    pub fn detail(&self) -> Option<String> {
        let hook = self.source.downcast_ref::<HookError>();
        let constraint = || {
            let error = self.source.downcast_ref::<DbErr>()?;
            let violated = self.code == FailureCode::ConstraintViolated;
            violated.then(|| db::refusal(error)).flatten()
        };
        hook.map(HookError::detail)
            .or_else(|| constraint().map(|(code, words)| format!("{code}: {words}")))
    }
}

/// A violated constraint stays one, and so does a value that the database cannot keep, such as a NUL. What is
/// unknown may pass, and the schedule of retries has an end.
impl From<DbErr> for JobError {
    fn from(error: DbErr) -> Self {
        let code = match (db::trouble(&error), error.sql_err()) {
            (Trouble::Outage, _) => FailureCode::DatabaseUnavailable,
            (Trouble::Contention, _) => FailureCode::DatabaseBusy,
            (
                Trouble::Lasting,
                Some(
                    SqlErr::UniqueConstraintViolation(_) | SqlErr::ForeignKeyConstraintViolation(_),
                ),
            ) => FailureCode::ConstraintViolated,
            (Trouble::Lasting, _) if is_data_exception(&error) => FailureCode::MalformedEvent,
            (Trouble::Lasting, _) => FailureCode::DatabaseError,
        };
        Self::new(code, error)
    }
}

/// Source: class 22 of <https://www.postgresql.org/docs/current/errcodes-appendix.html>
fn is_data_exception(error: &DbErr) -> bool {
    db::refusal(error).is_some_and(|(code, _)| code.len() == 5 && code.starts_with("22"))
}

impl From<FulfillError> for JobError {
    fn from(error: FulfillError) -> Self {
        match error {
            FulfillError::Database(error) => error.into(),
            FulfillError::Hook(error) => Self::new(FailureCode::HookFailed, error),
            FulfillError::Refused(refusal) => Self::new(FailureCode::DecisionRefused, refusal),
        }
    }
}

impl From<Down> for JobError {
    fn from(down: Down) -> Self {
        Self::new(down.0.into(), down)
    }
}

impl From<PublishError> for JobError {
    fn from(error: PublishError) -> Self {
        Self::new(FailureCode::QueueUnavailable, error)
    }
}

impl From<Elapsed> for JobError {
    fn from(elapsed: Elapsed) -> Self {
        Self::new(FailureCode::TimedOut, elapsed)
    }
}

impl From<StripeError> for JobError {
    fn from(error: StripeError) -> Self {
        Self::new((&error).into(), error)
    }
}
