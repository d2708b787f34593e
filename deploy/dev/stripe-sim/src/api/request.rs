//! What requests to `/v1/…` have in common.

use axum::{Json, http::HeaderMap};
use serde_json::{Value, json};

use crate::{error::ApiError, form::Form, store::text};

pub type Answer = Result<Json<Value>, ApiError>;

pub fn idempotency_key(headers: &HeaderMap) -> Option<&str> {
    headers.get("idempotency-key")?.to_str().ok()
}

/// One page of a list, newest first.
///
/// Source: <https://docs.stripe.com/api/pagination>
pub fn page<'a>(url: &str, query: &Form, objects: impl Iterator<Item = &'a Value>) -> Answer {
    let limit = query.integer("limit").unwrap_or(10);
    let limit = usize::try_from(limit)
        .ok()
        .filter(|limit| (1..=100).contains(limit))
        .ok_or_else(|| ApiError::invalid("limit", "This value must be between 1 and 100."))?;
    let since = query.integer("created.gte").unwrap_or(i64::MIN);
    let mut objects = objects
        .filter(|object| object["created"].as_i64().unwrap_or_default() >= since)
        .peekable();
    if let Some(after) = query.text("starting_after") {
        objects.by_ref().find(|object| text(object, "id") == after);
    }
    let data: Vec<&Value> = objects.by_ref().take(limit).collect();
    let has_more = objects.peek().is_some();
    Ok(Json(
        json!({ "object": "list", "url": url, "has_more": has_more, "data": data }),
    ))
}
