//! What time brings about: Checkout Sessions expire, and banks answer.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    account::Account,
    objects::now,
    payment::{expire, settle},
    store::text,
};

/// Looks every second: overdue sessions expire, and a bank answers whose answer a restart has cut off.
pub async fn keep_time(sim: Arc<Account>, shutdown: CancellationToken) {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    while shutdown.run_until_cancelled(tick.tick()).await.is_some() {
        let now = now();
        if let Some(after_ms) = sim.faults().settle_after_ms {
            for id in due_at_the_bank(&sim, now, after_ms) {
                settle(&sim, &id, true).await.ok();
            }
        }
        let overdue: Vec<String> = sim
            .store()
            .sessions
            .newest_first()
            .filter(|it| text(it, "status") == "open" && it["expires_at"].as_i64() < Some(now))
            .map(|session| text(session, "id").to_owned())
            .collect();
        for id in overdue {
            // A session that was paid in the meantime is not an error.
            expire(&sim, &id).ok();
        }
    }
}

/// Sessions whose delayed payment should have been settled by now.
fn due_at_the_bank(sim: &Account, now: i64, after_ms: u64) -> Vec<String> {
    // Whole seconds, and one more: what is not cut off is there first.
    let seconds = i64::try_from(after_ms / 1000).unwrap_or(i64::MAX);
    let due = now.saturating_sub(seconds).saturating_sub(2);
    let store = sim.store();
    let is_due = |session: &&Value| {
        let intent = store.payment_intents.get(text(session, "payment_intent"));
        intent.is_some_and(|it| {
            text(it, "status") == "processing" && it["created"].as_i64() < Some(due)
        })
    };
    let sessions = store.sessions.newest_first().filter(is_due);
    sessions.map(|it| text(it, "id").to_owned()).collect()
}
