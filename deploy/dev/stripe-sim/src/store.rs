//! Objects and events that the stand-in keeps.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::totals::Priced;

/// Objects of one kind, by id and in the order they were made.
#[derive(Default, Serialize, Deserialize)]
pub struct Objects {
    order: Vec<String>,
    by_id: HashMap<String, Value>,
}

impl Objects {
    pub fn insert(&mut self, object: Value) {
        let id = text(&object, "id").to_owned();
        self.order.push(id.clone());
        self.by_id.insert(id, object);
    }

    pub fn get(&self, id: &str) -> Option<&Value> {
        self.by_id.get(id)
    }

    pub fn get_mut(&mut self, id: &str) -> Option<&mut Value> {
        self.by_id.get_mut(id)
    }

    /// Newest first, as Stripe lists them.
    pub fn newest_first(&self) -> impl Iterator<Item = &Value> {
        self.order.iter().rev().filter_map(|id| self.by_id.get(id))
    }
}

/// An event and how its delivery went.
#[derive(Serialize, Deserialize)]
pub struct StoredEvent {
    pub object: Value,
    pub delivered: bool,
    /// Never to be delivered.
    pub dropped: bool,
    /// Delivered as a thin event.
    #[serde(default)]
    pub thin: bool,
}

/// State of the stand-in.
#[derive(Default, Serialize, Deserialize)]
pub struct Store {
    pub sessions: Objects,
    pub payment_intents: Objects,
    #[serde(default)]
    pub charges: Objects,
    #[serde(default)]
    pub refunds: Objects,
    #[serde(default)]
    pub disputes: Objects,
    #[serde(default)]
    pub coupons: Objects,
    #[serde(default)]
    pub promotion_codes: Objects,
    #[serde(default)]
    pub customers: Objects,
    pub events: Vec<StoredEvent>,
    /// `payment_intent_data[metadata]` of a session, by the session's id.
    pub intent_metadata: HashMap<String, Value>,
    /// Line items of a session, by the session's id.
    #[serde(default)]
    pub line_items: HashMap<String, Vec<Priced>>,
}

/// One Checkout Session in the stand-in's books.
#[derive(Debug, Clone, Serialize)]
pub struct LedgerEntry {
    /// `cs_…`
    pub session_id: String,
    /// Reference that the shop set.
    pub client_reference_id: Option<String>,
    /// `open`, `complete` or `expired`.
    pub status: String,
    /// `paid`, `unpaid` or `no_payment_required`.
    pub payment_status: String,
    /// Amount in minor units.
    pub amount_total: i64,
    /// Currency in lower-case ISO 4217.
    pub currency: String,
    /// `pi_…`
    pub payment_intent: Option<String>,
    /// Sum of the refunds that did not fail, in minor units.
    pub amount_refunded: i64,
    /// Refunds of the payment.
    pub refunds: Vec<LedgerItem>,
    /// Disputes about the payment.
    pub disputes: Vec<LedgerItem>,
}

/// A refund or dispute in the stand-in's books.
#[derive(Debug, Clone, Serialize)]
pub struct LedgerItem {
    /// `re_…` or `du_…`
    pub id: String,
    /// Status in Stripe's words.
    pub status: String,
    /// Amount in minor units.
    pub amount: i64,
}

impl Store {
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        let optional = |object: &Value, field: &str| {
            object.get(field).and_then(Value::as_str).map(str::to_owned)
        };
        let mut refunded: HashMap<&str, i64> = HashMap::new();
        let succeeded = |refund: &&Value| text(refund, "status") == "succeeded";
        for refund in self.refunds.newest_first().filter(succeeded) {
            let sum = refunded.entry(text(refund, "payment_intent")).or_default();
            *sum = sum.saturating_add(refund["amount"].as_i64().unwrap_or_default());
        }
        let (refunds, disputes) = (by_intent(&self.refunds), by_intent(&self.disputes));
        let items = |by_intent: &HashMap<&str, Vec<LedgerItem>>, session: &Value| {
            let items = by_intent.get(text(session, "payment_intent"));
            items.cloned().unwrap_or_default()
        };
        self.sessions
            .newest_first()
            .map(|session| LedgerEntry {
                refunds: items(&refunds, session),
                disputes: items(&disputes, session),
                session_id: text(session, "id").to_owned(),
                client_reference_id: optional(session, "client_reference_id"),
                status: text(session, "status").to_owned(),
                payment_status: text(session, "payment_status").to_owned(),
                amount_total: session["amount_total"].as_i64().unwrap_or_default(),
                currency: text(session, "currency").to_owned(),
                payment_intent: optional(session, "payment_intent"),
                amount_refunded: refunded
                    .get(text(session, "payment_intent"))
                    .copied()
                    .unwrap_or_default(),
            })
            .collect()
    }

    pub fn intent_metadata(&self, session_id: &str) -> Value {
        self.intent_metadata
            .get(session_id)
            .cloned()
            .unwrap_or_else(|| serde_json::json!({}))
    }
}

/// Refunds or disputes by the PaymentIntent they are about.
fn by_intent(objects: &Objects) -> HashMap<&str, Vec<LedgerItem>> {
    let mut by_intent: HashMap<&str, Vec<LedgerItem>> = HashMap::new();
    for object in objects.newest_first() {
        let item = LedgerItem {
            id: text(object, "id").to_owned(),
            status: text(object, "status").to_owned(),
            amount: object["amount"].as_i64().unwrap_or_default(),
        };
        let items = by_intent.entry(text(object, "payment_intent"));
        items.or_default().push(item);
    }
    by_intent
}

/// Text of a field, or an empty string.
pub fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object
        .get(field)
        .and_then(Value::as_str)
        .unwrap_or_default()
}
