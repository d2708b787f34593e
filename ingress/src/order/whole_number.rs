//! Integers in JSON.

use serde::{Deserialize, Deserializer, de::Error};
use serde_json::Number;

/// JSON has one kind of number: `2.0` is the integer 2.
pub fn optional<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let Some(number) = Option::<Number>::deserialize(deserializer)? else {
        return Ok(None);
    };
    let text = number.to_string();
    let whole = text.strip_suffix(".0").unwrap_or(&text);
    whole.parse().map(Some).map_err(D::Error::custom)
}
