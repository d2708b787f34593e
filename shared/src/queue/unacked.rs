//! What this process was handed by a queue and has not answered yet.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{message::Envelope, queue::Lane};

/// Deliveries without an answer. Clones share them.
#[derive(Clone, Default)]
pub(super) struct UnackedDeliveries(Arc<Mutex<Deliveries>>);

#[derive(Default)]
struct Deliveries {
    next: u64,
    all: BTreeMap<u64, (Lane, Option<i64>)>,
    answered: HashMap<Lane, u64>,
}

/// What is unacked of one lane.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unacked {
    /// How many messages.
    pub messages: u64,
    /// When the oldest of those came in that have not failed yet: what has failed is old for reasons of
    /// its own.
    pub oldest_ms: Option<i64>,
    /// How many this process is done with since it began.
    pub answered: u64,
}

impl UnackedDeliveries {
    /// Counts `message` until what is returned is dropped.
    pub fn note(&self, lane: Lane, message: &Envelope) -> UnackedDelivery {
        let came_in = message.received_at_ms.filter(|_| message.attempt == 0);
        let mut deliveries = self.lock();
        let number = deliveries.next;
        deliveries.next = number.wrapping_add(1);
        deliveries.all.insert(number, (lane, came_in));
        UnackedDelivery {
            all: self.clone(),
            number,
        }
    }

    pub fn of(&self, lane: Lane) -> Unacked {
        let deliveries = self.lock();
        let mut unacked = Unacked {
            answered: deliveries.answered.get(&lane).copied().unwrap_or_default(),
            ..Unacked::default()
        };
        for (_, came_in) in deliveries.all.values().filter(|(of, _)| *of == lane) {
            unacked.messages = unacked.messages.saturating_add(1);
            let oldest = [unacked.oldest_ms, *came_in].into_iter().flatten().min();
            unacked.oldest_ms = oldest;
        }
        unacked
    }

    fn lock(&self) -> MutexGuard<'_, Deliveries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One of them.
pub(super) struct UnackedDelivery {
    all: UnackedDeliveries,
    number: u64,
}

impl Drop for UnackedDelivery {
    fn drop(&mut self) {
        let mut deliveries = self.all.lock();
        if let Some((lane, _)) = deliveries.all.remove(&self.number) {
            let answered = deliveries.answered.entry(lane).or_default();
            *answered = answered.saturating_add(1);
        }
    }
}
