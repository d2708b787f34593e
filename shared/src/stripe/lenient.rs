//! Reading Stripe's objects: a null is as good as a missing field, and a value of another type
//! than expected is none. Stripe adds values and renders events in the API version of the
//! account, so that only what cannot be done without makes an object unreadable.

use std::collections::HashMap;

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// A field that may be null.
pub fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Stripe's `metadata`: what of it is text.
pub fn metadata<'de, D>(deserializer: D) -> Result<HashMap<String, String>, D::Error>
where
    D: Deserializer<'de>,
{
    let Value::Object(fields) = Value::deserialize(deserializer)? else {
        return Ok(HashMap::new());
    };
    let text = |(key, value)| match value {
        Value::String(text) => Some((key, text)),
        _ => None,
    };
    Ok(fields.into_iter().filter_map(text).collect())
}
