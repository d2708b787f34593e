//! What a buyer is told about a Checkout Session, read from the database.

use sea_orm::{
    ConnAcquireErr, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, JoinType, QueryFilter,
    QuerySelect, RelationTrait,
};
use shared::{
    db::{
        self, booking,
        checkout::{self, State},
        offering, payment, slot,
    },
    line_item::LineItems,
    stripe::id::CheckoutSessionId,
};
use time::{Duration, OffsetDateTime};

use crate::{
    confirm::answer::{Booking, Ordered, Payment, PaymentStatus},
    wish::is_booked_by_another,
};

/// As the worker says it while the money is on its way.
const DUPLICATE_PAYMENT: &str = "duplicate_payment";
/// How long Stripe's word that a session is not final yet is passed on.
const FRESH: Duration = Duration::seconds(10);
/// For one query.
const READ_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

/// A checkout with what came of it: one row of one query.
#[derive(Debug, Clone, FromQueryResult)]
pub struct CheckoutView {
    pub session_id: String,
    pub client_reference: Option<String>,
    state: State,
    stripe_checked_at: Option<OffsetDateTime>,
    quantity: i32,
    amount_minor_units: i64,
    currency: String,
    offering: Option<String>,
    time_zone: Option<String>,
    line_items: Option<LineItems>,
    starts_at: Option<OffsetDateTime>,
    ends_at: Option<OffsetDateTime>,
    reference: Option<String>,
    booked_quantity: Option<i32>,
    booking_status: Option<booking::Status>,
    booking_reason: Option<String>,
    #[sea_orm(alias = "intent")]
    order_fingerprint: Option<String>,
    paid_minor_units: Option<i64>,
    refunded_minor_units: Option<i64>,
    paid_currency: Option<String>,
    payment_status: Option<payment::Status>,
}

/// Reads the checkouts of `session_ids`, in no particular order.
///
/// Fails after `READ_TIMEOUT`: many wait for it, and a connection that went dead never answers.
pub async fn read(
    conn: &impl ConnectionTrait,
    session_ids: impl IntoIterator<Item = &CheckoutSessionId>,
) -> Result<Vec<CheckoutView>, DbErr> {
    let session_ids = session_ids.into_iter().map(ToString::to_string);
    let query = checkout::Entity::find()
        .select_only()
        .columns([
            checkout::Column::SessionId,
            checkout::Column::ClientReference,
            checkout::Column::State,
            checkout::Column::StripeCheckedAt,
            checkout::Column::Quantity,
            checkout::Column::AmountMinorUnits,
            checkout::Column::Currency,
            checkout::Column::LineItems,
            checkout::Column::OrderFingerprint,
        ])
        .column_as(offering::Column::Name, "offering")
        .column(offering::Column::TimeZone)
        .columns([slot::Column::StartsAt, slot::Column::EndsAt])
        .column(booking::Column::Reference)
        .column_as(booking::Column::Quantity, "booked_quantity")
        .column_as(booking::Column::Status, "booking_status")
        .column_as(booking::Column::Reason, "booking_reason")
        .column_as(payment::Column::AmountMinorUnits, "paid_minor_units")
        .column_as(
            payment::Column::AmountRefundedMinorUnits,
            "refunded_minor_units",
        )
        .column_as(payment::Column::Currency, "paid_currency")
        .column_as(payment::Column::Status, "payment_status")
        .join(JoinType::LeftJoin, checkout::Relation::Slot.def())
        .join(JoinType::LeftJoin, slot::Relation::Offering.def())
        .join(JoinType::LeftJoin, checkout::Relation::Booking.def())
        .join(JoinType::LeftJoin, checkout::Relation::Payment.def())
        .filter(db::one_of(
            conn.get_database_backend(),
            checkout::Column::SessionId,
            session_ids,
        ))
        .into_model::<CheckoutView>();
    let read = async {
        let mut views = query.all(conn).await?;
        for view in &mut views {
            if let Some(wish) = view.wish_that_went_back()
                && is_booked_by_another(conn, wish, &view.session_id).await?
            {
                view.booking_reason = Some(DUPLICATE_PAYMENT.to_owned());
            }
        }
        Ok(views)
    };
    tokio::time::timeout(READ_TIMEOUT, read)
        .await
        .unwrap_or(Err(DbErr::ConnectionAcquire(ConnAcquireErr::Timeout)))
}

impl CheckoutView {
    /// Once the money is back, the booking does not say why any more.
    fn wish_that_went_back(&self) -> Option<&str> {
        let went_back = self.booking_status == Some(booking::Status::Cancelled);
        let wish = self.order_fingerprint.as_deref();
        wish.filter(|_| went_back && self.booking_reason.is_none())
    }

    /// What is known, or [`PaymentStatus::Processing`] if Stripe has to be asked.
    pub fn status(&self, now: OffsetDateTime) -> PaymentStatus {
        let fresh = self
            .stripe_checked_at
            .is_some_and(|at| at > now.saturating_sub(FRESH));
        match self.state {
            State::Paid => match self.booking_status {
                Some(booking::Status::Confirmed) | None => PaymentStatus::Confirmed,
                Some(booking::Status::RefundPending) => PaymentStatus::RefundPending,
                Some(booking::Status::NeedsAttention) => PaymentStatus::NeedsAttention,
                Some(booking::Status::Cancelled) if self.was_ended() => PaymentStatus::Cancelled,
                Some(booking::Status::Cancelled) => PaymentStatus::Refunded,
            },
            State::Expired | State::Abandoned => PaymentStatus::Expired,
            State::PaymentFailed => PaymentStatus::PaymentFailed,
            State::Open if fresh => PaymentStatus::AwaitingPayment,
            State::PaymentPending if fresh => PaymentStatus::PaymentPending,
            State::Open | State::PaymentPending => PaymentStatus::Processing,
        }
    }

    /// By a person, whatever went back of the payment.
    fn was_ended(&self) -> bool {
        let reason = self.booking_reason.as_deref();
        reason.is_some_and(|it| booking::ENDS.contains(&it))
    }

    fn sold(&self) -> String {
        let items = || self.line_items.as_ref().map(LineItems::names);
        self.offering.clone().or_else(items).unwrap_or_default()
    }

    pub fn order(&self) -> Ordered {
        Ordered {
            offering: self.sold(),
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            time_zone: self.time_zone.clone(),
            quantity: self.quantity,
            amount_total: self.amount_minor_units,
            currency: self.currency.clone(),
        }
    }

    pub fn booking(&self) -> Option<Booking> {
        Some(Booking {
            reference: self.reference.clone()?,
            offering: self.sold(),
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            time_zone: self.time_zone.clone(),
            quantity: self.booked_quantity?,
            status: self.booking_status?.as_str(),
            reason: self.booking_reason.clone(),
        })
    }

    pub fn payment(&self) -> Option<Payment> {
        Some(Payment {
            amount_total: self.paid_minor_units?,
            amount_refunded: self.refunded_minor_units?,
            currency: self.paid_currency.clone()?,
            status: self.payment_status?.as_str(),
        })
    }
}
