//! The hold: seats of a slot that are kept for a buyer who pays.

use std::collections::BTreeMap;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait,
    QueryFilter, QuerySelect,
    sea_query::{Expr, OnConflict},
};
use serde_json::json;
use sha2::{Digest, Sha256};
use shared::{
    db::{
        self,
        checkout::{self, State},
        offering, seats, slot,
    },
    money::{Amount, NotChargeable},
    service::failpoint,
    stripe::{client::CreatedCheckoutSession, id::CheckoutSessionId},
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{http::error::ApiError, refusal};

/// A hold to make.
#[derive(Debug)]
pub struct NewHold {
    /// The checkout's id.
    pub id: Uuid,
    pub slot_id: Uuid,
    pub quantity: i64,
    pub customer_name: String,
    pub customer_email: String,
    pub client_reference: Option<String>,
    pub metadata: BTreeMap<String, String>,
    pub idempotency_key: Option<String>,
    pub request_hash: String,
    /// An open session that shall make way.
    pub replaces: Option<CheckoutSessionId>,
    pub expires_at: OffsetDateTime,
}

impl NewHold {
    /// What every checkout of the same wish has in common.
    fn order_fingerprint(&self) -> Option<String> {
        let key = self.idempotency_key.as_ref()?;
        let wish = format!("{}\n{key}", self.request_hash);
        Some(hex::encode(Sha256::digest(wish)))
    }
}

/// Holds the seats and writes the `checkout` row, in one transaction; or finds the hold
/// that the same `Idempotency-Key` made before.
pub async fn hold_seats(
    db: &DatabaseConnection,
    hold: &NewHold,
    now: OffsetDateTime,
) -> Result<(checkout::Model, offering::Model), ApiError> {
    let tx = db::begin(db).await?;
    let existing = earlier(&tx, hold, now).await?;
    let (slot, offering) = slot_and_offering(&tx, existing.as_ref(), hold).await?;
    if let Some(existing) = existing {
        return Ok((existing, offering));
    }
    if slot.starts_at <= now {
        return Err(ApiError::SlotClosed);
    }
    if slot.ends_at <= slot.starts_at {
        return Err(ApiError::OfferingUnavailable);
    }
    let Some(checkout) = insert(&tx, hold, &slot, &offering, now).await? else {
        // The same key won a race: its hold is committed now.
        drop(tx);
        let existing = earlier(db, hold, now).await?;
        return Ok((existing.ok_or(ApiError::CheckoutConflict)?, offering));
    };
    if !seats::take(&tx, &checkout, now).await? {
        return Err(ApiError::SlotFull);
    }
    failpoint::crash_at("hold_before_commit");
    tx.commit().await?;
    failpoint::crash_at("hold_after_commit");
    Ok((checkout, offering))
}

/// The hold that this `Idempotency-Key` stands for. One that ended unpaid gives the key up.
async fn earlier(
    conn: &impl ConnectionTrait,
    hold: &NewHold,
    now: OffsetDateTime,
) -> Result<Option<checkout::Model>, ApiError> {
    let Some(key) = &hold.idempotency_key else {
        return Ok(None);
    };
    let earlier = checkout::Entity::find()
        .filter(checkout::Column::IdempotencyKey.eq(key))
        .one(conn)
        .await?;
    let Some(earlier) = earlier else {
        return Ok(None);
    };
    if earlier.request_hash.as_ref() != Some(&hold.request_hash) {
        return Err(ApiError::IdempotencyKeyReused);
    }
    match earlier.state {
        State::Open if earlier.expires_at > now => Ok(Some(earlier)),
        State::PaymentPending | State::Paid => Err(ApiError::CheckoutCompleted),
        State::Open | State::Expired | State::PaymentFailed | State::Abandoned => {
            forget_key(conn, earlier.id).await?;
            Ok(None)
        }
    }
}

/// Lets an `Idempotency-Key` stand for another hold.
async fn forget_key(conn: &impl ConnectionTrait, checkout_id: Uuid) -> Result<(), DbErr> {
    checkout::Entity::update_many()
        .col_expr(
            checkout::Column::IdempotencyKey,
            Expr::value(None::<String>),
        )
        .filter(checkout::Column::Id.eq(checkout_id))
        .exec(conn)
        .await?;
    Ok(())
}

async fn slot_and_offering(
    conn: &impl ConnectionTrait,
    existing: Option<&checkout::Model>,
    hold: &NewHold,
) -> Result<(slot::Model, offering::Model), ApiError> {
    let slot_id = existing.map_or(hold.slot_id, |checkout| checkout.slot_id);
    let found = slot::Entity::find_by_id(slot_id)
        .find_also_related(offering::Entity)
        .one(conn)
        .await?;
    match found {
        Some((slot, Some(offering))) => Ok((slot, offering)),
        _ => Err(ApiError::SlotNotFound),
    }
}

/// Writes the row, unless the `Idempotency-Key` has one by now.
async fn insert(
    tx: &impl ConnectionTrait,
    hold: &NewHold,
    slot: &slot::Model,
    offering: &offering::Model,
    now: OffsetDateTime,
) -> Result<Option<checkout::Model>, ApiError> {
    let price = offering.price()?;
    let total = price
        .checked_mul(hold.quantity)
        .ok_or_else(refusal::too_many)?;
    total.check_chargeable().map_err(|reason| match reason {
        NotChargeable::TooSmall(_) => refusal::too_small(),
        NotChargeable::TooLarge(_) => refusal::too_many(),
        // Of a price in order, no multiple has these.
        NotChargeable::Negative | NotChargeable::Step(_) => ApiError::OfferingUnavailable,
    })?;
    let checkout = checkout::Model {
        id: hold.id,
        slot_id: hold.slot_id,
        quantity: i32::try_from(hold.quantity).unwrap_or(i32::MAX),
        amount_minor_units: total.minor_units,
        currency: total.currency.into(),
        customer_name: hold.customer_name.clone(),
        customer_email: hold.customer_email.clone(),
        state: State::Open,
        seats_held: false,
        session_id: None,
        checkout_url: None,
        idempotency_key: hold.idempotency_key.clone(),
        request_hash: Some(hold.request_hash.clone()),
        order_fingerprint: hold.order_fingerprint(),
        client_reference: hold.client_reference.clone(),
        metadata: (!hold.metadata.is_empty()).then(|| json!(hold.metadata)),
        created_at: now,
        // A hold ends at the latest when the slot begins: a payment after that comes too late.
        expires_at: hold.expires_at.min(slot.starts_at.truncate_to_second()),
        confirm_enqueued_at: None,
        stripe_checked_at: None,
    };
    let row = checkout::ActiveModel::from(checkout.clone()).reset_all();
    let on_conflict = OnConflict::column(checkout::Column::IdempotencyKey)
        .do_nothing()
        .to_owned();
    let inserted = checkout::Entity::insert(row)
        .on_conflict(on_conflict)
        .exec_without_returning(tx)
        .await?;
    Ok((inserted == 1).then_some(checkout))
}

/// Notes the session that Stripe made for a hold.
pub async fn attach_session(
    db: &DatabaseConnection,
    checkout_id: Uuid,
    session: &CreatedCheckoutSession,
) -> Result<checkout::Model, ApiError> {
    checkout::Entity::update_many()
        .col_expr(
            checkout::Column::SessionId,
            Expr::value(session.id.as_str()),
        )
        .col_expr(
            checkout::Column::CheckoutUrl,
            Expr::value(session.url.as_str()),
        )
        .filter(checkout::Column::Id.eq(checkout_id))
        .filter(checkout::Column::State.ne(State::Abandoned))
        .exec(db)
        .await?;
    let checkout = checkout::Entity::find_by_id(checkout_id).one(db).await?;
    checkout.ok_or(ApiError::CheckoutConflict)
}

/// Frees the seats of a hold that got no session, and its `Idempotency-Key`, so that the
/// buyer can simply try again.
///
/// Returns the checkout if it has a session that can be paid: another request with the same key
/// may have got it meanwhile.
pub async fn give_back(
    db: &DatabaseConnection,
    checkout_id: Uuid,
) -> Result<Option<checkout::Model>, DbErr> {
    let tx = db::begin(db).await?;
    let checkout = checkout::Entity::find_by_id(checkout_id)
        .lock_exclusive()
        .one(&tx)
        .await?;
    let Some(mut checkout) = checkout else {
        return Ok(None);
    };
    if checkout.session_id.is_some() {
        let open = checkout.state == State::Open && checkout.checkout_url.is_some();
        return Ok(open.then_some(checkout));
    }
    checkout::advance(&tx, &mut checkout, State::Abandoned).await?;
    seats::free(&tx, &checkout).await?;
    forget_key(&tx, checkout_id).await?;
    tx.commit().await?;
    Ok(None)
}

/// The price of one seat, when the seats were held.
pub fn held_unit_amount(checkout: &checkout::Model) -> Result<Amount, DbErr> {
    let malformed = || DbErr::Custom(format!("checkout {} has a malformed amount", checkout.id));
    Ok(Amount {
        minor_units: checkout
            .amount_minor_units
            .checked_div(checkout.quantity.into())
            .ok_or_else(malformed)?,
        currency: checkout.currency.parse().map_err(|_| malformed())?,
    })
}
