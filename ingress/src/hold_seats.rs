//! The hold: seats of a slot that are kept for a buyer who pays.

pub(crate) mod idempotency;
pub(crate) mod place;
pub(crate) mod session;

use std::time::Duration;

use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait,
    sea_query::OnConflict,
};
use serde_json::json;
use shared::{
    checkout_options::CheckoutOptions,
    db::{
        self,
        checkout::{self, State},
        offering, seats, slot,
    },
    line_item::{LineItem, LineItems},
    money::{Amount, Currency, NotChargeable},
    retry,
    service::failpoint,
};
use time::OffsetDateTime;

use crate::{
    hold::{NewHold, Pricing},
    hold_seats::idempotency::{earlier, earlier_or_free},
    http::error::ApiError,
    refusal, wish,
};

/// Tries of the whole transaction, for deadlocks and the like.
const TRIES: usize = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// Who holds all they may is told to come back then: something may be paid or given back.
const FULL_HANDS: Duration = Duration::from_mins(1);

/// Holds the seats and writes the `checkout` row, in one transaction; or finds the hold
/// that the same `Idempotency-Key` made before.
pub async fn hold_seats(
    db: &DatabaseConnection,
    hold: &NewHold,
    now: OffsetDateTime,
) -> Result<checkout::Model, ApiError> {
    let pauses = retry::endless(FIRST_PAUSE, LONGEST_PAUSE).take(TRIES.saturating_sub(1));
    retry::retry(pauses, ApiError::is_contention, || {
        try_to_hold(db, hold, now)
    })
    .await
}

async fn try_to_hold(
    db: &DatabaseConnection,
    hold: &NewHold,
    now: OffsetDateTime,
) -> Result<checkout::Model, ApiError> {
    let tx = db::begin(db).await?;
    lock_holder(&tx, hold).await?;
    if let Some(existing) = earlier_or_free(&tx, hold, now).await? {
        return Ok(existing);
    }
    if wish::is_granted(&tx, hold).await? {
        return Err(ApiError::CheckoutCompleted);
    }
    let (slot, offering) = place::find(&tx, &hold.place, now).await?;
    check_limit(&tx, hold, slot.as_ref(), now).await?;
    let checkout = checkout(hold, slot.as_ref(), offering, now)?;
    if !insert(&tx, &checkout).await? {
        // The same key won a race: its hold is committed now.
        drop(tx);
        let existing = earlier(db, hold, now).await?;
        return existing.ok_or(ApiError::CheckoutConflict);
    }
    if !seats::take_of(&tx, &checkout, slot.as_ref(), now).await? {
        return Err(ApiError::SlotFull);
    }
    failpoint::crash_at("hold_before_commit");
    tx.commit().await?;
    failpoint::crash_at("hold_after_commit");
    Ok(checkout)
}

/// Has orders of one client wait for each other: before anything else, so that none waits for what another has locked.
pub async fn lock_holder(tx: &impl ConnectionTrait, hold: &NewHold) -> Result<(), DbErr> {
    match &hold.holder {
        Some(holder) => holder.lock(tx).await,
        None => Ok(()),
    }
}

/// Whether its client may hold so much more.
pub async fn check_limit(
    tx: &impl ConnectionTrait,
    hold: &NewHold,
    slot: Option<&slot::Model>,
    now: OffsetDateTime,
) -> Result<(), ApiError> {
    match &hold.holder {
        Some(holder) if !holder.may_hold(tx, slot, hold.quantity, now).await? => {
            Err(ApiError::TooManyOrders(FULL_HANDS))
        }
        _ => Ok(()),
    }
}

fn checkout(
    hold: &NewHold,
    slot: Option<&slot::Model>,
    offering: Option<offering::Model>,
    now: OffsetDateTime,
) -> Result<checkout::Model, ApiError> {
    let (line_items, total) = priced(hold, offering)?;
    // A hold ends at the latest when the slot begins: a payment after that comes too late.
    let begins_at = slot.map(|slot| slot.starts_at.truncate_to_second());
    Ok(checkout::Model {
        id: hold.id,
        slot_id: slot.map(|slot| slot.id),
        quantity: hold.quantity,
        line_items: Some(LineItems(line_items)),
        options: (hold.options != CheckoutOptions::default()).then(|| json!(hold.options)),
        amount_minor_units: total.minor_units,
        currency: total.currency.into(),
        customer_name: hold.customer_name.clone(),
        customer_email: hold.customer_email.clone(),
        locale: hold.locale.clone(),
        state: State::Open,
        seats_held: false,
        session_id: None,
        checkout_url: None,
        idempotency_key: hold.idempotency_key.clone(),
        request_hash: Some(hold.request_hash.clone()),
        order_fingerprint: hold.order_fingerprint(),
        client_reference: hold.client_reference.clone(),
        metadata: (!hold.metadata.is_empty()).then(|| json!(hold.metadata)),
        client: hold.holder.as_ref().map(|it| it.name.clone()),
        created_at: now,
        expires_at: begins_at.map_or(hold.expires_at, |at| at.min(hold.expires_at)),
        confirm_enqueued_at: None,
        stripe_checked_at: None,
    })
}

/// What is sold, and what it costs in all.
fn priced(
    hold: &NewHold,
    offering: Option<offering::Model>,
) -> Result<(Vec<LineItem>, Amount), ApiError> {
    let (line_items, currency) = match &hold.pricing {
        Pricing::Site {
            currency,
            line_items,
        } => (line_items.clone(), currency.clone()),
        Pricing::Catalogue => {
            let offering = offering.ok_or(ApiError::SlotNotFound)?;
            let price = offering.price()?;
            let seats = LineItem {
                name: offering.name,
                unit_amount: price.minor_units,
                quantity: hold.quantity.into(),
            };
            (vec![seats], price.currency)
        }
    };
    let total = total(&hold.pricing, &line_items, currency)?;
    Ok((line_items, total))
}

/// What has to be paid for all of `line_items`, if Stripe takes so much and so little.
pub fn total(
    pricing: &Pricing,
    line_items: &[LineItem],
    currency: Currency,
) -> Result<Amount, ApiError> {
    let total = line_items.iter().try_fold(0_i64, |sum, item| {
        sum.checked_add(item.unit_amount.checked_mul(item.quantity)?)
    });
    let total = Amount {
        minor_units: total.ok_or_else(|| refusal::too_much(pricing))?,
        currency,
    };
    total.check_chargeable().map_err(|reason| match reason {
        NotChargeable::TooSmall(_) => refusal::too_small(pricing),
        NotChargeable::TooLarge(_) => refusal::too_much(pricing),
        // Of prices in order, no sum has these.
        NotChargeable::Negative | NotChargeable::Step(_) => ApiError::OfferingUnavailable,
    })?;
    Ok(total)
}

/// Writes the row, unless the `Idempotency-Key` has one by now. Returns whether it did.
async fn insert(tx: &impl ConnectionTrait, checkout: &checkout::Model) -> Result<bool, ApiError> {
    let row = checkout::ActiveModel::from(checkout.clone()).reset_all();
    let on_conflict = OnConflict::column(checkout::Column::IdempotencyKey)
        .do_nothing()
        .to_owned();
    let inserted = checkout::Entity::insert(row)
        .on_conflict(on_conflict)
        .exec_without_returning(tx)
        .await?;
    Ok(inserted == 1)
}
