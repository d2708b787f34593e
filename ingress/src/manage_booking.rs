//! `POST /api/booking` and `POST /api/booking/cancel`: what a buyer sees of a booking and can do about it,
//! with the link from the mail or the e-mail address it was booked with.

use axum::{Extension, Json, extract::State, http::StatusCode};
use serde::{Deserialize, Serialize};
use shared::{message::Envelope, queue::Lane, traceparent::Traceparent};
use utoipa::ToSchema;

use crate::{
    Ingress,
    confirm::answer::{Booking, Payment, PaymentStatus},
    http::{error::ApiError, problem::Problem, request_json::RequestJson},
    order::whole_number,
    own_booking::{Cancellation, OwnBooking},
};

/// A booking, and what shows that it is the asker's: the token of the link in a mail, or the e-mail address
/// that it was booked with.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BookingQuery {
    #[schema(example = "7K3FQ-2XM9D", pattern = "^[0-9A-Za-z -]{1,32}$")]
    reference: String,
    /// From the link in a mail: what stands behind the point.
    #[serde(default)]
    #[schema(pattern = "^[0-9a-f]{32}$")]
    token: Option<String>,
    /// Without a token: the address that it was booked with.
    #[serde(default)]
    #[schema(example = "ada@example.com", max_length = 254)]
    email: Option<String>,
}

/// A booking, and what can be done about it.
#[derive(Debug, Serialize, ToSchema)]
pub struct ManagedBooking {
    status: PaymentStatus,
    booking: Booking,
    payment: Option<Payment>,
    /// Whether the buyer can cancel, and what comes back then. Only with a `token`.
    #[serde(skip_serializing_if = "Option::is_none")]
    cancellation: Option<Cancellation>,
}

/// Which booking to cancel.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelBooking {
    #[schema(example = "7K3FQ-2XM9D", pattern = "^[0-9A-Za-z -]{1,32}$")]
    reference: String,
    /// From the link in a mail.
    #[schema(pattern = "^[0-9a-f]{32}$")]
    token: String,
    /// What the buyer was told comes back, in the currency's minor unit: if it is less by now, nothing is
    /// cancelled. Without it, they get what comes back now.
    #[serde(default, deserialize_with = "whole_number::optional")]
    #[schema(example = 4900, minimum = 0, maximum = 999_999_999_999_i64)]
    refund_amount: Option<i64>,
}

/// Cancelling goes on its way; ask for the booking again.
#[derive(Debug, Serialize, ToSchema)]
pub struct CancellationAccepted {
    #[schema(example = "processing")]
    status: &'static str,
}

/// Shows a booking to who has the link from the mail, or knows the e-mail address it was booked with.
#[utoipa::path(
    post,
    path = "/api/booking",
    tag = "Shop",
    request_body = BookingQuery,
    responses(
        (status = 200, description = "The booking", body = ManagedBooking),
        (status = 400, description = "malformed_request", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "booking_not_found: none, or not theirs", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "request_timed_out", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "payload_too_large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "unsupported_media_type", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "database_unavailable", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn show_booking(
    State(app): State<Ingress>,
    RequestJson(query): RequestJson<BookingQuery>,
) -> Result<Json<ManagedBooking>, ApiError> {
    let found = OwnBooking::by_reference(&app, &query.reference).await?;
    let by_link = query
        .token
        .as_ref()
        .is_some_and(|it| found.is_linked(&app, it));
    let by_email = query
        .email
        .as_ref()
        .is_some_and(|it| found.is_booked_by(it));
    if !by_link && !by_email {
        return Err(ApiError::BookingNotFound);
    }
    let cancellation = if by_link {
        found.cancellation(&app).await?
    } else {
        None
    };
    let view = found.view(&app).await?;
    let booking = view.booking().ok_or(ApiError::BookingNotFound)?;
    Ok(Json(ManagedBooking {
        status: view.status((app.clock)()),
        booking,
        payment: view.payment(),
        cancellation,
    }))
}

/// Cancels a booking, by the policy of what is booked.
///
/// A worker does it; this answers as soon as it is on its way. Asking twice changes nothing.
#[utoipa::path(
    post,
    path = "/api/booking/cancel",
    tag = "Shop",
    request_body = CancelBooking,
    responses(
        (status = 202, description = "It is on its way", body = CancellationAccepted),
        (status = 400, description = "malformed_request", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "booking_not_found: none, or not theirs", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "cancellation_closed, cancellation_changed", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "request_timed_out", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "payload_too_large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "unsupported_media_type", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "database_unavailable, queue_unavailable", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn cancel_booking(
    State(app): State<Ingress>,
    Extension(traceparent): Extension<Traceparent>,
    RequestJson(request): RequestJson<CancelBooking>,
) -> Result<(StatusCode, Json<CancellationAccepted>), ApiError> {
    let found = OwnBooking::by_reference(&app, &request.reference).await?;
    if !found.is_linked(&app, &request.token) {
        return Err(ApiError::BookingNotFound);
    }
    let offered = found.cancellation(&app).await?;
    let offered = offered.ok_or(ApiError::CancellationClosed)?;
    let told = request.refund_amount;
    if told.is_some_and(|told| offered.refund_amount < told) {
        return Err(ApiError::CancellationChanged);
    }
    let secrets = &app.config.link_secrets;
    let wish = secrets.cancellation(found.booking.id, offered.refund_amount);
    let wish = wish.ok_or(ApiError::CancellationClosed)?;
    let message = Envelope::booking_cancel(&wish, (app.clock)(), &traceparent);
    // It waits for nothing but the database, unlike what asks Stripe.
    app.publisher.publish(Lane::Events, &message).await?;
    let status = "processing";
    Ok((StatusCode::ACCEPTED, Json(CancellationAccepted { status })))
}
