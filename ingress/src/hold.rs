//! A hold to make: what an order asks for, checked, and who prices it.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};
use sha2::{Digest, Sha256};
use shared::{
    checkout_options::CheckoutOptions, db::checkout, line_item::LineItem, money::Currency,
    stripe::id::CheckoutSessionId,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::hold_limit::Holder;

/// A hold to make.
#[derive(Debug)]
pub struct NewHold {
    /// The checkout's id.
    pub id: Uuid,
    pub place: Place,
    /// Seats of the place.
    pub quantity: i32,
    pub pricing: Pricing,
    /// What else the session may do.
    pub options: CheckoutOptions,
    pub customer_name: String,
    pub customer_email: String,
    /// The buyer's language.
    pub locale: Option<String>,
    pub client_reference: Option<String>,
    pub metadata: BTreeMap<String, String>,
    pub idempotency_key: Option<String>,
    /// Who holds it; none is a site, which may hold what it likes.
    pub holder: Option<Holder>,
    /// Of what one paid checkout is enough; if `None`, of this order with this key.
    pub once: Option<Once>,
    pub request_hash: String,
    pub replaces: Option<Replaced>,
    pub expires_at: OffsetDateTime,
    /// Where the buyer comes back to, if not to pages of ours.
    pub success_url: Option<String>,
    pub cancel_url: Option<String>,
}

/// An open session that shall make way.
#[derive(Debug)]
pub struct Replaced {
    pub session_id: CheckoutSessionId,
    /// The `Idempotency-Key` it was ordered with: who only knows the session may not end it. `None` from a
    /// site that knows whose it is.
    pub key: Option<String>,
}

/// What a buyer wishes once, however many checkouts it takes.
#[derive(Debug)]
pub enum Once {
    /// What the site calls by this reference.
    Reference(String),
    /// Seats of this slot, for the order's e-mail address.
    Email(Uuid),
}

/// What is held.
#[derive(Debug, Serialize)]
pub enum Place {
    /// Seats of this slot.
    Slot(Uuid),
    /// Seats of something of the site's, for a time.
    Resource {
        key: String,
        capacity: i32,
        starts_at: OffsetDateTime,
        ends_at: OffsetDateTime,
    },
    /// What is sold does not run out.
    Nothing,
}

/// Who says what it costs.
#[derive(Debug, Serialize)]
pub enum Pricing {
    /// The slot's offering, for each seat.
    Catalogue,
    /// The site.
    Site {
        #[serde(serialize_with = "code")]
        currency: Currency,
        line_items: Vec<LineItem>,
    },
}

fn code<S: Serializer>(currency: &Currency, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(currency.as_str())
}

impl NewHold {
    /// What every checkout of the same wish has in common.
    pub fn order_fingerprint(&self) -> Option<String> {
        let wish = match &self.once {
            Some(Once::Reference(reference)) => format!("reference\n{reference}"),
            Some(Once::Email(slot_id)) => {
                return Some(checkout::fingerprint_of_email(
                    *slot_id,
                    &self.customer_email,
                ));
            }
            None => format!("{}\n{}", self.request_hash, self.idempotency_key.as_ref()?),
        };
        Some(hex::encode(Sha256::digest(wish)))
    }
}
