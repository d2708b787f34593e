//! How far a run has come, and what it has seen.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

/// How far a run has come; what another worker needs to go on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Cursor {
    /// When the run began: what is newer, it has not seen.
    #[serde(with = "time::serde::timestamp")]
    pub started_at: OffsetDateTime,
    /// Sessions, refunds and disputes made since then.
    #[serde(with = "time::serde::timestamp")]
    pub sessions_since: OffsetDateTime,
    /// Events made since then.
    #[serde(with = "time::serde::timestamp")]
    pub events_since: OffsetDateTime,
    /// What comes next.
    pub part: Part,
}

/// A part of a run, and the last object of the page before.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Checkout Sessions.
    Sessions {
        /// `cs_…`
        after: Option<String>,
    },
    /// Refunds.
    Refunds {
        /// `re_…`
        after: Option<String>,
    },
    /// Disputes.
    Disputes {
        /// `du_…`
        after: Option<String>,
    },
    /// Events, which tell of older objects.
    Events {
        /// `evt_…`
        after: Option<String>,
    },
    /// Nothing.
    Done,
}

impl Part {
    /// The first one.
    pub const FIRST: Self = Self::Sessions { after: None };

    /// What comes after a page.
    ///
    /// - `last`: the last object of the page, if there are more pages.
    pub(super) fn after(self, last: Option<String>) -> Self {
        let more = last.is_some();
        match self {
            Self::Sessions { .. } if more => Self::Sessions { after: last },
            Self::Sessions { .. } => Self::Refunds { after: None },
            Self::Refunds { .. } if more => Self::Refunds { after: last },
            Self::Refunds { .. } => Self::Disputes { after: None },
            Self::Disputes { .. } if more => Self::Disputes { after: last },
            Self::Disputes { .. } => Self::Events { after: None },
            Self::Events { .. } if more => Self::Events { after: last },
            Self::Events { .. } | Self::Done => Self::Done,
        }
    }
}

/// What a run has seen and done.
#[derive(Debug, Clone, Default, Serialize, ToSchema)]
pub struct Report {
    /// Checkout Sessions looked at.
    pub sessions: u64,
    /// Of these, not made by us.
    pub foreign_sessions: u64,
    /// Of ours, those whose end we had not heard of.
    pub missing_sessions: u64,
    /// Sessions whose holds a restored database lacked, and that have them again.
    pub restored_holds: u64,
    /// Paid sessions that name a hold, and are for a slot that is not here, or another shop's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub beyond_restoring: Vec<String>,
    /// Refunds looked at, of our payments and others.
    pub refunds: u64,
    /// Of these, of payments of ours, and not as we have them.
    pub missing_refunds: u64,
    /// Disputes looked at, about our payments and others.
    pub disputes: u64,
    /// Of these, about payments of ours, and not as we have them.
    pub missing_disputes: u64,
    /// Events looked at.
    pub events: u64,
    /// Of these, about what none of the above told, and not as we have it.
    pub missing_events: u64,
}

impl Report {
    /// Whether nothing was missing.
    pub fn is_clean(&self) -> bool {
        let missing = [
            self.missing_sessions,
            self.restored_holds,
            self.missing_refunds,
            self.missing_disputes,
            self.missing_events,
        ];
        missing == [0; 5]
    }
}
