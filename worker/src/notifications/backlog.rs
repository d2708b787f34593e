//! How much is still to be told, and for how long.

use sea_orm::{
    ColumnTrait, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};
use shared::{
    clock::elapsed,
    db::{
        endpoint, outbox,
        outbox_delivery::{self, BUYER, MERCHANT},
    },
};
use time::{Duration, OffsetDateTime};

/// Notifications not handed on yet, and the age of the oldest.
pub async fn outbox(
    db: &impl ConnectionTrait,
    now: OffsetDateTime,
) -> Result<(u64, Duration), DbErr> {
    let waiting = || outbox::Entity::find().filter(outbox::Column::DoneAt.is_null());
    let oldest = waiting().order_by_asc(outbox::Column::Id).one(db).await?;
    let Some(oldest) = oldest else {
        return Ok((0, Duration::ZERO));
    };
    Ok((waiting().count(db).await?, elapsed(oldest.created_at, now)))
}

/// Deliveries to destinations that are there and not switched off, and the age of the oldest.
///
/// - `by_mail`: whether mail is sent.
pub async fn deliveries(
    db: &impl ConnectionTrait,
    by_mail: bool,
    now: OffsetDateTime,
) -> Result<(u64, Duration), DbErr> {
    let mut on = endpoint::Entity::find()
        .select_only()
        .column(endpoint::Column::Id)
        .filter(endpoint::Column::DisabledAt.is_null())
        .into_tuple::<String>()
        .all(db)
        .await?;
    if by_mail {
        on.extend([BUYER, MERCHANT].map(str::to_owned));
    }
    let waiting = || {
        outbox_delivery::Entity::find()
            .filter(outbox_delivery::Column::DoneAt.is_null())
            .filter(outbox_delivery::Column::Destination.is_in(on.clone()))
    };
    let oldest = waiting()
        .find_also_related(outbox::Entity)
        .order_by_asc(outbox_delivery::Column::OutboxId)
        .one(db)
        .await?;
    let Some((_, Some(oldest))) = oldest else {
        return Ok((0, Duration::ZERO));
    };
    Ok((waiting().count(db).await?, elapsed(oldest.created_at, now)))
}
