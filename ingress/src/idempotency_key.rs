//! The `Idempotency-Key` of an order.

use axum::http::HeaderMap;

use crate::http::error::ApiError;

const MAX_BYTES: usize = 255;

/// The one of a request, if it has one.
pub fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("Idempotency-Key") else {
        return Ok(None);
    };
    let key = value
        .to_str()
        .map_err(|_| ApiError::MalformedIdempotencyKey)?;
    if is_idempotency_key(key) {
        Ok(Some(key.to_owned()))
    } else {
        Err(ApiError::MalformedIdempotencyKey)
    }
}

/// Whether it can be one: no key of a buyer's has a line break, which those of a site have.
pub fn is_idempotency_key(key: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    (1..=MAX_BYTES).contains(&key.len()) && key.bytes().all(is_part)
}
