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
            traceparent: None,
        }])
    }

    /// The same as a part of the trace of the message that led to it.
    pub(crate) fn traced(mut self, traceparent: Option<&str>) -> Self {
        if let Self::Commit(updates) = &mut self {
            for update in updates {
                update.traceparent = traceparent.map(str::to_owned);
            }
        }
        self
    }

    pub(crate) fn updates(&self) -> &[Update] {
        match self {
            Self::Commit(updates) => updates,
            Self::Ignore(_) => &[],
        }
    }
}
