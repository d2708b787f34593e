//! Patience with a Stripe that limits our rate.

use std::time::Duration;

use shared::{retry, stripe::error::StripeError};

/// For each call.
const PAUSES: usize = 8;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Waits as long as Stripe asks us to slow down.
pub(crate) async fn patiently<T, F>(call: impl Fn() -> F) -> Result<T, StripeError>
where
    F: Future<Output = Result<T, StripeError>>,
{
    let pauses = retry::endless(FIRST_PAUSE, LONGEST_PAUSE).take(PAUSES);
    let is_limited = |error: &StripeError| matches!(error, StripeError::RateLimited);
    retry::retry(pauses, is_limited, call).await
}
