//! `POST /api/create-checkout-session`

use std::str::FromStr;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use email_address::{EmailAddress, Options};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use shared::{
    db::{checkout, offering},
    money::Amount,
    stripe_client::NewCheckoutSession,
};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    Ingress,
    error::{ApiError, FieldError, Problem},
    hold_seats::{self, NewHold},
    request_json::RequestJson,
};

/// Seats one buyer can take at once.
const MAX_QUANTITY: i64 = 20;
const MAX_NAME_CHARS: usize = 200;
const MAX_IDEMPOTENCY_KEY_BYTES: usize = 255;

/// What to book, and for whom. A price is not part of it: the shop knows its prices.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct CreateCheckoutSession {
    /// From `GET /api/offerings`.
    #[schema(required, value_type = Uuid)]
    slot_id: Option<String>,
    /// Seats, 1 to 20.
    #[schema(default = 1)]
    quantity: Option<i64>,
    #[schema(required)]
    customer: Option<Customer>,
}

/// Who books.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
pub struct Customer {
    #[schema(required, example = "Ada Lovelace")]
    name: Option<String>,
    #[schema(required, example = "ada@example.com")]
    email: Option<String>,
}

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
    /// What the buyer will pay, in the currency's minor unit.
    amount_total: i64,
    /// ISO 4217, lower case.
    currency: String,
}

/// Holds seats and opens a Checkout Session for them.
///
/// The same `Idempotency-Key` with the same body answers with the same session.
#[utoipa::path(
    post,
    path = "/api/create-checkout-session",
    tag = "Shop",
    request_body = CreateCheckoutSession,
    params(("Idempotency-Key" = Option<String>, Header, description = "1 to 255 printable ASCII characters")),
    responses(
        (status = 201, description = "Seats are held until expires_at", body = CreatedCheckoutSession),
        (status = 400, description = "malformed_request, malformed_idempotency_key", body = Problem),
        (status = 404, description = "slot_not_found", body = Problem),
        (status = 409, description = "slot_full, slot_closed, checkout_conflict", body = Problem),
        (status = 413, description = "payload_too_large", body = Problem),
        (status = 415, description = "unsupported_media_type", body = Problem),
        (status = 422, description = "validation_failed, idempotency_key_reused", body = Problem),
        (status = 502, description = "stripe_unavailable; no seats are held", body = Problem),
        (status = 503, description = "database_unavailable", body = Problem),
    )
)]
pub async fn create_checkout_session(
    State(app): State<Ingress>,
    headers: HeaderMap,
    RequestJson(request): RequestJson<CreateCheckoutSession>,
) -> Result<(StatusCode, Json<CreatedCheckoutSession>), ApiError> {
    let idempotency_key = idempotency_key(&headers)?;
    let now = (app.clock)();
    let hold = validate(request, idempotency_key, now, app.config.hold)?;

    let (checkout, offering) = hold_seats::hold_seats(&app.db, &hold, now).await?;
    let checkout = match (&checkout.session_id, &checkout.checkout_url) {
        (Some(_), Some(_)) => checkout,
        _ => open_session(&app, checkout, &offering).await?,
    };
    let (Some(session_id), Some(checkout_url)) = (checkout.session_id, checkout.checkout_url)
    else {
        return Err(ApiError::CheckoutConflict);
    };
    let created = CreatedCheckoutSession {
        session_id,
        checkout_url,
        expires_at: checkout.expires_at,
        amount_total: checkout.amount_minor_units,
        currency: checkout.currency,
    };
    Ok((StatusCode::CREATED, Json(created)))
}

/// Asks Stripe for the session of a hold that is committed by now. Without a session the
/// hold has no purpose and is given back.
async fn open_session(
    app: &Ingress,
    checkout: checkout::Model,
    offering: &offering::Model,
) -> Result<checkout::Model, ApiError> {
    let new = NewCheckoutSession {
        checkout_id: checkout.id,
        slot_id: checkout.slot_id,
        product_name: offering.name.clone(),
        unit_amount: hold_seats::unit_amount(offering)?,
        quantity: u32::try_from(checkout.quantity).unwrap_or_default(),
        customer_email: checkout.customer_email.clone(),
        expires_at: checkout.expires_at,
        success_url: format!(
            "{}/payment-success?session_id={{CHECKOUT_SESSION_ID}}",
            app.config.public_url
        ),
        cancel_url: format!("{}/payment-cancelled", app.config.public_url),
    };
    match app.stripe.create_checkout_session(&new).await {
        Ok(session) => {
            tracing::info!(checkout.id = %checkout.id, checkout_session.id = %session.id, "Seats held");
            hold_seats::attach_session(&app.db, checkout.id, &session).await
        }
        Err(error) => {
            hold_seats::give_back(&app.db, checkout.id).await?;
            Err(error.into())
        }
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let Some(value) = headers.get("Idempotency-Key") else {
        return Ok(None);
    };
    let key = value
        .to_str()
        .map_err(|_| ApiError::MalformedIdempotencyKey)?;
    let plausible = (1..=MAX_IDEMPOTENCY_KEY_BYTES).contains(&key.len())
        && key
            .bytes()
            .all(|byte| byte.is_ascii_graphic() || byte == b' ');
    if plausible {
        Ok(Some(key.to_owned()))
    } else {
        Err(ApiError::MalformedIdempotencyKey)
    }
}

/// Checks every field, so that a form can mark all that are wrong at once.
fn validate(
    request: CreateCheckoutSession,
    idempotency_key: Option<String>,
    now: OffsetDateTime,
    hold: time::Duration,
) -> Result<NewHold, ApiError> {
    let mut errors = Vec::new();
    let mut wrong = |field, message| errors.push(FieldError { field, message });

    let request_hash = request_hash(&request);
    let slot_id = request.slot_id.as_deref().map(Uuid::from_str);
    match slot_id {
        None => wrong("slot_id", "Choose a slot."),
        Some(Err(_)) => wrong("slot_id", "This is not the id of a slot."),
        Some(Ok(_)) => {}
    }
    let quantity = request.quantity.unwrap_or(1);
    if !(1..=MAX_QUANTITY).contains(&quantity) {
        wrong("quantity", "Choose 1 to 20 seats.");
    }
    let (name, email) = request
        .customer
        .map_or((None, None), |it| (it.name, it.email));
    let name = name.unwrap_or_default().trim().to_owned();
    if name.is_empty() {
        wrong("customer.name", "Tell us your name.");
    } else if name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        wrong("customer.name", "Use at most 200 characters, in one line.");
    }
    let email = email.unwrap_or_default().trim().to_owned();
    if email.is_empty() {
        wrong("customer.email", "Tell us your e-mail address.");
    } else if !is_email(&email) {
        wrong(
            "customer.email",
            "This does not look like an e-mail address.",
        );
    }

    match (errors.is_empty(), slot_id) {
        (true, Some(Ok(slot_id))) => Ok(NewHold {
            id: Uuid::now_v7(),
            slot_id,
            quantity,
            customer_name: name,
            customer_email: email,
            idempotency_key,
            request_hash,
            // One minute more than promised: Stripe refuses less than 30 minutes by its clock.
            expires_at: now
                .truncate_to_second()
                .saturating_add(hold)
                .saturating_add(time::Duration::MINUTE),
        }),
        _ => Err(ApiError::Validation(errors)),
    }
}

/// What Stripe accepts: an address of the internet, not of one machine.
fn is_email(text: &str) -> bool {
    let options = Options::default()
        .with_required_tld()
        .without_display_text()
        .without_domain_literal();
    EmailAddress::parse_with_options(text, options).is_ok()
}

/// Identifies the body that an `Idempotency-Key` was first used with, without keeping it.
fn request_hash(request: &CreateCheckoutSession) -> String {
    let canonical = serde_json::to_vec(request).unwrap_or_default();
    hex::encode(Sha256::digest(canonical))
}

impl NewHold {
    /// The price of the seats.
    pub fn total(&self, unit_amount: &Amount) -> Result<Amount, ApiError> {
        unit_amount.checked_mul(self.quantity).ok_or_else(|| {
            let message = "So many seats have no price.";
            ApiError::Validation(vec![FieldError {
                field: "quantity",
                message,
            }])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_has_a_mailbox_and_a_domain_of_the_internet() {
        for good in [
            "ada@example.com",
            "a+b@sub.example.org",
            "o'brien@example.ie",
        ] {
            assert!(is_email(good), "{good}");
        }
        for bad in [
            "ada",
            "ada@",
            "@example.com",
            "ada@localhost",
            "ada@[127.0.0.1]",
            "Ada <ada@example.com>",
            "a b@example.com",
            "ada@example.com\nbcc: x@example.com",
        ] {
            assert!(!is_email(bad), "{bad}");
        }
    }
}
