//! `/sim/…`: how tests and people make the stand-in misbehave and look at its books.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::{Path, State},
    http::StatusCode,
    routing::{get, post},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    Shared,
    dispute::{self, Verdict},
    error::ApiError,
    lock, payment, refund,
    store::LedgerEntry,
};

/// What goes wrong. `PUT /sim/faults` replaces all of it; a field left out means "nothing".
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// `false`: events are made but not posted, and stay undelivered.
    pub deliver_webhooks: bool,
    /// Of 100 events, so many are never posted.
    pub drop_percent: u32,
    /// Of 100 posts, so many are lost on the way; they are tried again, as Stripe does.
    pub lose_percent: u32,
    /// Of 100 posts, so many are sent twice.
    pub duplicate_percent: u32,
    /// Each post waits this long, in milliseconds.
    pub delivery_delay_ms: u64,
    /// Each post waits up to this much longer, which changes their order.
    pub reorder_within_ms: u64,
    /// An HTTP status that `/v1/…` answers with, such as 429 or 500. As with Stripe, a 500 to who
    /// makes a session or a refund is the answer to the idempotency key from then on.
    pub api_status: Option<u16>,
    /// Of 100 requests to `/v1/…`, so many get `api_status`.
    pub api_status_percent: u32,
    /// Each request to `/v1/…` waits this long, in milliseconds.
    pub api_latency_ms: u64,
    /// Making a session takes this long, in milliseconds.
    pub create_latency_ms: u64,
    /// Of 100 events, so many are thin: they only name what they are about.
    pub thin_percent: u32,
    /// Permissions that the key lacks, such as `rak_payment_intent_read`.
    pub denied: Vec<String>,
    /// So many seconds its clock is ahead of ours, when it checks the end of a session.
    pub clock_ahead_s: i64,
    /// The account has no name yet: no session can be made.
    pub nameless_account: bool,
    /// The code that refunds are refused with, such as `insufficient_funds`.
    pub refund_refused: Option<String>,
    /// A delayed payment succeeds by itself after this time, in milliseconds.
    pub settle_after_ms: Option<u64>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            deliver_webhooks: true,
            drop_percent: 0,
            lose_percent: 0,
            duplicate_percent: 0,
            delivery_delay_ms: 0,
            reorder_within_ms: 0,
            api_status: None,
            api_status_percent: 100,
            api_latency_ms: 0,
            create_latency_ms: 0,
            thin_percent: 0,
            denied: Vec::new(),
            clock_ahead_s: 0,
            nameless_account: false,
            refund_refused: None,
            settle_after_ms: None,
        }
    }
}

impl Faults {
    pub(crate) fn happens(percent: u32) -> bool {
        percent > 0 && rand::random_range(0..100) < percent
    }

    /// The delay of the next post.
    pub(crate) fn delivery_delay(&self) -> Duration {
        let more = rand::random_range(0..=self.reorder_within_ms);
        Duration::from_millis(self.delivery_delay_ms.saturating_add(more))
    }

    /// Waits and fails as told, before a request is begun.
    ///
    /// - `has_key`: with an idempotency key a 500 is kept for the middle of the request.
    pub(crate) async fn disturb_api(&self, has_key: bool) -> Result<(), ApiError> {
        if self.api_latency_ms > 0 {
            tokio::time::sleep(Duration::from_millis(self.api_latency_ms)).await;
        }
        match self.api_status() {
            Some(StatusCode::INTERNAL_SERVER_ERROR) if has_key => Ok(()),
            Some(status) if Self::happens(self.api_status_percent) => Err(ApiError::fault(status)),
            _ => Ok(()),
        }
    }

    /// Fails in the middle of a request, if the fault is a 500: its key remembers it.
    ///
    /// Source: <https://docs.stripe.com/api/idempotent_requests>
    pub(crate) fn interrupt(&self, key: Option<&str>) -> Result<(), ApiError> {
        let status = key.and(self.api_status());
        match status.filter(|status| *status == StatusCode::INTERNAL_SERVER_ERROR) {
            Some(status) if Self::happens(self.api_status_percent) => Err(ApiError::fault(status)),
            _ => Ok(()),
        }
    }

    fn api_status(&self) -> Option<StatusCode> {
        StatusCode::from_u16(self.api_status?).ok()
    }
}

pub(crate) fn router() -> Router<Arc<Shared>> {
    Router::new()
        .route("/sim/faults", get(show).put(replace))
        .route("/sim/ledger", get(ledger))
        .route("/sim/sessions/{id}/settle/{outcome}", post(settle))
        .route("/sim/sessions/{id}/refund", post(refund_session))
        .route("/sim/sessions/{id}/dispute", post(dispute_session))
        .route("/sim/disputes/{id}/close/{verdict}", post(close_dispute))
}

async fn show(State(sim): State<Arc<Shared>>) -> Json<Faults> {
    Json(sim.faults())
}

async fn replace(State(sim): State<Arc<Shared>>, Json(faults): Json<Faults>) -> Json<Faults> {
    *lock(&sim.faults) = faults.clone();
    Json(faults)
}

async fn ledger(State(sim): State<Arc<Shared>>) -> Json<Vec<LedgerEntry>> {
    Json(sim.store().ledger())
}

async fn settle(
    State(sim): State<Arc<Shared>>,
    Path((id, outcome)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let succeeded = match outcome.as_str() {
        "succeed" => true,
        "fail" => false,
        _ => return Err(ApiError::invalid("outcome", "Expected succeed or fail.")),
    };
    payment::settle(&sim, &id, succeeded).await?;
    Ok(Json(json!({ "settled": true })))
}

/// What is disputed; all of it if nothing is said.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DisputeWanted {
    /// In minor units.
    amount: Option<i64>,
    /// The bank only asks.
    inquiry: bool,
}

#[derive(Deserialize)]
struct RefundAmount {
    /// In minor units; all that is left if it is missing.
    amount: Option<i64>,
}

async fn refund_session(
    State(sim): State<Arc<Shared>>,
    Path(id): Path<String>,
    Json(wanted): Json<RefundAmount>,
) -> Result<Json<Value>, ApiError> {
    let intent = payment::intent_of(&sim, &id)?;
    refund::create(&sim, &intent, wanted.amount, &json!({})).map(Json)
}

async fn dispute_session(
    State(sim): State<Arc<Shared>>,
    Path(id): Path<String>,
    wanted: Option<Json<DisputeWanted>>,
) -> Result<Json<Value>, ApiError> {
    let Json(wanted) = wanted.unwrap_or_default();
    let intent = payment::intent_of(&sim, &id)?;
    dispute::open(&sim, &intent, wanted.inquiry, wanted.amount).map(Json)
}

async fn close_dispute(
    State(sim): State<Arc<Shared>>,
    Path((id, verdict)): Path<(String, Verdict)>,
) -> Result<Json<Value>, ApiError> {
    dispute::close(&sim, &id, verdict)?;
    Ok(Json(json!({ "closed": true })))
}
