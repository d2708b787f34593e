//! One function for each thing that strangers send: reads any bytes as that, and panics if a promise about it is
//! broken.
//!
//! `deploy/fuzz` has a fuzzer call them; the tests call them with the inputs of `corpus`.

#![expect(clippy::expect_used, reason = "a target that cannot begin has to stop")]

mod configuration;
mod message;
mod signature_header;
mod stripe_event;

use std::{str, sync::LazyLock};

use ingress::untrusted::{self, Untrusted};
use shared::config::Env;

pub use self::{
    configuration::configuration, message::message, signature_header::signature_header,
    stripe_event::event,
};

/// Reads any bytes, and panics if a promise is broken.
pub type Target = fn(&[u8]);

/// By name, as the folders of `corpus` are called.
pub const TARGETS: [(&str, Target); 7] = [
    ("signature_header", signature_header),
    ("event", event),
    ("message", message),
    ("confirm", confirm),
    ("order", order),
    ("idempotency_key", idempotency_key),
    ("configuration", configuration),
];

/// What every shop has to be told.
const SHOP: [(&str, &str); 4] = [
    ("DATABASE_URL", "sqlite://shop.sqlite"),
    ("STRIPE_SECRET_KEY", "sk_test_123"),
    ("STRIPE_WEBHOOK_SECRET", "whsec_1234567890"),
    ("RETURN_ORIGINS", "https://site.example"),
];

static INGRESS: LazyLock<Untrusted> = LazyLock::new(|| {
    let env: Env = SHOP.into_iter().collect();
    Untrusted::new(&env).expect("a shop")
});

/// An order of a buyer's, or of a site's. No seats are held but so many, and nothing is sold below zero.
///
/// # Panics
///
/// A promise is broken.
pub fn order(input: &[u8]) {
    if let Some(seats) = INGRESS.order(input) {
        assert!((1..=20).contains(&seats), "{seats}");
    }
    if let Some((seats, total)) = INGRESS.site_order(input) {
        assert!((1..=1000).contains(&seats), "{seats}");
        assert!(total.is_none_or(|it| it >= 0), "{total:?}");
    }
}

/// The body of a confirm, and how long it wishes to wait. Only what may be a session's id is asked for.
///
/// # Panics
///
/// A promise is broken.
pub fn confirm(input: &[u8]) {
    if let Some(id) = untrusted::session_id(input) {
        let (prefix, rest) = id.split_at("cs_test_".len());
        assert!(prefix == "cs_test_" || prefix == "cs_live_", "{id}");
        assert!(rest.bytes().all(|it| it.is_ascii_alphanumeric()), "{id}");
        assert!(id.len() <= 255, "{id}");
    }
    let wait = untrusted::preferred_wait(input);
    assert!(wait.is_none_or(|it| it.as_secs() <= 20), "{wait:?}");
}

/// An `Idempotency-Key`: what is taken can be kept and compared as it is.
///
/// # Panics
///
/// A promise is broken.
pub fn idempotency_key(input: &[u8]) {
    if let Some(key) = untrusted::idempotency_key(input) {
        assert_eq!(key.as_bytes(), input);
        assert!((1..=255).contains(&key.len()));
        assert!(!key.contains(char::is_control));
    }
}

/// Texts of an input, one in a line.
fn lines(input: &[u8]) -> impl Iterator<Item = &str> {
    input
        .split(|it| *it == b'\n')
        .filter_map(|it| str::from_utf8(it).ok())
}

#[cfg(test)]
mod tests;
