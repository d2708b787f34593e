//! Events: created, posted, and retried until the endpoint answers 2xx.
//!
//! Source: <https://docs.stripe.com/webhooks#retries>

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::{
    account::Account,
    courier::thin,
    faults::Faults,
    objects::{example, new_id, now},
    store::StoredEvent,
};

/// Attempts for an event. Stripe retries for three days, the stand-in for minutes.
const TRIES: u32 = 16;
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(30);

/// Creates an event about `object` and starts its delivery. The receiver resolves once the
/// first post is answered, or if there will be none.
pub fn emit(sim: &Arc<Account>, kind: &str, object: &Value) -> oneshot::Receiver<()> {
    let (answered, first_answer) = oneshot::channel();
    let faults = sim.faults();
    let event = example(
        "event",
        json!({
            "id": new_id("evt_", 24),
            "api_version": "2026-09-30.endive",
            "created": now(),
            "data": { "object": object },
            "livemode": false,
            "pending_webhooks": 1,
            "type": kind,
        }),
    );
    let dropped = Faults::happens(faults.drop_percent);
    let is_thin = Faults::happens(faults.thin_percent);
    let index = {
        let mut store = sim.store();
        store.events.push(StoredEvent {
            object: event,
            delivered: false,
            dropped,
            thin: is_thin,
        });
        store.events.len().saturating_sub(1)
    };
    if !dropped && faults.deliver_webhooks {
        tokio::spawn(deliver(sim.clone(), index, Some(answered)));
    }
    first_answer
}

/// Resumes the deliveries that a restart interrupted.
pub fn resume(sim: &Arc<Account>) {
    let open = |event: &StoredEvent| !event.delivered && !event.dropped;
    let store = sim.store();
    for (index, event) in store.events.iter().enumerate() {
        if open(event) {
            tokio::spawn(deliver(sim.clone(), index, None));
        }
    }
}

async fn deliver(sim: Arc<Account>, index: usize, mut answered: Option<oneshot::Sender<()>>) {
    let mut wait = FIRST_RETRY;
    for _ in 0..TRIES {
        let faults = sim.faults();
        tokio::time::sleep(faults.delivery_delay()).await;
        let event = {
            let store = sim.store();
            let event = &store.events[index];
            if event.thin {
                thin(&event.object)
            } else {
                event.object.clone()
            }
        };
        let lost = Faults::happens(faults.lose_percent);
        let accepted = faults.deliver_webhooks && !lost && sim.courier.post(&event).await;
        if accepted && Faults::happens(faults.duplicate_percent) {
            sim.courier.post(&event).await;
        }
        if let Some(answered) = answered.take() {
            answered.send(()).ok();
        }
        if accepted {
            {
                let mut store = sim.store();
                store.events[index].delivered = true;
                store.events[index].object["pending_webhooks"] = json!(0);
            }
            sim.save();
            return;
        }
        tokio::time::sleep(wait.mul_f64(rand::random_range(0.8..1.2))).await;
        wait = wait.saturating_mul(2).min(LAST_RETRY);
    }
}
