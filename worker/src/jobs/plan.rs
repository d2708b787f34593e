//! What a job comes to: what is to change, or why nothing is.

use crate::fulfill_checkout::{
    outcome::NotOurs,
    update::{Change, EventRef, Target, Update},
};

#[derive(Debug, Clone)]
pub enum Plan {
    /// All of this, in one transaction.
    Commit(Vec<Update>),
    /// Nothing, and why.
    Ignore(NotOurs),
}

impl Plan {
    pub(crate) fn one(target: Target, change: Change, event: Option<EventRef>) -> Self {
        Self::Commit(vec![Update {
            target,
            change,
            event,
        }])
    }

    pub(crate) fn updates(&self) -> &[Update] {
        match self {
            Self::Commit(updates) => updates,
            Self::Ignore(_) => &[],
        }
    }
}
