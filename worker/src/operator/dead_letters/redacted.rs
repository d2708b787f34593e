//! A message's body without what a buyer told Stripe: for support, who have to see what kind of thing it
//! is, and not whose.

use serde_json::Value;

/// What takes the place of a text that may be a person's.
const REDACTED: &str = "…";

/// Texts of these names are Stripe's or our own words, never a person's.
const PLAIN: [&str; 18] = [
    "api_version",
    "billing_reason",
    "checkout_session_id",
    "country",
    "currency",
    "cancellation_reason",
    "failure_reason",
    "locale",
    "mode",
    "network_decline_code",
    "object",
    "payment_method_collection",
    "payment_status",
    "reason",
    "status",
    "submit_type",
    "type",
    "ui_mode",
];

/// What stands in these a site or a buyer has written.
const OF_THE_SITE: [&str; 3] = ["metadata", "custom_fields", "client_reference_id"];

/// What Stripe's ids of the objects we meet begin with.
///
/// Source: <https://docs.stripe.com/api>
const STRIPES: [&str; 18] = [
    "acct", "ch", "cs", "cus", "dp", "du", "evt", "in", "pi", "pm", "price", "prod", "py", "pyr",
    "re", "req", "src", "txn",
];

/// What `body` says, laid out, with every text replaced that is no id and no word of Stripe's. `None`
/// if it is no JSON.
pub(crate) fn redacted(body: &[u8]) -> Option<String> {
    let mut value: Value = serde_json::from_slice(body).ok()?;
    redact(&mut value, false);
    serde_json::to_string_pretty(&value).ok()
}

fn redact(value: &mut Value, is_plain: bool) {
    match value {
        Value::String(text) if !(is_id(text) || is_plain && is_word(text)) => {
            REDACTED.clone_into(text);
        }
        Value::Array(items) => items.iter_mut().for_each(|it| redact(it, is_plain)),
        Value::Object(fields) => {
            for (name, value) in fields {
                if OF_THE_SITE.contains(&name.as_str()) {
                    redact_all(value);
                } else {
                    redact(value, PLAIN.contains(&name.as_str()));
                }
            }
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// What a site or a buyer has written, whatever it is called.
fn redact_all(value: &mut Value) {
    match value {
        Value::String(text) if uuid::Uuid::try_parse(text).is_err() => REDACTED.clone_into(text),
        Value::Array(items) => items.iter_mut().for_each(redact_all),
        Value::Object(fields) => fields.values_mut().for_each(redact_all),
        _ => {}
    }
}

/// Such as `evt_1R…`, or one of ours.
fn is_id(text: &str) -> bool {
    let is_stripes = || {
        let (prefix, rest) = text.split_once('_')?;
        let rest = rest.strip_prefix("test_").unwrap_or(rest);
        let rest = rest.strip_prefix("live_").unwrap_or(rest);
        let is_random = rest.len() >= 8 && rest.bytes().all(|it| it.is_ascii_alphanumeric());
        Some(STRIPES.contains(&prefix) && is_random)
    };
    uuid::Uuid::try_parse(text).is_ok() || is_stripes() == Some(true)
}

fn is_word(text: &str) -> bool {
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"._-".contains(&it);
    text.len() <= 64 && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_it_is_stays_and_who_it_is_goes() {
        let body =
            br#"{"id":"evt_1RAbCdEfGh2","object":"event","type":"checkout.session.completed",
            "livemode":false,"created":1700000000,"data":{"object":{"id":"cs_test_a1B2c3D4e5",
            "amount_total":4900,"currency":"eur","payment_status":"paid","customer_details":{
            "name":"Ada Lovelace","email":"ada@example.com","phone":"+441234567","address":{
            "country":"GB","line1":"12 St James's Square"}},"url":"https://checkout.stripe.com/c/x",
            "metadata":{"slot_id":"0198b6f2-0000-7000-8000-000000000001","note":"call_me_Ada1815","reason":"hay-fever"},"client_reference_id":"ada_lovelace1815",
            "custom_fields":[{"key":"child","text":{"value":"Byron"}}]}}}"#;

        let text = redacted(body).unwrap();

        for kept in [
            "evt_1RAbCdEfGh2",
            "checkout.session.completed",
            "cs_test_a1B2c3D4e5",
            "4900",
            "\"eur\"",
            "\"paid\"",
            "\"GB\"",
            "0198b6f2-0000-7000-8000-000000000001",
        ] {
            assert!(text.contains(kept), "{kept}: {text}");
        }
        for gone in [
            "Ada",
            "Lovelace",
            "example.com",
            "+44",
            "James",
            "https",
            "Byron",
            "hay-fever",
            "lovelace1815",
        ] {
            assert!(!text.contains(gone), "{gone}: {text}");
        }
    }

    #[test]
    fn what_is_no_json_shows_nothing() {
        assert_eq!(redacted(b"Ada Lovelace"), None);
        assert_eq!(redacted(b"\xff\xfe"), None);
    }
}
