//! Events: made, signed, posted, and posted again until somebody answers 2xx.
//!
//! Source: <https://docs.stripe.com/webhooks#retries>

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::{Semaphore, oneshot};

use crate::{
    Faults, Shared, lock,
    objects::{example, new_id, now},
    store::{StoredEvent, text},
};

/// Stripe gives an endpoint about this long.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Stripe retries for three days; so do these, on a faster clock.
const TRIES: u32 = 16;
const FIRST_RETRY: Duration = Duration::from_millis(500);
const LAST_RETRY: Duration = Duration::from_secs(30);
const CONCURRENT_POSTS: usize = 64;

/// Posts events.
pub struct Courier {
    url: Mutex<Option<String>>,
    secret: String,
    client: reqwest::Client,
    permits: Semaphore,
}

impl Courier {
    pub fn new(url: Option<String>, secret: String) -> anyhow::Result<Self> {
        Ok(Self {
            url: Mutex::new(url),
            secret,
            // Stripe does not follow redirects: a 3xx is a failed delivery.
            client: reqwest::Client::builder()
                .timeout(TIMEOUT)
                .redirect(reqwest::redirect::Policy::none())
                .build()?,
            permits: Semaphore::new(CONCURRENT_POSTS),
        })
    }

    pub fn set_url(&self, url: Option<String>) {
        *lock(&self.url) = url;
    }

    /// Where events are posted.
    pub fn url(&self) -> Option<String> {
        lock(&self.url).clone()
    }

    /// `Stripe-Signature` for `payload`, as of now.
    ///
    /// Source: <https://docs.stripe.com/webhooks#verify-manually>
    pub fn signature(&self, payload: &[u8]) -> String {
        let timestamp = now();
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).expect("any length");
        mac.update(format!("{timestamp}.").as_bytes());
        mac.update(payload);
        format!(
            "t={timestamp},v1={}",
            hex::encode(mac.finalize().into_bytes())
        )
    }

    async fn post(&self, event: &Value) -> bool {
        let Some(url) = self.url() else {
            return false;
        };
        let Ok(_permit) = self.permits.acquire().await else {
            return false;
        };
        let body = body(event);
        let request = self
            .client
            .post(url)
            .header("content-type", "application/json; charset=utf-8")
            .header(
                "user-agent",
                "Stripe/1.0 (+https://stripe.com/docs/webhooks)",
            )
            .header("stripe-signature", self.signature(body.as_bytes()))
            .body(body);
        request
            .send()
            .await
            .is_ok_and(|answer| answer.status().is_success())
    }
}

/// Stripe prints events for people to read.
pub fn body(event: &Value) -> String {
    serde_json::to_string_pretty(event).unwrap_or_default()
}

/// The thin form of an event: only what it is about.
///
/// Source: <https://docs.stripe.com/event-destinations#thin-events>
pub fn thin(event: &Value) -> Value {
    let object = &event["data"]["object"];
    let (kind, id) = (text(object, "object"), text(object, "id"));
    let path = match kind {
        "checkout.session" => "checkout/sessions".to_owned(),
        kind => format!("{kind}s"),
    };
    let created =
        OffsetDateTime::from_unix_timestamp(event["created"].as_i64().unwrap_or_default());
    let created = created.ok().and_then(|at| at.format(&Rfc3339).ok());
    json!({
        "id": event["id"],
        "object": "v2.core.event",
        "context": null,
        "created": created,
        "livemode": event["livemode"],
        "reason": null,
        "related_object": { "id": id, "type": kind, "url": format!("/v1/{path}/{id}") },
        "type": format!("v1.{}", text(event, "type")),
    })
}

/// Makes an event about `object` and starts to deliver it. The receiver hears when the
/// first post was answered, or that there will be none.
pub fn emit(sim: &Arc<Shared>, kind: &str, object: &Value) -> oneshot::Receiver<()> {
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

/// Goes on with what a restart interrupted.
pub fn resume(sim: &Arc<Shared>) {
    let open = |event: &StoredEvent| !event.delivered && !event.dropped;
    let store = sim.store();
    for (index, event) in store.events.iter().enumerate() {
        if open(event) {
            tokio::spawn(deliver(sim.clone(), index, None));
        }
    }
}

async fn deliver(sim: Arc<Shared>, index: usize, mut answered: Option<oneshot::Sender<()>>) {
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
