//! `GET /api/booking/calendar`: what is booked, for the buyer's calendar.

use axum::{
    extract::{Query, State, rejection::QueryRejection},
    http::header,
    response::{IntoResponse, Response},
};
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QuerySelect};
use serde::Deserialize;
use shared::{
    calendar::{self, Entry},
    db::{
        booking::{self, Status},
        checkout, offering, outbox, slot,
    },
    line_item::LineItems,
    stripe::id::CheckoutSessionId,
};
use url::Url;
use utoipa::IntoParams;
use uuid::Uuid;

use crate::{
    Ingress,
    http::{error::ApiError, problem::Problem},
};

/// Whose booking.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OfSession {
    /// `cs_…`, as the page has it that Stripe sends the buyer to.
    #[param(
        example = "cs_test_a1B2c3D4e5",
        pattern = "^cs_(test|live)_[A-Za-z0-9]{10,230}$"
    )]
    session_id: String,
}

/// A file with the booking as one entry.
///
/// It is the same entry as in the mails: a calendar that has it from there does not have it twice.
#[utoipa::path(
    get,
    path = "/api/booking/calendar",
    tag = "Shop",
    params(OfSession),
    responses(
        (status = 200, description = "iCalendar", body = String, content_type = "text/calendar"),
        (status = 400, description = "malformed_session_id", body = Problem, content_type = "application/problem+json"),
        (status = 404, description = "booking_not_found: nothing is booked, or it has no time", body = Problem, content_type = "application/problem+json"),
        (status = 503, description = "database_unavailable", body = Problem, content_type = "application/problem+json"),
    )
)]
pub async fn booking_calendar(
    State(app): State<Ingress>,
    session: Result<Query<OfSession>, QueryRejection>,
) -> Result<Response, ApiError> {
    let Query(OfSession { session_id }) = session.map_err(|_| ApiError::MalformedSessionId)?;
    let id: CheckoutSessionId = session_id
        .parse()
        .map_err(|_| ApiError::MalformedSessionId)?;
    let file = file(&app, &id).await?;
    let file = file.ok_or(ApiError::BookingNotFound)?;
    let headers = [
        (header::CONTENT_TYPE, "text/calendar; charset=utf-8"),
        (
            header::CONTENT_DISPOSITION,
            "attachment; filename=\"booking.ics\"",
        ),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, file).into_response())
}

async fn file(app: &Ingress, id: &CheckoutSessionId) -> Result<Option<String>, DbErr> {
    let found = booking::Entity::find()
        .find_also_related(checkout::Entity)
        .filter(checkout::Column::SessionId.eq(id.as_str()))
        .one(&app.db)
        .await?;
    let Some((booking, Some(checkout))) = found else {
        return Ok(None);
    };
    let slot_id = booking
        .slot_id
        .filter(|_| booking.status == Status::Confirmed);
    let Some(slot_id) = slot_id else {
        return Ok(None);
    };
    let slot = slot::Entity::find_by_id(slot_id)
        .find_also_related(offering::Entity)
        .one(&app.db)
        .await?;
    let Some((slot, offering)) = slot else {
        return Ok(None);
    };
    let items = || checkout.line_items.as_ref().map(LineItems::names);
    let name = offering.as_ref().map(|it| it.name.clone()).or_else(items);
    let public_url = &app.config.public_url;
    let host = Url::parse(public_url).ok();
    let host = host.as_ref().and_then(Url::host_str);
    let url = format!("{public_url}/payment-success?session_id={id}");
    let entry = Entry {
        booking_id: booking.id,
        host: host.unwrap_or_default(),
        sequence: sequence(app, checkout.id).await?,
        stamp: (app.clock)(),
        starts_at: slot.starts_at,
        ends_at: slot.ends_at,
        summary: &name.unwrap_or_default(),
        description: &booking.reference,
        location: offering.as_ref().and_then(|it| it.location.as_deref()),
        url: Some(&url),
    };
    let file = |event| calendar::calendar().push(event).to_string();
    Ok(entry.event().map(file))
}

/// That of the mail which said it last.
async fn sequence(app: &Ingress, checkout_id: Uuid) -> Result<i32, DbErr> {
    let last: Option<Option<i32>> = outbox::Entity::find()
        .select_only()
        .column_as(outbox::Column::Sequence.max(), "last")
        .filter(outbox::Column::CheckoutId.eq(checkout_id))
        .into_tuple()
        .one(&app.db)
        .await?;
    Ok(last.flatten().unwrap_or_default())
}
