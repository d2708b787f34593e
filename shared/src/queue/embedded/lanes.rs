//! What the consumers of a process share: who was woken, and what was acked.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::queue::Lane;

#[derive(Default)]
pub struct Lanes {
    events: OfLane,
    confirm: OfLane,
    others: OfLane,
}

impl Lanes {
    pub fn of(&self, lane: Lane) -> &OfLane {
        match lane {
            Lane::Events => &self.events,
            Lane::Confirm => &self.confirm,
            Lane::Unroutable | Lane::Dead => &self.others,
        }
    }
}

#[derive(Default)]
pub struct OfLane {
    pub published: Notify,
    /// Deleted together with the next claim, which spares a commit: what was acked by a process that dies
    /// before is handed out once more.
    acked: Mutex<Vec<Acked>>,
}

/// A message that is done.
#[derive(Clone, Copy)]
pub struct Acked {
    pub id: Uuid,
    /// If it is another one by now, another worker has the message.
    pub lease: Option<Uuid>,
}

impl OfLane {
    pub fn ack(&self, acked: impl IntoIterator<Item = Acked>) {
        let mut all = self.acked.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(acked);
    }

    pub fn take_acked(&self) -> Vec<Acked> {
        let mut all = self.acked.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *all)
    }
}
