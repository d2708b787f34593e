//! Where a payment stands: the contract of `POST /api/payment/confirm`, for a site in Rust. Copy it.

use std::time::{Duration, Instant};

use serde::Deserialize;

/// What is known of a Checkout Session.
#[derive(Debug, Deserialize)]
pub struct Confirmation {
    pub status: Status,
    /// What is booked, once it is.
    pub booking: Option<Booking>,
    /// Milliseconds until it makes sense to ask again; absent once `status` is final.
    pub retry_after_ms: Option<u64>,
}

/// The word to switch on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    Confirmed,
    Processing,
    AwaitingPayment,
    PaymentPending,
    PaymentFailed,
    Expired,
    RefundPending,
    Refunded,
    Cancelled,
    NeedsAttention,
    /// A word that a later release says.
    #[serde(other)]
    Unknown,
}

/// What the buyer has.
#[derive(Debug, Deserialize)]
pub struct Booking {
    /// What buyer and merchant call it.
    pub reference: String,
}

/// Asks until the status is final, or `patience` is over.
///
/// - `api`: where Bookonce is.
/// - `session_id`: from the address that Stripe sent the buyer back to.
///
/// Returns `None` if it is no session of this shop.
///
/// # Errors
///
/// There was no answer in all that time.
pub async fn confirm(
    http: &reqwest::Client,
    api: &str,
    session_id: &str,
    patience: Duration,
) -> reqwest::Result<Option<Confirmation>> {
    let start = Instant::now();
    loop {
        let request = http
            .post(format!("{api}/api/payment/confirm"))
            // Answered as soon as there is news.
            .header("prefer", "wait=10")
            .json(&serde_json::json!({ "session_id": session_id }));
        let answer = match request.send().await {
            Ok(answer) if matches!(answer.status().as_u16(), 400 | 404) => return Ok(None),
            Ok(answer) => match answer.error_for_status() {
                Ok(answer) => answer.json::<Confirmation>().await,
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        };
        let wanted = match &answer {
            Ok(confirmation) => confirmation.retry_after_ms,
            Err(_) => Some(1000),
        };
        let pause = wanted.map(Duration::from_millis);
        match pause {
            Some(pause) if start.elapsed().saturating_add(pause) < patience => {
                tokio::time::sleep(pause).await;
            }
            _ => return answer.map(Some),
        }
    }
}
