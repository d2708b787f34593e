//! What `worker doctor` has to know of webhooks: why some were refused, and which secret is still needed.
//! Notes are made beside the answer, and few at a time, whatever is posted.

use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use ipnet::IpNet;
use sea_orm::{ActiveEnum, DatabaseConnection};
use shared::{
    config::EndpointSecrets,
    db::{
        refused_webhook::{self, Cause},
        stripe_endpoint_secret,
    },
    service::{log_limit::LogLimit, metrics},
    stripe::signature,
};
use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;

/// Of each cause so many refusals are noted at once, and then one in each period.
const REFUSALS_AT_ONCE: NonZeroU32 = NonZeroU32::MIN.saturating_add(9);
const REFUSAL_PERIOD: Duration = Duration::from_secs(10);
/// Between two notes about the same secret.
const SECRET_NOTED_EVERY: Duration = Duration::from_mins(1);
const TIMEOUT: Duration = Duration::from_secs(5);
/// What is kept of an address: enough to tell Stripe's from others.
const IPV4_PREFIX_BITS: u8 = 24;
const IPV6_PREFIX_BITS: u8 = 48;

/// Makes notes, of this process.
pub struct WebhookNotes {
    refusals: DefaultKeyedRateLimiter<Cause>,
    log: Mutex<LogLimit>,
    secrets: Vec<Secret>,
}

struct Secret {
    fingerprint: String,
    /// Unix time.
    noted_at: AtomicI64,
}

/// A webhook that was refused.
pub struct Refused<'a> {
    pub reason: &'static str,
    pub cause: Cause,
    pub client: Option<IpAddr>,
    /// If it was read.
    pub bytes: Option<usize>,
    /// `Stripe-Signature`, if there is one.
    pub header: Option<&'a str>,
}

impl WebhookNotes {
    pub fn new(secrets: &EndpointSecrets) -> Self {
        let secret = |fingerprint| Secret {
            fingerprint,
            noted_at: AtomicI64::new(0),
        };
        let quota =
            Quota::with_period(REFUSAL_PERIOD).unwrap_or(Quota::per_minute(NonZeroU32::MIN));
        Self {
            refusals: RateLimiter::keyed(quota.allow_burst(REFUSALS_AT_ONCE)),
            log: Mutex::default(),
            secrets: secrets.fingerprints().map(secret).collect(),
        }
    }

    /// Notes that a webhook was refused.
    pub fn refused(&self, db: &DatabaseConnection, refused: &Refused<'_>, now: OffsetDateTime) {
        metrics::webhook_refused(refused.cause.to_value());
        self.log(refused.reason);
        if self.refusals.check_key(&refused.cause).is_err() {
            return;
        }
        // The next authentic one shows that not all are refused.
        for secret in &self.secrets {
            secret.noted_at.store(0, Ordering::Relaxed);
        }
        let signed_at = refused.header.and_then(signature::claimed_time);
        let row = refused_webhook::Model {
            id: Uuid::now_v7(),
            at: now,
            reason: refused.reason.to_owned(),
            cause: refused.cause,
            network: refused.client.and_then(network).map(|it| it.to_string()),
            bytes: refused.bytes.and_then(|it| it.try_into().ok()),
            signed_at: signed_at.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok()),
        };
        let db = db.clone();
        beside(async move { refused_webhook::note(&db, row).await });
    }

    /// One line of each reason at a time, which counts those that had none.
    pub fn log(&self, reason: &'static str) {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(suppressed) = log.admit(reason, Instant::now()) {
            tracing::warn!(reason, suppressed, "Webhook refused");
        }
    }

    /// Notes that an event was proven by the secret at `position`, and by none before it.
    pub fn proved(&self, db: &DatabaseConnection, position: usize, now: OffsetDateTime) {
        metrics::webhook_secret(position);
        let Some(secret) = self.secrets.get(position) else {
            return;
        };
        let (now_s, every) = (now.unix_timestamp(), SECRET_NOTED_EVERY.as_secs());
        let noted_at = secret.noted_at.load(Ordering::Relaxed);
        if now_s.abs_diff(noted_at) < every {
            return;
        }
        secret.noted_at.store(now_s, Ordering::Relaxed);
        let (db, fingerprint) = (db.clone(), secret.fingerprint.clone());
        beside(async move { stripe_endpoint_secret::note_use(&db, fingerprint, now).await });
    }
}

fn network(client: IpAddr) -> Option<IpNet> {
    let bits = match client {
        IpAddr::V4(_) => IPV4_PREFIX_BITS,
        IpAddr::V6(_) => IPV6_PREFIX_BITS,
    };
    IpNet::new(client, bits).ok().map(|it| it.trunc())
}

/// Stripe waits for its answer, not for a note.
fn beside(note: impl Future<Output = Result<(), sea_orm::DbErr>> + Send + 'static) {
    tokio::spawn(async move {
        if !matches!(tokio::time::timeout(TIMEOUT, note).await, Ok(Ok(()))) {
            tracing::warn!("Could not make a note about webhooks");
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_not_kept_whole() {
        for (address, expected) in [
            ("54.187.174.169", "54.187.174.0/24"),
            ("2001:db8:1:2:3::4", "2001:db8:1::/48"),
        ] {
            let network = network(address.parse().unwrap()).unwrap();
            assert_eq!(network.to_string(), expected);
        }
    }
}
