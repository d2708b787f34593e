//! What a buyer orders, as it comes from outside, and the check of every field.

use std::{collections::BTreeMap, str::FromStr};

use email_address::{EmailAddress, Options};
use serde::{Deserialize, Deserializer, de::Error};
use serde_json::{Number, json};
use sha2::{Digest, Sha256};
use shared::stripe::id::CheckoutSessionId;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    hold_seats::NewHold,
    http::error::{ApiError, FieldError},
    legible::{is_legible, spoils_a_line},
    site_data,
};

/// Seats one buyer can take at once.
const MAX_QUANTITY: i64 = 20;
const MAX_NAME_CHARS: usize = 200;
/// The shortest life of a session at Stripe is 30 minutes by its clock, the longest 24 hours. Two
/// minutes at either end are for clocks that differ and for slow answers.
///
/// Source: <https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-expires_at>
pub const SHORTEST_SESSION: time::Duration = time::Duration::minutes(32);
pub const LONGEST_SESSION: time::Duration = time::Duration::minutes(24 * 60 - 2);

/// What to book, and for whom. A price is not part of it: the shop knows its prices.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)] // "qty": 2 must not quietly become one seat
pub struct Order {
    /// From `GET /api/offerings`.
    #[schema(required, value_type = Uuid)]
    slot_id: Option<String>,
    /// Seats, 1 to 20.
    #[serde(default, deserialize_with = "whole_number")]
    #[schema(default = 1, minimum = 1, maximum = 20)]
    quantity: Option<i64>,
    #[schema(required, value_type = Customer)]
    customer: Option<Customer>,
    /// What your site calls this order, such as the id of a row of yours. It stands at the session
    /// in Stripe as `client_reference_id`, and confirm returns it.
    #[serde(default)]
    #[schema(example = "order-1042", min_length = 1, max_length = 200)]
    client_reference: Option<String>,
    /// Data of the site's own.
    #[serde(default)]
    #[schema(schema_with = site_data::metadata_schema)]
    metadata: Option<BTreeMap<String, String>>,
    /// The Checkout Session of an earlier order that this one takes the place of: if it is
    /// still open it is ended, and its seats are free before these are held.
    #[serde(default)]
    #[schema(
        example = "cs_test_a1B2c3D4e5",
        pattern = "^cs_(test|live)_[A-Za-z0-9]{10,230}$"
    )]
    replaces: Option<String>,
}

/// Who books.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Customer {
    /// One line with a letter or digit that can be read.
    #[schema(required, value_type = String, example = "Ada Lovelace", min_length = 1, max_length = 200)]
    name: Option<String>,
    /// In ASCII, as Stripe takes it.
    #[schema(required, value_type = String, example = "ada@example.com", format = "email", max_length = 254)]
    email: Option<String>,
}

/// JSON has one kind of number: `2.0` is the integer 2.
fn whole_number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let Some(number) = Option::<Number>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let text = number.to_string();
    let whole = text.strip_suffix(".0").unwrap_or(&text);
    whole.parse().map(Some).map_err(D::Error::custom)
}

impl Order {
    /// Checks every field, so that a form can mark all that are wrong at once.
    pub fn into_hold(
        self,
        idempotency_key: Option<String>,
        now: OffsetDateTime,
        hold: time::Duration,
    ) -> Result<NewHold, ApiError> {
        let mut errors = Vec::new();
        let mut wrong = |field, message| errors.push(FieldError { field, message });

        let replaces = self.replaces.as_deref().map(CheckoutSessionId::from_str);
        if let Some(Err(_)) = replaces {
            wrong("replaces", "This is not the id of a Checkout Session.");
        }
        let slot_id = self.slot_id.as_deref().map(Uuid::from_str);
        match slot_id {
            None => wrong("slot_id", "Choose a slot."),
            Some(Err(_)) => wrong("slot_id", "This is not the id of a slot."),
            Some(Ok(_)) => {}
        }
        let quantity = self.quantity.unwrap_or(1);
        if !(1..=MAX_QUANTITY).contains(&quantity) {
            wrong("quantity", "Choose 1 to 20 seats.");
        }
        let client_reference = self.client_reference;
        if client_reference
            .as_deref()
            .is_some_and(|it| !site_data::is_reference(it))
        {
            wrong("client_reference", "Use 1 to 200 characters, in one line.");
        }
        let metadata = self.metadata.unwrap_or_default();
        if let Err(message) = site_data::check_metadata(&metadata) {
            wrong("metadata", message);
        }
        let (name, email) = self.customer.map_or((None, None), |it| (it.name, it.email));
        let name = name.unwrap_or_default().trim().to_owned();
        if !is_legible(&name) {
            wrong("customer.name", "Tell us your name.");
        } else if name.chars().count() > MAX_NAME_CHARS || name.chars().any(spoils_a_line) {
            wrong("customer.name", "Use at most 200 characters, in one line.");
        }
        let email = email.unwrap_or_default().trim().to_owned();
        if email.is_empty() {
            wrong("customer.email", "Tell us your e-mail address.");
        } else if !email.is_ascii() {
            wrong(
                "customer.email",
                "Use an e-mail address without accents or other special letters.",
            );
        } else if !is_email(&email) {
            wrong(
                "customer.email",
                "This does not look like an e-mail address.",
            );
        }

        match (errors.is_empty(), slot_id) {
            (true, Some(Ok(slot_id))) => Ok(NewHold {
                id: Uuid::now_v7(),
                request_hash: request_hash(
                    &[&slot_id.to_string(), &quantity.to_string(), &name, &email],
                    client_reference.as_deref(),
                    &metadata,
                ),
                slot_id,
                quantity,
                customer_name: name,
                customer_email: email,
                client_reference,
                metadata,
                idempotency_key,
                replaces: replaces.and_then(Result::ok),
                expires_at: now.truncate_to_second().saturating_add(lasting(hold)),
            }),
            _ => Err(ApiError::Validation(errors)),
        }
    }
}

/// What Stripe accepts: an address of the internet, not of one machine.
fn is_email(text: &str) -> bool {
    let options = Options::default()
        .with_required_tld()
        .without_display_text()
        .without_domain_literal();
    EmailAddress::parse_with_options(text, options).is_ok()
}

/// One minute more than promised, for the way to the buyer; and no longer than a session may live.
fn lasting(hold: time::Duration) -> time::Duration {
    hold.saturating_add(time::Duration::MINUTE)
        .min(LONGEST_SESSION)
}

/// Identifies the order that an `Idempotency-Key` was first used with, without keeping it. What
/// is left out or padded with spaces is the same order; what it replaces is not part of it, since
/// once that is replaced the same order has nothing to replace any more.
fn request_hash(
    order: &[&str],
    client_reference: Option<&str>,
    metadata: &BTreeMap<String, String>,
) -> String {
    let mut canonical = order.join("\n");
    // An order without data of the site's has the hash that earlier releases gave it.
    if client_reference.is_some() || !metadata.is_empty() {
        canonical.push_str(&json!([client_reference, metadata]).to_string());
    }
    hex::encode(Sha256::digest(canonical))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_hold_fits_between_the_ends_of_a_session_with_clocks_a_minute_apart() {
        let minute = time::Duration::MINUTE;
        for hold in [30, 31, 60, 1438, 1439].map(time::Duration::minutes) {
            let life = lasting(hold).max(SHORTEST_SESSION);
            assert!(life - minute >= minute * 30 && life + minute <= minute * 1440);
        }
    }

    #[test]
    fn an_email_has_a_mailbox_and_a_domain_of_the_internet() {
        for good in [
            "ada@example.com",
            "a+b@sub.example.org",
            "o'brien@example.ie",
        ] {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "ada",
            "ada@",
            "@example.com",
            "ada@localhost",
            "ada@[127.0.0.1]",
            "Ada <ada@example.com>",
            "a b@example.com",
            "ada@example.com\nbcc: x@example.com",
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }
}
