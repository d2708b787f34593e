//! Data of the site's own on an order: what it calls the order, and what else it gives along. Kept,
//! sent to Stripe and given back; never read by us, and never logged.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;
use shared::stripe::metadata::RESERVED;
use utoipa::openapi::schema::{Object, ObjectBuilder, Schema, Type};

use crate::{http::error::FieldError, legible::spoils_a_line};

/// Stripe's limit for `client_reference_id`.
///
/// Source: <https://docs.stripe.com/api/checkout/sessions/create#create_checkout_session-client_reference_id>
const MAX_REFERENCE_CHARS: usize = 200;
/// Keys of metadata that a site may give: Stripe takes 50, with ours.
///
/// Source: <https://docs.stripe.com/api/metadata>
const MOST_KEYS: usize = 47;
/// Characters of a key.
const LONGEST_KEY: usize = 40;
/// Characters of a value.
const LONGEST_VALUE: usize = 500;

const TOO_MANY_KEYS: &str = "Use at most 47 keys.";
const OUR_KEY: &str = "checkout_id, slot_id and quantity are ours: use other keys.";
const BAD_KEY: &str = "Use keys of 1 to 40 characters, without brackets and control characters.";
const BAD_VALUE: &str = "Use values of 1 to 500 characters.";

/// What the site gives along.
#[derive(Debug, Serialize)]
pub struct SiteData {
    pub client_reference: Option<String>,
    pub metadata: BTreeMap<String, String>,
}

impl SiteData {
    /// What is wrong with it goes to `errors`.
    pub fn check(
        client_reference: Option<String>,
        metadata: Option<BTreeMap<String, String>>,
        errors: &mut Vec<FieldError>,
    ) -> Self {
        let mut wrong = |field, message| errors.push(FieldError::new(field, message));
        if client_reference
            .as_deref()
            .is_some_and(|it| !is_reference(it))
        {
            wrong("client_reference", "Use 1 to 200 characters, in one line.");
        }
        let metadata = metadata.unwrap_or_default();
        if let Err(message) = check_metadata(&metadata) {
            wrong("metadata", message);
        }
        Self {
            client_reference,
            metadata,
        }
    }
}

/// What Stripe takes as `client_reference_id`, and a person can see.
fn is_reference(text: &str) -> bool {
    !text.trim().is_empty()
        && text.chars().count() <= MAX_REFERENCE_CHARS
        && !text.chars().any(spoils_a_line)
}

/// Whether Stripe, and our databases, take the metadata of a site; or what to do about it, in words
/// for the site's engineer.
fn check_metadata(metadata: &BTreeMap<String, String>) -> Result<(), &'static str> {
    if metadata.len() > MOST_KEYS {
        return Err(TOO_MANY_KEYS);
    }
    for (key, value) in metadata {
        if RESERVED.contains(&key.as_str()) {
            return Err(OUR_KEY);
        }
        let spoils = |it: char| it.is_control() || matches!(it, '[' | ']');
        if !(1..=LONGEST_KEY).contains(&key.chars().count()) || key.contains(spoils) {
            return Err(BAD_KEY);
        }
        // An empty one means none at Stripe.
        if !(1..=LONGEST_VALUE).contains(&value.chars().count()) || value.contains('\0') {
            return Err(BAD_VALUE);
        }
    }
    Ok(())
}

/// `metadata`, as [`check_metadata`] takes it.
pub fn metadata_schema() -> Object {
    let key = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(LONGEST_KEY))
        .pattern(Some(r"^[^\[\]]*$"));
    let value = ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(1))
        .max_length(Some(LONGEST_VALUE));
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .max_properties(Some(MOST_KEYS))
        .property_names(Some(key.build()))
        .additional_properties(Some(Schema::from(value.build())))
        .examples([json!({ "user_id": "42" })])
        .description(Some(
            "Data of your own, strings only. It stands at the session and the PaymentIntent in Stripe beside \
             checkout_id, slot_id and quantity, which are ours and refused here. Confirm does not return it.",
        ))
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_is_what_stripe_takes_but_for_our_keys() {
        for (key, value, expected) in [
            ("user_id", "42", Ok(())),
            ("Größe", "eins\nzwei 😀", Ok(())),
            (&"k".repeat(40), &"ü".repeat(500), Ok(())),
            ("checkout_id", "1", Err(OUR_KEY)),
            ("slot_id", "1", Err(OUR_KEY)),
            ("quantity", "1", Err(OUR_KEY)),
            ("", "1", Err(BAD_KEY)),
            ("a[b]", "1", Err(BAD_KEY)),
            ("a\nb", "1", Err(BAD_KEY)),
            (&"k".repeat(41), "1", Err(BAD_KEY)),
            ("a", "", Err(BAD_VALUE)),
            ("a", "\0", Err(BAD_VALUE)),
            ("a", &"v".repeat(501), Err(BAD_VALUE)),
        ] {
            let one = BTreeMap::from([(key.to_owned(), value.to_owned())]);
            assert_eq!(check_metadata(&one), expected, "{key}");
        }
        for (count, expected) in [(MOST_KEYS, Ok(())), (MOST_KEYS + 1, Err(TOO_MANY_KEYS))] {
            let many = (0..count).map(|it| (format!("key {it}"), "1".to_owned()));
            assert_eq!(check_metadata(&many.collect()), expected);
        }
    }
}
