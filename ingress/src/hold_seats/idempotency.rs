//! The hold that a request's `Idempotency-Key` stands for.

use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter, sea_query::Expr};
use shared::db::checkout::{self, State};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{hold::NewHold, http::error::ApiError};

/// The hold that this `Idempotency-Key` stands for. One that ended unpaid gives the key up.
pub async fn earlier(
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
