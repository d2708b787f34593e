//! Events as Stripe posts them: a body of the usual size, and its signature.

use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::{clock, stripe::metadata};
use testkit::{ENDPOINT_SECRET, PRICE};
use uuid::Uuid;

/// Stripe's own example objects.
const EXAMPLES: &str = include_str!("../../stripe-sim/src/stripe-objects.json");
/// Delimiter around what differs from event to event.
const MARK: char = '~';

/// Ids of one buyer's objects.
#[derive(Debug, Clone)]
pub struct Names {
    pub checkout: Uuid,
    pub session: String,
    event: String,
    payment_intent: String,
}

impl Names {
    /// Derives the ids of `buyer`, the same each time.
    ///
    /// - `run`: number of the generator's run; no two runs have a buyer in common.
    pub fn of(run: u32, buyer: u32) -> Self {
        let random = hex::encode(Sha256::digest(format!("{run} {buyer}")));
        let [head, tail] = [&random[..24], &random[..58]];
        // Ids of checkouts ascend, Stripe's do not.
        let low = (u64::from(run) << 32) | u64::from(buyer);
        Self {
            checkout: Uuid::from_u64_pair(0x01a2_0000_0000_7000, 0x8000_0000_0000_0000 | low),
            session: format!("cs_test_{tail}"),
            event: format!("evt_1{head}"),
            payment_intent: format!("pi_3{head}"),
        }
    }
}

/// Template of `checkout.session.completed`, of a paid session.
#[derive(Debug)]
pub struct Template {
    /// Fixed texts, each with the blank after it.
    parts: Vec<(String, Option<Blank>)>,
}

#[derive(Debug, Clone, Copy)]
enum Blank {
    Checkout,
    Session,
    Event,
    PaymentIntent,
}

impl Template {
    pub fn new() -> anyhow::Result<Self> {
        let examples: Value = serde_json::from_str(EXAMPLES)?;
        let mut session = examples["checkout.session"].clone();
        for (field, value) in [
            ("id", json!("~session~")),
            ("amount_subtotal", json!(PRICE)),
            ("amount_total", json!(PRICE)),
            (
                "total_details",
                json!({ "amount_discount": 0, "amount_shipping": 0, "amount_tax": 0 }),
            ),
            ("currency", json!("eur")),
            ("livemode", json!(false)),
            ("mode", json!("payment")),
            ("payment_intent", json!("~payment_intent~")),
            ("payment_status", json!("paid")),
            ("status", json!("complete")),
            ("client_reference_id", json!("~checkout~")),
            // The peers read the order from here, the product only the id of its checkout.
            (
                "metadata",
                json!({
                    metadata::CHECKOUT_ID: "~checkout~",
                    "booking_ref": "~checkout~",
                    "user_id": "user_1",
                    "resource_id": "kayak_1",
                    "starts_at": "2027-05-01T10:00:00Z",
                    "ends_at": "2027-05-01T12:00:00Z",
                    "guests": "1",
                }),
            ),
        ] {
            session[field] = value;
        }
        let mut event = examples["event"].clone();
        for (field, value) in [
            ("id", json!("~event~")),
            ("type", json!("checkout.session.completed")),
            ("livemode", json!(false)),
            ("data", json!({ "object": session })),
        ] {
            event[field] = value;
        }
        // Stripe indents its events.
        let text = serde_json::to_string_pretty(&event)?;
        let mut words = text.split(MARK);
        let mut parts = Vec::new();
        while let Some(fixed) = words.next() {
            let blank = words.next().map(|name| match name {
                "checkout" => Ok(Blank::Checkout),
                "session" => Ok(Blank::Session),
                "event" => Ok(Blank::Event),
                "payment_intent" => Ok(Blank::PaymentIntent),
                other => Err(anyhow::anyhow!("unknown blank {other}")),
            });
            parts.push((fixed.to_owned(), blank.transpose()?));
        }
        Ok(Self { parts })
    }

    /// Body of the event about `names`.
    pub fn body(&self, names: &Names) -> String {
        let checkout_id = names.checkout.to_string();
        let mut body = String::with_capacity(4096);
        for (fixed, blank) in &self.parts {
            body.push_str(fixed);
            body.push_str(match blank {
                Some(Blank::Checkout) => &checkout_id,
                Some(Blank::Session) => &names.session,
                Some(Blank::Event) => &names.event,
                Some(Blank::PaymentIntent) => &names.payment_intent,
                None => "",
            });
        }
        body
    }
}

/// Header `Stripe-Signature` of `body`, signed now.
pub fn signature(body: &str) -> anyhow::Result<String> {
    let timestamp = clock::system().unix_timestamp();
    let mut mac = Hmac::<Sha256>::new_from_slice(ENDPOINT_SECRET.as_bytes())?;
    mac.update(format!("{timestamp}.").as_bytes());
    mac.update(body.as_bytes());
    let signature = hex::encode(mac.finalize().into_bytes());
    Ok(format!("t={timestamp},v1={signature}"))
}
