//! Metadata of a Checkout Session: the site's own, and ours beside it.
//!
//! Source: <https://docs.stripe.com/api/metadata>

use std::collections::{BTreeMap, HashMap};

use uuid::Uuid;

/// Key of the hold's id.
pub const CHECKOUT_ID: &str = "checkout_id";
/// Key of the slot's id.
pub const SLOT_ID: &str = "slot_id";
/// Key of the number of seats.
pub const QUANTITY: &str = "quantity";
/// Keys that are ours.
pub const RESERVED: [&str; 3] = [CHECKOUT_ID, SLOT_ID, QUANTITY];

/// What a session and its PaymentIntent say: `of_the_site`, and what leads back to the hold. Without a
/// slot there are no seats to tell of.
pub(crate) fn of_hold(
    of_the_site: &BTreeMap<String, String>,
    checkout_id: Uuid,
    slot_id: Option<Uuid>,
    quantity: i32,
) -> HashMap<String, String> {
    let site = of_the_site.iter();
    let mut all: HashMap<_, _> = site
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let ours = [
        (CHECKOUT_ID, Some(checkout_id.to_string())),
        (SLOT_ID, slot_id.map(|id| id.to_string())),
        (QUANTITY, slot_id.map(|_| quantity.to_string())),
    ];
    let ours = ours
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)));
    all.extend(ours);
    all
}
