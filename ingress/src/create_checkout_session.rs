//! `POST /api/create-checkout-session`

use std::{net::SocketAddr, num::NonZeroU32};

use axum::{
    Extension, Json,
    extract::{ConnectInfo, State as AppState},
    http::{HeaderMap, StatusCode},
};
use serde::Serialize;
use shared::{db::checkout, service::failpoint, stripe::client::NewCheckoutSession};
use time::OffsetDateTime;
use tracing::Instrument;
use utoipa::ToSchema;

use crate::{
    Ingress,
    hold::NewHold,
    hold_seats::{self, idempotency::earlier, session},
    http::{client_address::client, error::ApiError, problem::Problem, request_json::RequestJson},
    idempotency_key::idempotency_key,
    order::{Order, locale, session_life::SHORTEST_SESSION},
    refusal, replace_session,
};

/// Where the buyer pays.
#[derive(Debug, Serialize, ToSchema)]
pub struct CreatedCheckoutSession {
    /// `cs_…`, for confirm.
    session_id: String,
    /// Send the buyer there.
    checkout_url: String,
    /// Until then the seats are held.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// What it costs, in the currency's minor unit; on Stripe's page discounts are taken off and
    /// taxes added, where there are any.
    amount_total: i64,
    /// ISO 4217, lower case.
    currency: String,
}

/// Holds seats and opens a Checkout Session for them.
///
/// The same `Idempotency-Key` with the same body answers with the same session for as long as
/// it can be paid. Once it is paid the answer is `checkout_completed`; once it has expired, seats
/// are held anew.
#[utoipa::path(
    post,
    path = "/api/create-checkout-session",
    tag = "Shop",
    request_body = Order,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable ASCII characters", pattern = "^[ -~]{1,255}$")),
    responses(
        (status = 201, description = "Seats are held until expires_at", body = CreatedCheckoutSession),
        (status = 400, description = "malformed_request, malformed_idempotency_key", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "slot_not_found", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "slot_full, slot_closed, offering_unavailable, checkout_completed, checkout_conflict", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "request_timed_out", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "payload_too_large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "unsupported_media_type", body = Problem, content_type = "application/problem+json"),
        (status = 422, description = "validation_failed, idempotency_key_reused", body = Problem, content_type = "application/problem+json"),
        (status = 429, description = "too_many_orders; Retry-After says when to order again", body = Problem, content_type = "application/problem+json"),
        (status = 502, description = "stripe_unavailable, stripe_refused; no more seats are held than before", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "database_unavailable", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn create_checkout_session(
    AppState(app): AppState<Ingress>,
    Extension(ConnectInfo(peer)): Extension<ConnectInfo<SocketAddr>>,
    headers: HeaderMap,
    RequestJson(order): RequestJson<Order>,
) -> Result<(StatusCode, Json<CreatedCheckoutSession>), ApiError> {
    let idempotency_key = idempotency_key(&headers)?;
    let now = (app.clock)();
    let mut hold = order.into_hold(idempotency_key, now, &app.config)?;
    hold.locale = hold.locale.or_else(|| locale::accepted(&headers));
    let client = client(peer.ip(), &headers, &app.config.trusted_proxies);
    let seats = u32::try_from(hold.quantity).ok().and_then(NonZeroU32::new);
    app.order_limit
        .admit(client, seats.unwrap_or(NonZeroU32::MIN))
        .map_err(ApiError::TooManyOrders)?;
    hold.holder = Some(app.hold_limit.holder(client));
    answer(app, hold, now).await
}

/// Makes the hold and its session, for an order of either endpoint.
pub async fn answer(
    app: Ingress,
    hold: NewHold,
    now: OffsetDateTime,
) -> Result<(StatusCode, Json<CreatedCheckoutSession>), ApiError> {
    // A task of its own: a buyer who closes the page in the middle must not leave a hold behind
    // that has no session to end it.
    let created = tokio::spawn(create(app, hold, now).in_current_span()).await;
    let created = created.unwrap_or(Err(ApiError::Panicked))?;
    Ok((StatusCode::CREATED, Json(created)))
}

async fn create(
    app: Ingress,
    hold: NewHold,
    now: OffsetDateTime,
) -> Result<CreatedCheckoutSession, ApiError> {
    let mut is_counted = false;
    // A hold that is there already took the other's place when it was made.
    if let Some(replaced) = &hold.replaces
        && earlier(&app.db, &hold, now).await?.is_none()
        && replace_session::needs_to_end(&app, replaced, &hold, now).await?
    {
        count_session(&app, &hold)?;
        is_counted = true;
        replace_session::end(&app, &replaced.session_id).await?;
    }
    let checkout = hold_seats::hold_seats(&app.db, &hold, now).await?;
    let has_session = checkout.session_id.is_some() && checkout.checkout_url.is_some();
    let checkout = if has_session {
        checkout
    } else {
        if !is_counted && let Err(error) = count_session(&app, &hold) {
            // Another request with the same key may be at Stripe for a hold that is not this one's.
            if checkout.id == hold.id {
                session::give_back(&app.db, checkout.id).await?;
            }
            return Err(error);
        }
        open_session(&app, checkout, hold).await?
    };
    let (Some(session_id), Some(checkout_url)) = (checkout.session_id, checkout.checkout_url)
    else {
        return Err(ApiError::CheckoutConflict);
    };
    Ok(CreatedCheckoutSession {
        session_id,
        checkout_url,
        expires_at: checkout.expires_at,
        amount_total: checkout.amount_minor_units,
        currency: checkout.currency,
    })
}

/// Those of a site are its own affair.
fn count_session(app: &Ingress, hold: &NewHold) -> Result<(), ApiError> {
    match &hold.holder {
        Some(_) => app.session_limit.admit().map_err(ApiError::TooManyOrders),
        None => Ok(()),
    }
}

/// Asks Stripe for the session of a hold that is committed by now. Without a session the
/// hold has no purpose and is given back.
async fn open_session(
    app: &Ingress,
    checkout: checkout::Model,
    hold: NewHold,
) -> Result<checkout::Model, ApiError> {
    // The hold's prices, which are what has to be paid; the offering's may be another by now. An
    // earlier release made it if there are none.
    let line_items = checkout.line_items.ok_or(ApiError::CheckoutConflict)?.0;
    let ours = &app.config.public_url;
    let new = NewCheckoutSession {
        checkout_id: checkout.id,
        slot_id: checkout.slot_id,
        quantity: checkout.quantity,
        line_items,
        currency: checkout.currency,
        options: hold.options.clone(),
        client_reference: checkout.client_reference,
        metadata: serde_json::from_value(checkout.metadata.unwrap_or_default()).unwrap_or_default(),
        customer_email: checkout.customer_email,
        // Later than the end of the hold, if the slot begins before a session can end.
        expires_at: checkout
            .expires_at
            .max(checkout.created_at.saturating_add(SHORTEST_SESSION)),
        success_url: hold.success_url.unwrap_or_else(|| {
            format!("{ours}/payment-success?session_id={{CHECKOUT_SESSION_ID}}")
        }),
        cancel_url: hold
            .cancel_url
            .unwrap_or_else(|| format!("{ours}/payment-cancelled")),
    };
    match app.stripe.create_checkout_session(&new).await {
        Ok(session) => {
            failpoint::crash_at("hold_after_session");
            tracing::info!(checkout.id = %checkout.id, checkout_session.id = %session.id, "Seats held");
            session::attach_session(&app.db, checkout.id, &session).await
        }
        Err(error) => {
            // Another request with the same Idempotency-Key may have been answered.
            if let Some(checkout) = session::give_back(&app.db, checkout.id).await? {
                return Ok(checkout);
            }
            let own_options = hold.options != app.config.checkout_options;
            let (pricing, slot_id) = (&hold.pricing, checkout.slot_id);
            Err(refusal::of_session(error, pricing, slot_id, own_options))
        }
    }
}
