//! Stripe's objects with every field they have, made from Stripe's own published examples
//! (`stripe-objects.json`: data of github.com/stripe/openapi, MIT licence).

use std::{sync::LazyLock, time::SystemTime};

use rand::{RngExt, distr::Alphanumeric};
use serde_json::{Map, Value, json};

static EXAMPLES: LazyLock<Map<String, Value>> =
    LazyLock::new(|| serde_json::from_str(include_str!("stripe-objects.json")).unwrap_or_default());

/// A copy of Stripe's example `name`, with `fields` laid over it.
pub fn example(name: &str, fields: Value) -> Value {
    let mut object = EXAMPLES.get(name).cloned().unwrap_or_else(|| json!({}));
    merge(&mut object, fields);
    object
}

/// Lays the fields of `changes` over `object`.
pub fn merge(object: &mut Value, changes: Value) {
    if let (Value::Object(object), Value::Object(changes)) = (object, changes) {
        object.extend(changes);
    }
}

/// A new id, as long and as random as Stripe's.
pub fn new_id(prefix: &str, length: usize) -> String {
    let random = rand::rng()
        .sample_iter(Alphanumeric)
        .take(length)
        .map(char::from);
    prefix.chars().chain(random).collect()
}

/// Time now, in seconds since the Unix epoch.
#[expect(
    clippy::disallowed_methods,
    reason = "the stand-in has Stripe's clock, not ours"
)]
pub fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_has_an_example() {
        for name in [
            "charge",
            "checkout.session",
            "dispute",
            "event",
            "payment_intent",
            "refund",
        ] {
            assert!(
                example(name, json!({})).as_object().unwrap().len() > 7,
                "{name}"
            );
        }
    }

    #[test]
    fn ids_look_like_stripes() {
        let id = new_id("cs_test_", 58);

        assert_eq!(id.len(), 66);
        assert!(id.starts_with("cs_test_"));
        assert_ne!(id, new_id("cs_test_", 58));
    }
}
