//! `POST /api/payment/webhook`

use std::{
    net::{IpAddr, SocketAddr},
    num::NonZeroU32,
    time::Duration,
};

use axum::{
    Extension, Json,
    body::Bytes,
    extract::{ConnectInfo, State},
    http::HeaderMap,
};
use serde::Serialize;
use shared::{
    db::ignored_event,
    message::Envelope,
    queue::Lane,
    service::{failpoint, metrics},
    stripe::{
        event::EventHeader,
        signature::{self, SignatureError},
    },
    traceparent::Traceparent,
    unreadable::Unreadable,
};
use utoipa::ToSchema;

use crate::{
    Ingress,
    http::{
        client_address::{Client, client},
        error::ApiError,
        problem::Problem,
        whole_body::WholeBody,
    },
    ignored_event::Ignored,
    likely_cause::{Posted, why},
    webhook_notes::Refused,
};

/// For the note about an event that is left out.
const NOTE_TIMEOUT: Duration = Duration::from_secs(1);

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
    params(("Stripe-Signature" = String, Header, description = "t=…,v1=…", pattern = "^t=[0-9]+(,v[0-9]+=[0-9a-f]+)+$")),
    responses(
        (status = 200, description = "Stored safely, or not for us", body = Received),
        (status = 400, description = "signature_verification_failed, malformed_event", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "request_timed_out", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "payload_too_large", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "too_many_bad_signatures of one client; what one of our secrets proves is taken all the same", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "queue_unavailable; deliver again", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn stripe_webhook(
    State(app): State<Ingress>,
    Extension(traceparent): Extension<Traceparent>,
    Extension(ConnectInfo(peer)): Extension<ConnectInfo<SocketAddr>>,
    headers: HeaderMap,
    body: Result<WholeBody, ApiError>,
) -> Result<Json<Received>, ApiError> {
    let signature = signature_header(&headers);
    let (body, taken) = match body {
        Ok(WholeBody(body)) => {
            let taken = take(&app, &traceparent, &signature, &body).await;
            (Some(body), taken)
        }
        Err(error) => (None, Err(error)),
    };
    let taken = taken.map_err(|error| {
        let client = client(peer.ip(), &headers, &app.config.trusted_proxies).address();
        let posted = Posted {
            body: body.as_deref().unwrap_or_default(),
            from_here: client.is_none() && !headers.contains_key("X-Forwarded-For"),
        };
        let bytes = body.as_ref().map(Bytes::len);
        let header = signature.as_deref().ok();
        refuse(&app, error, client, posted, bytes, header)
    });
    metrics::webhook(
        taken
            .as_ref()
            .map_or_else(ApiError::code, |outcome| *outcome),
    );
    taken.map(|_| Json(Received { received: true }))
}

/// Notes why, as often as that client may have us look; one that cannot be told from others always.
///
/// Returns what it is told.
fn refuse(
    app: &Ingress,
    error: ApiError,
    client: Option<IpAddr>,
    posted: Posted<'_>,
    bytes: Option<usize>,
    header: Option<&str>,
) -> ApiError {
    if error.is_bad_signature()
        && let Some(client) = client
        && let Err(wait) = app
            .bad_signature_limit
            .admit(Client::At(client), NonZeroU32::MIN)
    {
        let error = ApiError::TooManyBadSignatures(wait);
        app.notes.log(error.code());
        return error;
    }
    if let Some((reason, cause)) = why(&error, posted, app.config.stripe.mode.livemode()) {
        let refused = Refused {
            reason,
            cause,
            client,
            bytes,
            header,
        };
        app.notes.refused(&app.db, &refused, (app.clock)());
    }
    error
}

/// Returns the word for metrics.
async fn take(
    app: &Ingress,
    traceparent: &Traceparent,
    signature: &Result<String, SignatureError>,
    body: &Bytes,
) -> Result<&'static str, ApiError> {
    let signature = signature.as_ref().map_err(|error| *error)?;
    let now = (app.clock)();
    let secrets = app.config.endpoint_secrets.expose();
    let signed = signature::verify(body, signature, secrets, now.unix_timestamp())?;
    app.notes.proved(&app.db, signed.secret, now);

    let event: EventHeader =
        serde_json::from_slice(body).map_err(|error| ApiError::MalformedEvent(error.into()))?;
    if !event.has_plausible_id() {
        let problem = Unreadable::Because("its id is none of Stripe's");
        return Err(ApiError::MalformedEvent(problem));
    }
    if let Some(reason) = Ignored::reason(&event, app.config.stripe.mode.livemode()) {
        note_ignored(app, &event, reason).await;
        return Ok(reason.code());
    }
    let message = Envelope::stripe_event(&event.id, body.clone(), signature, now, traceparent);
    failpoint::crash_at("webhook_before_publish");
    app.publisher.publish(Lane::Events, &message).await?;
    failpoint::crash_at("webhook_after_publish");
    tracing::debug!(event.id, event.type = event.kind, "Event queued");
    Ok("queued")
}

/// An event of a type we act on is not forgotten without a word: `worker doctor` tells of it.
async fn note_ignored(app: &Ingress, event: &EventHeader, reason: Ignored) {
    let (code, now) = (reason.code(), (app.clock)());
    if reason.is_of_a_handled_type() {
        tracing::warn!(event.id, event.type = event.kind, reason = code, "Event left out");
        let noted = ignored_event::count(&app.db, code, &event.id, now);
        // Stripe waits, and the metric counts as well.
        if !matches!(tokio::time::timeout(NOTE_TIMEOUT, noted).await, Ok(Ok(()))) {
            tracing::warn!("Could not note the event that was left out");
        }
    } else {
        tracing::info!(event.id, event.type = event.kind, reason = code, "Event ignored");
    }
}

/// Some proxies make one header line of each part: together they are the header.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc9110#section-5.3>
fn signature_header(headers: &HeaderMap) -> Result<String, SignatureError> {
    let lines = headers.get_all("Stripe-Signature").iter();
    let lines: Vec<&str> = lines
        .map(|line| line.to_str().map_err(|_| SignatureError::InvalidHeader))
        .collect::<Result<_, _>>()?;
    if lines.is_empty() {
        return Err(SignatureError::NotSigned);
    }
    Ok(lines.join(","))
}
