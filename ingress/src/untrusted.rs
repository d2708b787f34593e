//! What anyone may send, read as a request's handler reads it, and no further: for who wants to break that without a
//! server.

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue};
use serde::de::DeserializeOwned;
use shared::{
    clock,
    config::{ConfigError, Env},
};

use crate::{
    config::Config,
    confirm_payment::{self, ConfirmPayment},
    hold::{NewHold, Pricing},
    hold_seats, idempotency_key,
    order::Order,
    site_order::SiteOrder,
};

/// Reads what depends on the settings.
#[derive(Debug)]
pub struct Untrusted {
    config: Config,
}

impl Untrusted {
    /// # Errors
    ///
    /// [`ConfigError`] if ingress could not start with them.
    pub fn new(env: &Env) -> Result<Self, ConfigError> {
        let config = Config::from_env(env)?;
        Ok(Self { config })
    }

    /// The seats that a buyer's order would hold, if it may.
    pub fn order(&self, json: &[u8]) -> Option<i32> {
        let order: Order = read(json)?;
        let hold = order.into_hold(None, clock::system(), &self.config);
        hold.ok().map(|it| it.quantity)
    }

    /// Those of a site's, and what has to be paid for all of it, if it says so itself.
    pub fn site_order(&self, json: &[u8]) -> Option<(i32, Option<i64>)> {
        let order: SiteOrder = read(json)?;
        let hold = order.into_hold(None, clock::system(), &self.config);
        hold.ok().map(|it| (it.quantity, total(&it)))
    }
}

fn total(hold: &NewHold) -> Option<i64> {
    let Pricing::Site {
        currency,
        line_items,
    } = &hold.pricing
    else {
        return None;
    };
    let total = hold_seats::total(&hold.pricing, line_items, currency.clone());
    total.ok().map(|it| it.minor_units)
}

/// The session that a confirm asks for, if it may.
pub fn session_id(json: &[u8]) -> Option<String> {
    let confirm: ConfirmPayment = read(json)?;
    let id: shared::stripe::id::CheckoutSessionId = confirm.session_id.parse().ok()?;
    Some(id.to_string())
}

/// How long a confirm would wait that has `prefer` as its header, if that can be one.
pub fn preferred_wait(prefer: &[u8]) -> Option<Duration> {
    let headers = header("prefer", prefer)?;
    Some(confirm_payment::preferred_wait(&headers))
}

/// The `Idempotency-Key` that this is, if it may be one.
pub fn idempotency_key(value: &[u8]) -> Option<String> {
    let headers = header("idempotency-key", value)?;
    idempotency_key::idempotency_key(&headers).ok()?
}

fn header(name: &'static str, value: &[u8]) -> Option<HeaderMap> {
    let value = HeaderValue::from_bytes(value).ok()?;
    let mut headers = HeaderMap::new();
    headers.insert(name, value);
    Some(headers)
}

fn read<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    serde_json::from_slice(json).ok()
}
