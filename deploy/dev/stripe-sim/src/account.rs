//! The account at Stripe that the stand-in plays: its objects, its webhook endpoint, and what goes
//! wrong.

use std::sync::{Mutex, MutexGuard};

use crate::{
    courier::Courier, faults::Faults, idempotency::Keys, lock::lock, snapshot::Snapshot,
    store::Store,
};

pub struct Account {
    pub base_url: String,
    /// What `checkout_url` begins with.
    pub page_url: String,
    store: Mutex<Store>,
    faults: Mutex<Faults>,
    calls: Mutex<u64>,
    pub keys: Keys,
    pub courier: Courier,
    snapshot: Option<Snapshot>,
}

impl Account {
    pub fn new(
        (base_url, page_url): (String, String),
        store: Store,
        courier: Courier,
        snapshot: Option<Snapshot>,
    ) -> Self {
        Self {
            base_url,
            page_url,
            store: Mutex::new(store),
            faults: Mutex::default(),
            calls: Mutex::default(),
            keys: Keys::default(),
            courier,
            snapshot,
        }
    }

    pub fn store(&self) -> MutexGuard<'_, Store> {
        lock(&self.store)
    }

    pub fn faults(&self) -> Faults {
        lock(&self.faults).clone()
    }

    pub fn set_faults(&self, faults: Faults) {
        *lock(&self.faults) = faults;
    }

    /// Requests to `/v1/…` so far.
    pub fn calls(&self) -> u64 {
        *lock(&self.calls)
    }

    pub fn count_call(&self) {
        let mut calls = lock(&self.calls);
        *calls = calls.saturating_add(1);
    }

    /// Writes the snapshot, if there is one. A demonstration that cannot write its file goes on.
    pub fn save(&self) {
        if let Some(snapshot) = &self.snapshot
            && let Err(error) = snapshot.write(&self.store())
        {
            tracing::warn!(%error, "Could not write the snapshot");
        }
    }
}
