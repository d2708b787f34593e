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
        hook.map(HookError::detail)
    }
}

/// A violated constraint is a fault in our data or code and stays one. What is unknown may
/// pass, and the schedule of retries has an end.
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
            (Trouble::Lasting, _) => FailureCode::DatabaseError,
        };
        Self::new(code, error)
    }
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
