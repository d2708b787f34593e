//! The latest of Stripe's events that were acted on, and what came of each.

use sea_orm::{
    ColumnTrait, DatabaseConnection, DbErr, EntityTrait, FromQueryResult, JoinType, QueryFilter,
    QueryOrder, QuerySelect,
};
use serde::Serialize;
use shared::db::{booking, stripe_event};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;

/// How far back is looked, until there are enough. The index on the time is coarse: it knows which part
/// of the table is new, and costs an event next to nothing.
const BACK: [Duration; 4] = [
    Duration::minutes(10),
    Duration::hours(6),
    Duration::days(7),
    Duration::days(3650),
];

/// An event that was acted on.
#[derive(Debug, Serialize, FromQueryResult, ToSchema)]
pub struct LatestEvent {
    #[serde(with = "time::serde::rfc3339")]
    processed_at: OffsetDateTime,
    /// `evt_…`
    id: String,
    /// Stripe's `type`.
    kind: String,
    /// What acting on it came to.
    outcome: String,
    checkout_id: Uuid,
    /// Of the booking, if there is one.
    reference: Option<String>,
}

/// At most `limit`, the latest first.
pub async fn latest(
    db: &DatabaseConnection,
    now: OffsetDateTime,
    limit: u64,
) -> Result<Vec<LatestEvent>, DbErr> {
    let mut events = Vec::new();
    for back in BACK {
        events = since(db, now.saturating_sub(back), limit).await?;
        if u64::try_from(events.len()).is_ok_and(|number| number >= limit) {
            break;
        }
    }
    Ok(events)
}

async fn since(
    db: &DatabaseConnection,
    since: OffsetDateTime,
    limit: u64,
) -> Result<Vec<LatestEvent>, DbErr> {
    let booking = stripe_event::Entity::belongs_to(booking::Entity)
        .from(stripe_event::Column::CheckoutId)
        .to(booking::Column::CheckoutId);
    stripe_event::Entity::find()
        .column(booking::Column::Reference)
        .join(JoinType::LeftJoin, booking.into())
        .filter(stripe_event::Column::ProcessedAt.gte(since))
        .order_by_desc(stripe_event::Column::ProcessedAt)
        .limit(limit)
        .into_model::<LatestEvent>()
        .all(db)
        .await
}
