//! Faults: how the stand-in misbehaves on request.

use std::time::Duration;

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::error::ApiError;

/// Faults to inject. `PUT /sim/faults` replaces all of them; a field left out means no such fault.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Whether events are posted; if not, they are created and stay undelivered.
    pub deliver_webhooks: bool,
    /// Percentage of events that are never posted.
    pub drop_percent: u32,
    /// Percentage of posts that are lost on the way and retried, as Stripe does.
    pub lose_percent: u32,
    /// Percentage of posts that are sent twice.
    pub duplicate_percent: u32,
    /// Delay of each post, in milliseconds.
    pub delivery_delay_ms: u64,
    /// Longest random delay on top, in milliseconds, which reorders posts.
    pub reorder_within_ms: u64,
    /// HTTP status that `/v1/…` answers with, such as 429 or 500. As at Stripe, a 500 to a request
    /// that creates a session or a refund stays the answer to its idempotency key.
    pub api_status: Option<u16>,
    /// Percentage of requests to `/v1/…` that get `api_status`.
    pub api_status_percent: u32,
    /// Delay of each request to `/v1/…`, in milliseconds.
    pub api_latency_ms: u64,
    /// Delay of creating a session, in milliseconds.
    pub create_latency_ms: u64,
    /// Percentage of events that are thin: they only name their object.
    pub thin_percent: u32,
    /// Permissions that the key lacks, such as `rak_payment_intent_read`.
    pub denied: Vec<String>,
    /// Seconds that Stripe's clock is ahead of the shop's when it checks `expires_at`.
    pub clock_ahead_s: i64,
    /// Account without a name: no session can be created.
    pub nameless_account: bool,
    /// Code that refunds are refused with, such as `insufficient_funds`.
    pub refund_refused: Option<String>,
    /// Tax that Stripe Tax computes, in percent.
    pub tax_percent: u32,
    /// Milliseconds until a delayed payment succeeds by itself.
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
            tax_percent: 20,
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

    /// Applies latency and status before a request is begun.
    ///
    /// - `has_key`: with an idempotency key, a 500 is left to `interrupt`.
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

    /// Fails in the middle of a request if the fault is a 500, which its idempotency key keeps.
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
