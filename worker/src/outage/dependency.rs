//! What jobs need besides the queue.

use shared::queue::Lane;

/// What jobs depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dependency {
    /// Where bookings are kept.
    Database,
    /// Stripe's API.
    Stripe,
}

impl Dependency {
    pub(crate) const ALL: [Self; 2] = [Self::Database, Self::Stripe];

    /// The word for logs and metrics.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Stripe => "stripe",
        }
    }

    /// What the messages of `lane` all need. Of events, few need Stripe; they find out.
    pub(crate) fn of_lane(lane: Lane) -> &'static [Self] {
        match lane {
            Lane::Confirm => &Self::ALL,
            Lane::Events | Lane::Unroutable | Lane::Dead => &[Self::Database],
        }
    }
}

/// Work was not done because the breaker of its dependency is open.
#[derive(Debug, thiserror::Error)]
#[error("the {0:?} is down")]
pub struct Down(pub Dependency);
