//! `POST /api/payment/confirm`

use std::time::Duration;

use axum::{
    Extension, Json,
    extract::State,
    http::{HeaderMap, HeaderName, StatusCode, header},
    response::{IntoResponse, Response},
};
use sea_orm::{ColumnTrait, Condition, DbErr, EntityTrait, QueryFilter, sea_query::Expr};
use serde::{Deserialize, Serialize};
use shared::{
    db::{self, checkout},
    message::Envelope,
    queue::Lane,
    service::{failpoint, metrics},
    stripe::id::CheckoutSessionId,
    traceparent::Traceparent,
};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{
    Ingress,
    confirm::{
        answer::{Booking, Ordered, Payment, PaymentStatus},
        checkout_view::CheckoutView,
    },
    http::{error::ApiError, problem::Problem, request_json::RequestJson},
};

/// Polling a session puts a job on the queue at most this often.
const ENQUEUE_INTERVAL: time::Duration = time::Duration::seconds(10);
/// The longest wait a client may ask for.
const MAX_WAIT: Duration = Duration::from_secs(20);

/// Which session.
#[derive(Debug, Deserialize, ToSchema)]
pub struct ConfirmPayment {
    /// `cs_…`
    #[schema(
        example = "cs_test_a1B2c3D4e5",
        pattern = "^cs_(test|live)_[A-Za-z0-9]{10,230}$"
    )]
    pub(crate) session_id: String,
}

/// Where a session stands.
#[derive(Debug, Serialize, ToSchema)]
pub struct PaymentConfirmation {
    status: PaymentStatus,
    /// What the site calls the order, if it said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "order-1042")]
    client_reference: Option<String>,
    order: Ordered,
    /// Once it is paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    booking: Option<Booking>,
    /// Once it is paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    payment: Option<Payment>,
    /// Ask again after so many milliseconds. Without it the status is final.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
}

/// Tells whether a session is paid and booked.
///
/// Reads the database. A session without a final state is a miss: a job for the worker is
/// queued, which asks Stripe. This never creates a booking itself. It shows no name and no
/// e-mail address, because session ids travel in URLs.
#[utoipa::path(
    post,
    path = "/api/payment/confirm",
    tag = "Shop",
    request_body = ConfirmPayment,
    params(("Prefer" = Option<String>, Header, description = "wait=N: answer as soon as there is news, within N seconds (at most 20)")),
    responses(
        (status = 200, description = "What is known", body = PaymentConfirmation),
        (status = 202, description = "processing: ask again after Retry-After", body = PaymentConfirmation),
        (status = 400, description = "malformed_request, malformed_session_id", body = Problem, content_type = "application/problem+json"),
        (status = 408, description = "request_timed_out", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "payload_too_large", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "unsupported_media_type", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "session_not_found", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "database_unavailable, queue_unavailable", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn confirm_payment(
    State(app): State<Ingress>,
    Extension(traceparent): Extension<Traceparent>,
    headers: HeaderMap,
    RequestJson(request): RequestJson<ConfirmPayment>,
) -> Result<PaymentConfirmation, ApiError> {
    let id: CheckoutSessionId = request
        .session_id
        .parse()
        .map_err(|_| ApiError::MalformedSessionId)?;
    let now = (app.clock)();

    let view = app.reads.read(&id).await?;
    let view = view.ok_or(ApiError::SessionNotFound)?;
    if view.status(now) != PaymentStatus::Processing {
        return Ok(PaymentConfirmation::new(&view, now));
    }
    if claim_enqueue(&app, &id, now).await? {
        let message = Envelope::checkout_confirm(&id, now, &traceparent);
        failpoint::crash_at("confirm_before_publish");
        if let Err(error) = app.publisher.publish(Lane::Confirm, &message).await {
            release_enqueue(&app, &id).await?;
            return Err(error.into());
        }
        failpoint::crash_at("confirm_after_publish");
    }
    let wait = preferred_wait(&headers);
    let news = if wait.is_zero() {
        None
    } else {
        app.waiters.wait_for(&id, wait).await
    };
    Ok(PaymentConfirmation::new(
        news.as_ref().unwrap_or(&view),
        (app.clock)(),
    ))
}

/// Whether this request is the one that enqueues a job for the session.
async fn claim_enqueue(
    app: &Ingress,
    id: &CheckoutSessionId,
    now: OffsetDateTime,
) -> Result<bool, DbErr> {
    let column = checkout::Column::ConfirmEnqueuedAt;
    let due = Condition::any()
        .add(column.is_null())
        .add(column.lte(now.saturating_sub(ENQUEUE_INTERVAL)));
    let claimed = checkout::Entity::update_many()
        .col_expr(column, Expr::value(now))
        .filter(checkout::Column::SessionId.eq(id.as_str()))
        .filter(due)
        .exec(&db::writer(&app.db).await?)
        .await?;
    Ok(claimed.rows_affected == 1)
}

/// Lets the next request try, after a publish that failed.
async fn release_enqueue(app: &Ingress, id: &CheckoutSessionId) -> Result<(), DbErr> {
    checkout::Entity::update_many()
        .col_expr(
            checkout::Column::ConfirmEnqueuedAt,
            Expr::value(None::<OffsetDateTime>),
        )
        .filter(checkout::Column::SessionId.eq(id.as_str()))
        .exec(&db::writer(&app.db).await?)
        .await?;
    Ok(())
}

/// `Prefer: wait=N`; what cannot be read is no preference.
///
/// Source: <https://www.rfc-editor.org/rfc/rfc7240#section-4.3>
pub(crate) fn preferred_wait(headers: &HeaderMap) -> Duration {
    headers
        .get_all("Prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']))
        .filter_map(|preference| preference.trim().strip_prefix("wait="))
        .find_map(|seconds| seconds.trim_matches('"').parse().ok())
        .map_or(Duration::ZERO, |seconds| {
            Duration::from_secs(seconds).min(MAX_WAIT)
        })
}

impl PaymentConfirmation {
    fn new(view: &CheckoutView, now: OffsetDateTime) -> Self {
        let status = view.status(now);
        metrics::confirm(status.as_str());
        Self {
            status,
            client_reference: view.client_reference.clone(),
            order: view.order(),
            booking: view.booking(),
            payment: view.payment(),
            retry_after_ms: retry_after_ms(status),
        }
    }
}

impl IntoResponse for PaymentConfirmation {
    fn into_response(self) -> Response {
        const NO_STORE: (HeaderName, &str) = (header::CACHE_CONTROL, "no-store");
        match self.retry_after_ms {
            Some(ms) if self.status == PaymentStatus::Processing => {
                let retry_after = (header::RETRY_AFTER, ms.div_ceil(1000).to_string());
                (StatusCode::ACCEPTED, [NO_STORE], [retry_after], Json(self)).into_response()
            }
            _ => (StatusCode::OK, [NO_STORE], Json(self)).into_response(),
        }
    }
}

/// When asking again may bring news: soon while the worker asks Stripe, seldom while a bank
/// takes days, never once the state is final.
fn retry_after_ms(status: PaymentStatus) -> Option<u64> {
    match status {
        PaymentStatus::Processing => Some(1_000),
        PaymentStatus::AwaitingPayment => Some(5_000),
        PaymentStatus::PaymentPending | PaymentStatus::RefundPending => Some(30_000),
        PaymentStatus::Confirmed
        | PaymentStatus::PaymentFailed
        | PaymentStatus::Expired
        | PaymentStatus::Refunded
        | PaymentStatus::Cancelled
        | PaymentStatus::NeedsAttention => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_wait_is_bounded_and_lenient() {
        for (header, seconds) in [
            ("wait=5", 5),
            ("respond-async, wait=7", 7),
            ("wait=\"3\"", 3),
            ("wait=999999", 20),
            ("wait=-1", 0),
            ("wait=soon", 0),
            ("respond-async", 0),
        ] {
            let headers = HeaderMap::from_iter([(
                HeaderName::from_static("prefer"),
                header.parse().unwrap(),
            )]);

            assert_eq!(
                preferred_wait(&headers),
                Duration::from_secs(seconds),
                "{header}"
            );
        }
    }
}
