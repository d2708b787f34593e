//! `POST /api/checkout-sessions`

use axum::{
    Json,
    extract::State as AppState,
    http::{HeaderMap, StatusCode},
};

use crate::{
    Ingress,
    create_checkout_session::{CreatedCheckoutSession, answer},
    http::{error::ApiError, from_site::FromSite, problem::Problem, request_json::RequestJson},
    idempotency_key::idempotency_key,
    site_order::SiteOrder,
};

/// Opens a Checkout Session that your site prices itself.
///
/// For servers: it takes one of the keys in `SITE_API_KEYS`, and pages of other origins cannot call it.
/// What is held is a slot of ours, a resource of yours for a time, or nothing; everything after that
/// is the same as for `POST /api/create-checkout-session`, `Idempotency-Key` included.
#[utoipa::path(
    post,
    path = "/api/checkout-sessions",
    tag = "Site",
    request_body = SiteOrder,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable ASCII characters", pattern = "^[ -~]{1,255}$")),
    security(("site_key" = [])),
    responses(
        (status = 201, description = "What is held is held until expires_at", body = CreatedCheckoutSession),
        (status = 400, description = "malformed_request, malformed_idempotency_key", body = Problem, content_type = "application/problem+json"),
        (status = 401, description = "invalid_api_key", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "slot_not_found; site_api_off while SITE_API_KEYS is not set", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "slot_full, slot_closed, offering_unavailable, checkout_completed, checkout_conflict", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "request_timed_out", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "payload_too_large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "unsupported_media_type", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "validation_failed, idempotency_key_reused", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "stripe_unavailable, stripe_refused; no more is held than before", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "database_unavailable", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn create_site_checkout(
    _: FromSite,
    AppState(app): AppState<Ingress>,
    headers: HeaderMap,
    RequestJson(order): RequestJson<SiteOrder>,
) -> Result<(StatusCode, Json<CreatedCheckoutSession>), ApiError> {
    let idempotency_key = idempotency_key(&headers)?;
    let now = (app.clock)();
    let hold = order.into_hold(idempotency_key, now, &app.config)?;
    answer(app, hold, now).await
}
