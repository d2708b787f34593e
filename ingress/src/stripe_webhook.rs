//! `POST /api/payment/webhook`

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, StatusCode},
};
use serde::{Serialize, de::Error};
use shared::{failpoint, message::Envelope, metrics, queue::Lane, traceparent::Traceparent};
use utoipa::ToSchema;

use crate::{
    Ingress,
    error::ApiError,
    problem::Problem,
    stripe_event::Event,
    stripe_signature::{self, SignatureError},
};

/// The answer to an event that is safe with us.
#[derive(Debug, Serialize, ToSchema)]
pub struct Received {
    received: bool,
}

/// Takes an event from Stripe.
///
/// Answers 200 only once the queue has the event durably, or for an authentic event that
/// is not for us. After any other answer Stripe delivers it again.
#[utoipa::path(
    post,
    path = "/api/payment/webhook",
    tag = "Stripe",
    request_body(content = String, description = "The event, byte for byte as Stripe signed it", content_type = "application/json"),
    params(("Stripe-Signature" = String, Header, description = "t=…,v1=…")),
    responses(
        (status = 200, description = "Stored safely, or not for us", body = Received),
        (status = 400, description = "signature_verification_failed, malformed_event", body = Problem),
        (status = 413, description = "payload_too_large", body = Problem),
        (status = 503, description = "queue_unavailable; deliver again", body = Problem),
    )
)]
pub async fn stripe_webhook(
    State(app): State<Ingress>,
    Extension(traceparent): Extension<Traceparent>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Json<Received>, ApiError> {
    let taken = take(&app, &traceparent, &headers, body).await;
    metrics::webhook(
        taken
            .as_ref()
            .map_or_else(ApiError::code, |outcome| *outcome),
    );
    taken.map(|_| Json(Received { received: true }))
}

/// Returns the word for metrics.
async fn take(
    app: &Ingress,
    traceparent: &Traceparent,
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<&'static str, ApiError> {
    let body = body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::PayloadTooLarge,
        _ => ApiError::MalformedRequest,
    })?;
    let header = signature_header(headers)?;
    let now = (app.clock)();
    let secrets = app.config.endpoint_secrets.expose();
    stripe_signature::verify(&body, header, secrets, now.unix_timestamp())?;

    let event: Event = serde_json::from_slice(&body).map_err(ApiError::MalformedEvent)?;
    if let Some(reason) = event.ignored(app.config.stripe.mode.livemode()) {
        tracing::info!(event.id, event.type = event.kind, reason = reason.code(), "Event ignored");
        return Ok(reason.code());
    }
    if !event.has_plausible_id() {
        let problem = serde_json::Error::custom("its id is none of Stripe's");
        return Err(ApiError::MalformedEvent(problem));
    }
    let message = Envelope::stripe_event(&event.id, body, now, traceparent);
    failpoint::crash_at("webhook_before_publish");
    app.publisher.publish(Lane::Events, &message).await?;
    failpoint::crash_at("webhook_after_publish");
    tracing::debug!(event.id, event.type = event.kind, "Event queued");
    Ok("queued")
}

fn signature_header(headers: &HeaderMap) -> Result<&str, SignatureError> {
    let mut values = headers.get_all("Stripe-Signature").iter();
    let value = values.next().ok_or(SignatureError::NotSigned)?;
    if values.next().is_some() {
        return Err(SignatureError::InvalidHeader);
    }
    value.to_str().map_err(|_| SignatureError::InvalidHeader)
}
