//! Data of the site's own on an order: what it calls the order, and what else it gives along. Kept,
//! sent to Stripe and given back; never read by us, and never logged.

use serde_json::json;
use shared::stripe::metadata;
use utoipa::openapi::schema::{Object, ObjectBuilder, Schema, Type};

use crate::legible::spoils_a_line;

/// Stripe's limit for `client_reference_id`.
///
/// Source: <https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-client_reference_id>
const MAX_REFERENCE_CHARS: usize = 200;

/// What Stripe takes as `client_reference_id`, and a person can see.
pub fn is_reference(text: &str) -> bool {
    !text.trim().is_empty()
        && text.chars().count() <= MAX_REFERENCE_CHARS
        && !text.chars().any(spoils_a_line)
}

/// `metadata`, as [`metadata::check`] takes it.
pub fn metadata_schema() -> Object {
    let key = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(metadata::LONGEST_KEY))
        .pattern(Some(r"^[^\[\]]*$"));
    let value = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(metadata::LONGEST_VALUE));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .max_properties(Some(metadata::MOST_KEYS))
        .property_names(Some(key.build()))
        .additional_properties(Some(Schema::from(value.build())))
        .examples([json!({ "user_id": "42" })])
        .description(Some(
            "Data of your own, strings only. It stands at the session and the PaymentIntent in Stripe beside \
             checkout_id, slot_id and quantity, which are ours and refused here. Confirm does not return it.",
        ))
        .build()
}
