//! Everything known about one checkout, read from the database.

use anyhow::Context as _;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};
use shared::{
    db::{
        booking,
        checkout::{self, State},
        dispute, intervention, offering, payment, refund, slot, stripe_event,
    },
    line_item::LineItems,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    fulfill_checkout::record::CheckoutRecord,
    operator::{
        booking_show::{
            others::{Other, others},
            told::{Told, told},
        },
        words::NotFound,
    },
};

/// The story of one checkout. Amounts are in minor units. No name and no e-mail address is told:
/// they are in `checkout`, for those who may read the database.
pub struct Story {
    pub(crate) record: CheckoutRecord,
    /// What is sold, in a line.
    pub(super) offering: String,
    /// Of a slot of the catalogue.
    pub(crate) offering_id: Option<Uuid>,
    /// If there is a slot.
    pub(super) starts_at: Option<OffsetDateTime>,
    /// In order of arrival.
    pub(super) events: Vec<stripe_event::Model>,
    /// What people decided about it, in order.
    pub(crate) interventions: Vec<intervention::Model>,
    /// What was told of it, in order.
    pub(super) told: Vec<Told>,
    /// See [`others`].
    pub(super) others: Vec<Other>,
}

impl Story {
    /// What it is called: the reference, if there is one.
    pub(crate) fn name(&self) -> String {
        let booking = self.record.booking.as_ref();
        let reference = booking.map(|it| it.reference.clone());
        reference.unwrap_or_else(|| self.record.checkout.id.to_string())
    }
}

/// Finds the checkout that `word` names and tells its story.
///
/// - `word`: a booking reference, or the id of a session, event, PaymentIntent, refund, dispute
///   or checkout, or the site's `client_reference`, of which the checkout counts that is paid, or else the latest.
pub async fn story(db: &impl ConnectionTrait, word: &str) -> anyhow::Result<Story> {
    let mut id = find(db, word.trim()).await?;
    if id.is_none() {
        id = of_site(db, word).await?;
    }
    let id = id.ok_or_else(|| NotFound(format!("nothing here is called {word:?}")))?;
    let checkout = checkout::Entity::find_by_id(id).one(db).await?;
    let checkout = checkout.context("the checkout is gone")?;
    let (slot, offering) = match checkout.slot_id {
        Some(slot_id) => slot::Entity::find_by_id(slot_id)
            .find_also_related(offering::Entity)
            .one(db)
            .await?
            .context("the slot is gone")
            .map(|(slot, offering)| (Some(slot), offering))?,
        None => (None, None),
    };
    let sold = checkout.line_items.as_ref().map(LineItems::names);
    let others = others(db, &checkout).await?;
    let mut records = CheckoutRecord::load(db, vec![checkout]).await?;
    Ok(Story {
        record: records.remove(&id).context("the checkout is gone")?,
        offering_id: slot.as_ref().and_then(|it| it.offering_id),
        offering: offering.map(|it| it.name).or(sold).unwrap_or_default(),
        starts_at: slot.map(|it| it.starts_at),
        events: stripe_event::Entity::find()
            .filter(stripe_event::Column::CheckoutId.eq(id))
            .order_by_asc(stripe_event::Column::ProcessedAt)
            .all(db)
            .await?,
        interventions: intervention::Entity::find()
            .filter(intervention::Column::CheckoutId.eq(id))
            .order_by_asc(intervention::Column::CreatedAt)
            .all(db)
            .await?,
        told: told(db, id).await?,
        others,
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
            .filter(booking::Column::Reference.eq(booking::reference_of(word)))
            .one(db)
            .await?
            .map(|row| row.checkout_id),
    })
}

async fn of_site(db: &impl ConnectionTrait, word: &str) -> Result<Option<Uuid>, DbErr> {
    let named = checkout::Entity::find()
        .filter(checkout::Column::ClientReference.eq(word))
        .order_by_desc(checkout::Column::CreatedAt);
    let paid = named
        .clone()
        .filter(checkout::Column::State.eq(State::Paid));
    let found = match paid.one(db).await? {
        Some(paid) => Some(paid),
        None => named.one(db).await?,
    };
    Ok(found.map(|row| row.id))
}
