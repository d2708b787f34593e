//! How often anyone may order: a session costs a call of Stripe's, which answers only so many.

use std::{
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter, clock::Clock};
use shared::service::log_limit::LogLimit;
use tokio::time::Instant;

/// Counts the sessions that all buyers open, in this process.
pub struct SessionLimit {
    limiter: Option<DefaultDirectRateLimiter>,
    log: Mutex<LogLimit>,
}

impl SessionLimit {
    /// - `per_minute`: so many at once, and from then on so many in a minute. 0 is no limit.
    pub fn new(per_minute: u32) -> Self {
        let quota = NonZeroU32::new(per_minute).map(Quota::per_minute);
        Self {
            limiter: quota.map(RateLimiter::direct),
            log: Mutex::default(),
        }
    }

    /// Counts one more.
    ///
    /// # Errors
    ///
    /// They are too many; the time until they are not.
    pub fn admit(&self) -> Result<(), Duration> {
        let Some(limiter) = &self.limiter else {
            return Ok(());
        };
        limiter.check().map_err(|until| {
            let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(suppressed) = log.admit("too many", Instant::now()) {
                tracing::warn!(
                    suppressed,
                    "More orders than SESSIONS_PER_MINUTE are refused"
                );
            }
            until.wait_time_from(limiter.clock().now())
        })
    }
}
