//! Why the transaction cannot be committed: the database, the site's function, or a decision that cannot
//! be carried out.

use sea_orm::DbErr;
use shared::db::{self, Trouble};

use crate::fulfill_checkout::intervene::Refusal;

/// The transaction cannot be committed.
#[derive(Debug, thiserror::Error)]
pub enum FulfillError {
    /// The database is in trouble, or refuses a row.
    #[error("the transaction failed")]
    Database(#[from] DbErr),
    /// The site's function failed.
    #[error(transparent)]
    Hook(#[from] HookError),
    /// What a person decided cannot be.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// The function raised an exception, took too long, or cannot be called. What it said is not part of
/// the text, since it may be about a buyer.
#[derive(Debug, thiserror::Error)]
#[error("the function in BOOKING_HOOK failed with SQLSTATE {sqlstate}")]
pub struct HookError {
    sqlstate: String,
    message: String,
}

impl HookError {
    /// SQLSTATE and message, for the function's author.
    pub fn detail(&self) -> String {
        format!("{}: {}", self.sqlstate, self.message)
    }
}

impl FulfillError {
    /// Whether the same transaction may succeed at once: another one was in the way. A function that
    /// waited for a lock has waited long enough, with our rows locked.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Database(error) => db::trouble(error) != Trouble::Lasting,
            Self::Hook(error) => error.sqlstate.starts_with("40"),
            Self::Refused(_) => false,
        }
    }

    /// What a call of the function came to. A server that goes down or is full is no fault of the
    /// function's; whatever else has a SQLSTATE is, also one that it could not have meant.
    pub fn of_hook(error: DbErr) -> Self {
        match db::refusal(&error) {
            Some((sqlstate, message))
                if !sqlstate.starts_with("57P") && !sqlstate.starts_with("53") =>
            {
                Self::Hook(HookError { sqlstate, message })
            }
            _ => Self::Database(error),
        }
    }
}
