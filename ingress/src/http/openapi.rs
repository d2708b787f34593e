//! `GET /api/openapi.json`: the contract of the public API, written from the code.

use axum::Json;
use utoipa::OpenApi;

use crate::{confirm_payment, create_checkout_session, offerings, stripe_webhook};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Bookonce",
        description = "Every paid Stripe Checkout becomes exactly one booking and one payment. \
                       Amounts are integers in the currency's minor unit, times are RFC 3339 in \
                       UTC, errors are application/problem+json with a stable code.",
    ),
    paths(
        offerings::offerings,
        offerings::more_slots,
        create_checkout_session::create_checkout_session,
        confirm_payment::confirm_payment,
        stripe_webhook::stripe_webhook,
    )
)]
struct Document;

/// The OpenAPI document.
pub async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}
