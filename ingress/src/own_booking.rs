//! A booking as its buyer may see it, and what they can do about it.

use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter};
use serde::Serialize;
use shared::{
    cancellation,
    db::{
        booking::{self, Status},
        checkout, offering, payment, refund, slot,
    },
    stripe::id::CheckoutSessionId,
};
use time::OffsetDateTime;
use utoipa::ToSchema;

use crate::{Ingress, confirm::checkout_view::CheckoutView, http::error::ApiError};

/// Longer ones are none of ours.
const LONGEST: usize = 32;

/// What comes back to who cancels now.
#[derive(Debug, Serialize, ToSchema)]
pub struct Cancellation {
    /// In the currency's minor unit.
    #[schema(example = 4900)]
    pub refund_amount: i64,
    /// ISO 4217, lower case.
    #[schema(example = "eur")]
    pub currency: String,
    /// Until then all of it comes back; absent once that is over.
    #[serde(
        with = "time::serde::rfc3339::option",
        skip_serializing_if = "Option::is_none"
    )]
    pub free_until: Option<OffsetDateTime>,
}

/// A booking with its order.
pub struct OwnBooking {
    pub booking: booking::Model,
    checkout: checkout::Model,
}

impl OwnBooking {
    /// The booking with this reference. The caller checks whether it may be shown.
    pub async fn by_reference(app: &Ingress, reference: &str) -> Result<Self, ApiError> {
        let reference = booking::reference_of(reference);
        let is_of_one = |it: u8| it.is_ascii_alphanumeric() || it == b'-';
        if reference.len() > LONGEST || !reference.bytes().all(is_of_one) {
            return Err(ApiError::BookingNotFound);
        }
        let found = booking::Entity::find()
            .find_also_related(checkout::Entity)
            .filter(booking::Column::Reference.eq(reference))
            .one(&app.db)
            .await?;
        match found {
            Some((booking, Some(checkout))) => Ok(Self { booking, checkout }),
            _ => Err(ApiError::BookingNotFound),
        }
    }

    /// Whether `token` comes from a mail about it.
    pub fn is_linked(&self, app: &Ingress, token: &str) -> bool {
        app.config.link_secrets.verify(self.booking.id, token)
    }

    /// Whether it was booked with the address. One who was forgotten has none.
    pub fn is_booked_by(&self, email: &str) -> bool {
        let (given, known) = (email.trim(), &self.checkout.customer_email);
        !known.is_empty() && given.eq_ignore_ascii_case(known)
    }

    /// As confirm shows it.
    pub async fn view(&self, app: &Ingress) -> Result<CheckoutView, ApiError> {
        let id = self.checkout.session_id.as_deref();
        let id: Option<CheckoutSessionId> = id.and_then(|it| it.parse().ok());
        let id = id.ok_or(ApiError::BookingNotFound)?;
        app.reads.read(&id).await?.ok_or(ApiError::BookingNotFound)
    }

    /// What comes back now, if it can be cancelled by the buyer.
    pub async fn cancellation(&self, app: &Ingress) -> Result<Option<Cancellation>, DbErr> {
        let Some(slot_id) = self.booking.slot_id else {
            return Ok(None);
        };
        if self.booking.status != Status::Confirmed {
            return Ok(None);
        }
        let slot = slot::Entity::find_by_id(slot_id)
            .find_also_related(offering::Entity)
            .one(&app.db)
            .await?;
        let Some((slot, Some(offering))) = slot else {
            return Ok(None);
        };
        let Some(left) = self.left(app).await? else {
            return Ok(None);
        };
        let now = (app.clock)();
        let refund = cancellation::refund(&offering, &slot, left, now);
        Ok(refund.map(|refund_amount| Cancellation {
            refund_amount,
            currency: self.checkout.currency.clone(),
            free_until: cancellation::free_until(&offering, &slot).filter(|it| *it >= now),
        }))
    }

    /// What has not gone back yet, if that is plain: what a bank or a refund on its way has still to say
    /// makes it the shop's to decide.
    async fn left(&self, app: &Ingress) -> Result<Option<i64>, DbErr> {
        let id = self.checkout.id;
        let payment = payment::Entity::find().filter(payment::Column::CheckoutId.eq(id));
        let Some(payment) = payment.one(&app.db).await? else {
            return Ok(Some(0));
        };
        let refunds = refund::Entity::find().filter(refund::Column::CheckoutId.eq(id));
        let refunds = refunds.all(&app.db).await?;
        let is_plain = payment.dispute_status.is_none()
            && payment.currency == self.checkout.currency
            && !refunds.iter().any(|it| it.status.is_on_its_way());
        let left = payment
            .amount_minor_units
            .saturating_sub(payment.amount_refunded_minor_units);
        Ok(is_plain.then_some(left.max(0)))
    }
}
