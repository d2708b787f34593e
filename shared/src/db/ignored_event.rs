//! `ignored_event`: authentic events of types that we act on, which are not for us: of the other
//! mode, or of a connected account. One row for each reason.

use sea_orm::{
    ActiveValue::Set,
    ExprTrait,
    entity::prelude::*,
    sea_query::{Expr, OnConflict},
};
use time::OffsetDateTime;

use crate::db::writer;

/// One row of `ignored_event`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ignored_event")]
pub struct Model {
    /// The code that metrics have as well.
    #[sea_orm(primary_key, auto_increment = false)]
    pub reason: String,
    /// How many there were.
    pub events: i64,
    /// The last of them.
    pub last_event_id: String,
    pub last_at: TimeDateTimeWithTimeZone,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Counts the event.
pub async fn count(
    db: &DatabaseConnection,
    reason: &str,
    event_id: &str,
    now: OffsetDateTime,
) -> Result<(), DbErr> {
    let conn = &writer(db).await?;
    let first = ActiveModel {
        reason: Set(reason.to_owned()),
        events: Set(1),
        last_event_id: Set(event_id.to_owned()),
        last_at: Set(now),
    };
    let again = OnConflict::column(Column::Reason)
        .update_columns([Column::LastEventId, Column::LastAt])
        .value(Column::Events, Expr::col((Entity, Column::Events)).add(1))
        .to_owned();
    Entity::insert(first)
        .on_conflict(again)
        .exec_without_returning(conn)
        .await?;
    Ok(())
}
