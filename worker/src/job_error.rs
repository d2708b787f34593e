//! How a job fails, and what that means for its message.

use std::error::Error;

use sea_orm::{DbErr, SqlErr};
use shared::{
    db::{self, Trouble},
    stripe::error::StripeError,
};

use crate::outage::breaker::{Dependency, Down};

/// What the consumer does with a delivery whose job failed. `code` is stable: it stands in
/// headers, in the table of dead letters and in logs.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    /// May succeed later: publish to a retry tier, then ack.
    #[error("job failed, will be tried again")]
    Retry {
        /// Why.
        code: &'static str,
        /// What failed.
        source: Box<dyn Error + Send + Sync>,
    },
    /// Will never succeed: dead-letter it.
    #[error("job failed for good")]
    Reject {
        /// Why.
        code: &'static str,
        /// What failed.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl JobError {
    /// May succeed later.
    pub fn retry(code: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Retry {
            code,
            source: source.into(),
        }
    }

    /// Will never succeed.
    pub fn reject(code: &'static str, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Reject {
            code,
            source: source.into(),
        }
    }

    /// Itself, for the log, which prints its causes as well.
    #[must_use]
    pub fn chain(&self) -> &(dyn Error + 'static) {
        self
    }

    /// Why, as a code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Retry { code, .. } | Self::Reject { code, .. } => code,
        }
    }

    /// Whether to try again within this attempt: the database was busy, not wrong.
    #[must_use]
    pub fn is_database_trouble(&self) -> bool {
        matches!(self.code(), DATABASE_UNAVAILABLE | DATABASE_BUSY)
    }

    /// What may be down, if it failed for the lack of something.
    #[must_use]
    pub fn dependency(&self) -> Option<Dependency> {
        match self.code() {
            // Whatever did not answer in time: the database is what every job waits for.
            DATABASE_UNAVAILABLE | TIMED_OUT => Some(Dependency::Database),
            STRIPE_UNAVAILABLE | "stripe_rate_limited" | "stripe_unauthorized" => {
                Some(Dependency::Stripe)
            }
            _ => None,
        }
    }
}

const DATABASE_UNAVAILABLE: &str = "database_unavailable";
const DATABASE_BUSY: &str = "database_busy";
const STRIPE_UNAVAILABLE: &str = "stripe_unavailable";
/// An attempt took too long.
pub const TIMED_OUT: &str = "timed_out";

/// A violated constraint is a fault in our data or code and stays one. What is unknown may
/// pass, and the schedule of retries has an end.
impl From<DbErr> for JobError {
    fn from(error: DbErr) -> Self {
        match db::trouble(&error) {
            Trouble::Outage => return Self::retry(DATABASE_UNAVAILABLE, error),
            Trouble::Contention => return Self::retry(DATABASE_BUSY, error),
            Trouble::Lasting => {}
        }
        match error.sql_err() {
            Some(
                SqlErr::UniqueConstraintViolation(_) | SqlErr::ForeignKeyConstraintViolation(_),
            ) => Self::reject("constraint_violated", error),
            _ => Self::retry("database_error", error),
        }
    }
}

impl From<Down> for JobError {
    fn from(down: Down) -> Self {
        let code = match down.0 {
            Dependency::Database => DATABASE_UNAVAILABLE,
            Dependency::Stripe => STRIPE_UNAVAILABLE,
        };
        Self::retry(code, down)
    }
}

impl From<StripeError> for JobError {
    fn from(error: StripeError) -> Self {
        let code = error.code();
        if error.is_transient() {
            Self::retry(code, error)
        } else {
            Self::reject(code, error)
        }
    }
}
