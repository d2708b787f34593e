//! Everything known about one checkout, read from the database.

use anyhow::Context as _;
use sea_orm::{
    ActiveEnum, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder,
};
use serde::Serialize;
use shared::db::{
    booking, checkout, dispute, offering, outbox, payment, refund, slot, stripe_event,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::fulfill_checkout::record::CheckoutRecord;

/// The story of one checkout. Amounts are in minor units. No name and no e-mail address: they
/// are in `checkout`, for those who may read the database.
#[derive(Debug, Serialize)]
pub struct Story {
    pub(super) checkout: Checkout,
    pub(super) booking: Option<Booking>,
    pub(super) payment: Option<Payment>,
    /// In order of arrival.
    pub(super) events: Vec<Event>,
    pub(super) refunds: Vec<Refund>,
    pub(super) disputes: Vec<Dispute>,
    /// What is still owed to Stripe, or was.
    pub(super) outbox: Vec<Promise>,
}

#[derive(Debug, Serialize)]
pub(super) struct Checkout {
    pub(super) id: Uuid,
    pub(super) session_id: Option<String>,
    pub(super) state: String,
    pub(super) offering: String,
    #[serde(with = "time::serde::rfc3339")]
    pub(super) starts_at: OffsetDateTime,
    pub(super) quantity: i32,
    pub(super) seats_held: bool,
    /// What the site calls it.
    pub(super) client_reference: Option<String>,
    /// What else the site gave along.
    pub(super) metadata: Option<serde_json::Value>,
    pub(super) amount: i64,
    pub(super) currency: String,
    #[serde(with = "time::serde::rfc3339")]
    pub(super) created_at: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub(super) expires_at: OffsetDateTime,
}

#[derive(Debug, Serialize)]
pub(super) struct Booking {
    pub(super) reference: String,
    pub(super) status: String,
    pub(super) reason: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub(super) created_at: OffsetDateTime,
}

#[derive(Debug, Serialize)]
pub(super) struct Payment {
    pub(super) intent_id: Option<String>,
    pub(super) status: String,
    pub(super) amount: i64,
    pub(super) amount_refunded: i64,
    pub(super) currency: String,
    pub(super) dispute_status: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    pub(super) created_at: OffsetDateTime,
}

#[derive(Debug, Serialize)]
pub(super) struct Event {
    #[serde(with = "time::serde::rfc3339")]
    pub(super) at: OffsetDateTime,
    pub(super) id: String,
    pub(super) kind: String,
    pub(super) outcome: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Refund {
    #[serde(with = "time::serde::rfc3339")]
    pub(super) at: OffsetDateTime,
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) status: String,
}

#[derive(Debug, Serialize)]
pub(super) struct Dispute {
    #[serde(with = "time::serde::rfc3339")]
    pub(super) at: OffsetDateTime,
    pub(super) id: String,
    pub(super) amount: i64,
    pub(super) currency: String,
    pub(super) reason: String,
    pub(super) status: String,
    pub(super) funds_withdrawn: bool,
    pub(super) funds_reinstated: bool,
}

#[derive(Debug, Serialize)]
pub(super) struct Promise {
    #[serde(with = "time::serde::rfc3339")]
    pub(super) at: OffsetDateTime,
    pub(super) kind: String,
    pub(super) attempts: i32,
    pub(super) last_error: Option<String>,
    #[serde(with = "time::serde::rfc3339::option")]
    pub(super) done_at: Option<OffsetDateTime>,
}

/// Finds the checkout that `word` names and tells its story.
///
/// - `word`: a booking reference, or the id of a session, event, PaymentIntent, refund, dispute
///   or checkout, or the site's `client_reference`, of which the latest checkout counts.
///
/// # Errors
///
/// Nothing has that name, or the database is in trouble.
pub async fn story(db: &impl ConnectionTrait, word: &str) -> anyhow::Result<Story> {
    let mut id = find(db, word.trim()).await?;
    if id.is_none() {
        id = latest_of_site(db, word).await?;
    }
    let id = id.with_context(|| format!("nothing here is called {word:?}"))?;
    let checkout = checkout::Entity::find_by_id(id).one(db).await?;
    let checkout = checkout.context("the checkout is gone")?;
    let place = slot::Entity::find_by_id(checkout.slot_id)
        .find_also_related(offering::Entity)
        .one(db)
        .await?;
    let (slot, offering) = place.context("the slot is gone")?;
    let mut records = CheckoutRecord::load(db, vec![checkout]).await?;
    let record = records.remove(&id).context("the checkout is gone")?;
    let checkout = record.checkout;
    Ok(Story {
        booking: record.booking.map(Booking::from),
        payment: record.payment.map(Payment::from),
        events: events(db, id).await?,
        refunds: record.refunds.into_iter().map(Refund::from).collect(),
        disputes: record.disputes.into_iter().map(Dispute::from).collect(),
        outbox: record.owed_refund.into_iter().map(Promise::from).collect(),
        checkout: Checkout {
            id,
            state: checkout.state.to_value(),
            offering: offering.map(|offering| offering.name).unwrap_or_default(),
            starts_at: slot.starts_at,
            session_id: checkout.session_id,
            quantity: checkout.quantity,
            seats_held: checkout.seats_held,
            client_reference: checkout.client_reference,
            metadata: checkout.metadata,
            amount: checkout.amount_minor_units,
            currency: checkout.currency,
            created_at: checkout.created_at,
            expires_at: checkout.expires_at,
        },
    })
}

/// What a word is called after tells its shape.
async fn find(db: &impl ConnectionTrait, word: &str) -> Result<Option<Uuid>, DbErr> {
    if let Ok(id) = Uuid::parse_str(word) {
        let checkout = checkout::Entity::find_by_id(id).one(db).await?;
        return Ok(checkout.map(|row| row.id));
    }
    Ok(match word.split_once('_').map(|(prefix, _)| prefix) {
        Some("cs") => checkout::Entity::find()
            .filter(checkout::Column::SessionId.eq(word))
            .one(db)
            .await?
            .map(|row| row.id),
        Some("evt") => stripe_event::Entity::find_by_id(word)
            .one(db)
            .await?
            .map(|row| row.checkout_id),
        Some("pi") => payment::Entity::find()
            .filter(payment::Column::PaymentIntentId.eq(word))
            .one(db)
            .await?
            .map(|row| row.checkout_id),
        Some("re" | "pyr") => refund::Entity::find_by_id(word)
            .one(db)
            .await?
            .map(|row| row.checkout_id),
        Some("du" | "dp") => dispute::Entity::find_by_id(word)
            .one(db)
            .await?
            .map(|row| row.checkout_id),
        _ => booking::Entity::find()
            .filter(booking::Column::Reference.eq(word.to_uppercase()))
            .one(db)
            .await?
            .map(|row| row.checkout_id),
    })
}

async fn latest_of_site(db: &impl ConnectionTrait, word: &str) -> Result<Option<Uuid>, DbErr> {
    let latest = checkout::Entity::find()
        .filter(checkout::Column::ClientReference.eq(word))
        .order_by_desc(checkout::Column::CreatedAt)
        .one(db)
        .await?;
    Ok(latest.map(|row| row.id))
}

async fn events(db: &impl ConnectionTrait, id: Uuid) -> Result<Vec<Event>, DbErr> {
    let rows = stripe_event::Entity::find()
        .filter(stripe_event::Column::CheckoutId.eq(id))
        .order_by_asc(stripe_event::Column::ProcessedAt)
        .all(db)
        .await?;
    let event = |row: stripe_event::Model| Event {
        at: row.processed_at,
        id: row.id,
        kind: row.kind,
        outcome: row.outcome,
    };
    Ok(rows.into_iter().map(event).collect())
}

impl From<refund::Model> for Refund {
    fn from(row: refund::Model) -> Self {
        Self {
            at: row.created_at,
            id: row.id,
            amount: row.amount_minor_units,
            currency: row.currency,
            status: row.status.to_value(),
        }
    }
}

impl From<dispute::Model> for Dispute {
    fn from(row: dispute::Model) -> Self {
        Self {
            at: row.created_at,
            id: row.id,
            amount: row.amount_minor_units,
            currency: row.currency,
            reason: row.reason,
            status: row.status.to_value(),
            funds_withdrawn: row.funds_withdrawn,
            funds_reinstated: row.funds_reinstated,
        }
    }
}

impl From<outbox::Model> for Promise {
    fn from(row: outbox::Model) -> Self {
        Self {
            at: row.created_at,
            kind: row.kind.to_value(),
            attempts: row.attempts,
            last_error: row.last_error,
            done_at: row.done_at,
        }
    }
}

impl From<booking::Model> for Booking {
    fn from(row: booking::Model) -> Self {
        Self {
            reference: row.reference,
            status: row.status.to_value(),
            reason: row.reason,
            created_at: row.created_at,
        }
    }
}

impl From<payment::Model> for Payment {
    fn from(row: payment::Model) -> Self {
        Self {
            intent_id: row.payment_intent_id,
            status: row.status.to_value(),
            amount: row.amount_minor_units,
            amount_refunded: row.amount_refunded_minor_units,
            currency: row.currency,
            dispute_status: row.dispute_status.map(|status| status.to_value()),
            created_at: row.created_at,
        }
    }
}
