//! The hold that a request's `Idempotency-Key` stands for.

use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, sea_query::Expr};
use shared::db::{
    Transaction,
    checkout::{self, State},
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{hold::NewHold, http::error::ApiError};

/// The hold that this `Idempotency-Key` stands for; one that ended unpaid does not count.
pub async fn earlier(
    conn: &impl ConnectionTrait,
    hold: &NewHold,
    now: OffsetDateTime,
) -> Result<Option<checkout::Model>, ApiError> {
    let named = named(conn, hold).await?;
    Ok(named.filter(|it| is_held(it, now)))
}

/// The same for who is about to make another, to which one that ended unpaid gives the key up.
pub async fn earlier_or_free(
    tx: &Transaction,
    hold: &NewHold,
    now: OffsetDateTime,
) -> Result<Option<checkout::Model>, ApiError> {
    let named = named(tx, hold).await?;
    if let Some(ended) = named.as_ref().filter(|it| !is_held(it, now)) {
        forget_key(tx, ended.id).await?;
        return Ok(None);
    }
    Ok(named)
}

async fn named(
    conn: &impl ConnectionTrait,
    hold: &NewHold,
) -> Result<Option<checkout::Model>, ApiError> {
    let Some(key) = &hold.idempotency_key else {
        return Ok(None);
    };
    let named = checkout::Entity::find()
        .filter(checkout::Column::IdempotencyKey.eq(key))
        .one(conn)
        .await?;
    match &named {
        Some(it) if it.request_hash.as_ref() != Some(&hold.request_hash) => {
            Err(ApiError::IdempotencyKeyReused)
        }
        Some(it) if matches!(it.state, State::PaymentPending | State::Paid) => {
            Err(ApiError::CheckoutCompleted)
        }
        _ => Ok(named),
    }
}

fn is_held(checkout: &checkout::Model, now: OffsetDateTime) -> bool {
    checkout.state == State::Open && checkout.expires_at > now
}

/// Lets an `Idempotency-Key` stand for another hold.
pub async fn forget_key(conn: &impl ConnectionTrait, checkout_id: Uuid) -> Result<(), DbErr> {
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
