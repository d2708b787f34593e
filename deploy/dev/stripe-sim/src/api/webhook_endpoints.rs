//! `/v1/webhook_endpoints`: there is room for one.
//!
//! Source: <https://docs.stripe.com/api/webhook_endpoints>

use std::sync::Arc;

use axum::{Json, body::Bytes, extract::State};
use serde_json::{Value, json};

use crate::{
    account::Account,
    api::request::Answer,
    courier::Endpoint,
    error::ApiError,
    form::Form,
    objects::{new_id, now},
};

/// What Stripe takes, of what we know.
const PARAMETERS: [&str; 4] = ["url", "enabled_events", "api_version", "description"];

pub(super) async fn list_webhook_endpoints(State(sim): State<Arc<Account>>) -> Json<Value> {
    let endpoint = sim.courier.endpoint();
    let endpoints: Vec<Value> = endpoint.url.iter().map(|_| object(&endpoint)).collect();
    Json(
        json!({ "object": "list", "url": "/v1/webhook_endpoints", "has_more": false, "data": endpoints }),
    )
}

pub(super) async fn create_webhook_endpoint(
    State(sim): State<Arc<Account>>,
    body: Bytes,
) -> Answer {
    let form = Form::parse(&body);
    if let Some(unknown) = form.keys().find(|it| !PARAMETERS.contains(&it.as_str())) {
        let message = format!("Received unknown parameter: {unknown}");
        return Err(ApiError::refused("parameter_unknown", unknown, message));
    }
    let url = form.text("url").ok_or_else(|| ApiError::missing("url"))?;
    let is_web = url::Url::parse(url).is_ok_and(|it| matches!(it.scheme(), "http" | "https"));
    if !is_web {
        return Err(ApiError::refused("url_invalid", "url", "Invalid URL"));
    }
    let enabled_events = form.texts("enabled_events");
    if enabled_events.is_empty() {
        return Err(ApiError::missing("enabled_events"));
    }
    if sim.courier.endpoint().url.is_some() {
        let message = "The stand-in posts to one endpoint only.";
        return Err(ApiError::invalid("enabled_events", message));
    }
    let endpoint = Endpoint {
        id: new_id("we_1", 23),
        url: Some(url.to_owned()),
        secret: new_id("whsec_", 32),
        enabled_events,
    };
    let mut made = object(&endpoint);
    made["secret"] = json!(endpoint.secret);
    made["api_version"] = json!(form.text("api_version"));
    made["description"] = json!(form.text("description"));
    sim.courier.set_endpoint(endpoint);
    Ok(Json(made))
}

/// Without the secret, which is told once.
fn object(endpoint: &Endpoint) -> Value {
    json!({
        "id": endpoint.id,
        "object": "webhook_endpoint",
        "api_version": null,
        "application": null,
        "created": now(),
        "description": null,
        "enabled_events": endpoint.enabled_events,
        "livemode": false,
        "metadata": {},
        "status": "enabled",
        "url": endpoint.url,
    })
}
