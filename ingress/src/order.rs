//! What a buyer orders, as it comes from outside, and the check of every field.

pub(crate) mod customer;
pub(crate) mod locale;
pub(crate) mod session_life;
pub(crate) mod whole_number;

use std::{collections::BTreeMap, str::FromStr};

use serde::Deserialize;
use serde_json::json;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    config::Config,
    hold::{NewHold, Once, Place, Pricing, Replaced},
    http::error::{ApiError, FieldError},
    idempotency_key::is_idempotency_key,
    order::{customer::Customer, session_life::end_of_hold},
    site_data::{self, SiteData},
};

/// Seats one buyer can take at once.
const MAX_QUANTITY: i64 = 20;

/// What to book, and for whom. A price is not part of it: the shop knows its prices.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)] // "qty": 2 must not quietly become one seat
pub struct Order {
    /// From `GET /api/offerings`.
    #[schema(required, value_type = Uuid)]
    slot_id: Option<String>,
    /// Seats, 1 to 20.
    #[serde(default, deserialize_with = "whole_number::optional")]
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
    /// Whether one paid order of this slot and e-mail address is enough, of all that say so: when one is
    /// paid, the others end, and a second payment goes back. Ask the buyer, and leave it out for more.
    #[serde(default)]
    once_per_email: bool,
    /// The buyer's language, for mails: a tag such as `de` or `de-AT`. What the browser
    /// asks for (`Accept-Language`) if left out.
    #[serde(default)]
    #[schema(
        example = "de-AT",
        max_length = 48,
        pattern = "^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}$"
    )]
    locale: Option<String>,
    /// The Checkout Session of an earlier order that this one takes the place of: if it is
    /// still open it is ended, and its seats are free before these are held.
    #[serde(default)]
    #[schema(
        example = "cs_test_a1B2c3D4e5",
        pattern = "^cs_(test|live)_[A-Za-z0-9]{10,230}$"
    )]
    replaces: Option<String>,
    /// The `Idempotency-Key` of that earlier order, which shows that it is the buyer's own.
    #[serde(default)]
    #[schema(pattern = "^[ -~]{1,255}$")]
    replaces_key: Option<String>,
}

impl Order {
    /// Checks every field, so that a form can mark all that are wrong at once.
    pub fn into_hold(
        self,
        idempotency_key: Option<String>,
        now: OffsetDateTime,
        config: &Config,
    ) -> Result<NewHold, ApiError> {
        let mut errors = Vec::new();
        if self.replaces.is_some() && self.replaces_key.is_none() {
            errors.push(FieldError::new("replaces_key", NO_KEY_OF_REPLACED));
        }
        let replaces = check_replaces(self.replaces.as_deref(), self.replaces_key, &mut errors);
        let mut wrong = |field, message| errors.push(FieldError::new(field, message));
        let slot_id = self.slot_id.as_deref().map(Uuid::from_str);
        match slot_id {
            None => wrong("slot_id", "Choose a slot."),
            Some(Err(_)) => wrong("slot_id", NO_SLOT_ID),
            Some(Ok(_)) => {}
        }
        let quantity = self.quantity.unwrap_or(1);
        if !(1..=MAX_QUANTITY).contains(&quantity) {
            wrong("quantity", "Choose 1 to 20 seats.");
        }
        let site_data = SiteData::check(self.client_reference, self.metadata, &mut errors);
        let locale = locale::check(self.locale, &mut errors);
        let customer = self.customer.unwrap_or_default();
        let (customer_name, customer_email) = customer.check(&mut errors);
        let (Some(Ok(slot_id)), Ok(seats), true) =
            (slot_id, i32::try_from(quantity), errors.is_empty())
        else {
            return Err(ApiError::Validation(errors));
        };
        Ok(NewHold {
            id: Uuid::now_v7(),
            request_hash: request_hash(
                &[
                    &slot_id.to_string(),
                    &quantity.to_string(),
                    &customer_name,
                    &customer_email,
                ],
                &site_data,
                self.once_per_email,
                locale.as_deref(),
            ),
            place: Place::Slot(slot_id),
            quantity: seats,
            pricing: Pricing::Catalogue,
            options: config.checkout_options.clone(),
            customer_name,
            customer_email,
            locale,
            client_reference: site_data.client_reference,
            metadata: site_data.metadata,
            idempotency_key,
            holder: None,
            once: self.once_per_email.then_some(Once::Email(slot_id)),
            replaces,
            expires_at: end_of_hold(now, config.hold),
            success_url: None,
            cancel_url: None,
        })
    }
}

/// What is said of a `slot_id` that is none.
pub const NO_SLOT_ID: &str = "This is not the id of a slot.";

/// What is said of a `replaces_key` that is missing, or another order's.
pub const NO_KEY_OF_REPLACED: &str = "Send the Idempotency-Key of the order to replace.";

/// The session that an order takes the place of, if it names one.
pub fn check_replaces(
    session_id: Option<&str>,
    key: Option<String>,
    errors: &mut Vec<FieldError>,
) -> Option<Replaced> {
    let Ok(session_id) = session_id?.parse() else {
        let message = "This is not the id of a Checkout Session.";
        errors.push(FieldError::new("replaces", message));
        return None;
    };
    if !key.as_deref().is_none_or(is_idempotency_key) {
        errors.push(FieldError::new("replaces_key", NO_KEY_OF_REPLACED));
    }
    Some(Replaced { session_id, key })
}

/// Identifies the order that an `Idempotency-Key` was first used with, without keeping it. What
/// is left out or padded with spaces is the same order; what it replaces is not part of it, since
/// once that is replaced the same order has nothing to replace any more.
fn request_hash(
    order: &[&str],
    site_data: &SiteData,
    once_per_email: bool,
    locale: Option<&str>,
) -> String {
    let mut canonical = order.join("\n");
    let (reference, metadata) = (&site_data.client_reference, &site_data.metadata);
    // An order without what is newer has the hash that earlier releases gave it.
    if reference.is_some() || !metadata.is_empty() {
        canonical.push_str(&json!([reference, metadata]).to_string());
    }
    if once_per_email {
        canonical.push_str("\nonce");
    }
    if let Some(locale) = locale {
        canonical.push_str("\nlocale ");
        canonical.push_str(locale);
    }
    hex::encode(Sha256::digest(canonical))
}
