//! Posts of events: their bodies, in both forms, and their signature.
//!
//! Source: <https://docs.stripe.com/webhooks>

use std::{sync::Mutex, time::Duration};

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::sync::Semaphore;

use crate::{lock::lock, objects::now, store::text};

/// Timeout of a post; Stripe's is about as long.
const TIMEOUT: Duration = Duration::from_secs(10);
const CONCURRENT_POSTS: usize = 64;

/// Where events are posted, and which.
#[derive(Debug, Clone)]
pub struct Endpoint {
    pub id: String,
    pub url: Option<String>,
    pub secret: String,
    /// Types, or `*`.
    pub enabled_events: Vec<String>,
}

/// Posts events.
pub struct Courier {
    endpoint: Mutex<Endpoint>,
    client: reqwest::Client,
    permits: Semaphore,
}

impl Courier {
    pub fn new(url: Option<String>, secret: String) -> anyhow::Result<Self> {
        let endpoint = Endpoint {
            id: "we_stripe_stand_in".to_owned(),
            url,
            secret,
            enabled_events: vec!["*".to_owned()],
        };
        Ok(Self {
            endpoint: Mutex::new(endpoint),
            // Stripe does not follow redirects: a 3xx is a failed delivery.
            client: reqwest::Client::builder()
                .timeout(TIMEOUT)
                .redirect(reqwest::redirect::Policy::none())
                .build()?,
            permits: Semaphore::new(CONCURRENT_POSTS),
        })
    }

    pub fn set_url(&self, url: Option<String>) {
        lock(&self.endpoint).url = url;
    }

    pub fn set_endpoint(&self, endpoint: Endpoint) {
        *lock(&self.endpoint) = endpoint;
    }

    /// Where events are posted.
    pub fn endpoint(&self) -> Endpoint {
        lock(&self.endpoint).clone()
    }

    /// `Stripe-Signature` for `payload`, signed now.
    ///
    /// Source: <https://docs.stripe.com/webhooks#verify-manually>
    pub fn signature(&self, payload: &[u8]) -> String {
        let timestamp = now();
        #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.endpoint().secret.as_bytes()).expect("any length");
        mac.update(format!("{timestamp}.").as_bytes());
        mac.update(payload);
        format!(
            "t={timestamp},v1={}",
            hex::encode(mac.finalize().into_bytes())
        )
    }

    /// Returns whether the endpoint took it.
    pub async fn post(&self, event: &Value) -> bool {
        let endpoint = self.endpoint();
        let Some(url) = endpoint.url else {
            return false;
        };
        let kind = text(event, "type");
        if !endpoint
            .enabled_events
            .iter()
            .any(|it| it == "*" || it == kind)
        {
            // Nothing is owed to it.
            return true;
        }
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

/// Body of a post: indented, as Stripe's are.
pub fn body(event: &Value) -> String {
    serde_json::to_string_pretty(event).unwrap_or_default()
}

/// Thin form of an event: names its object, without the data.
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
