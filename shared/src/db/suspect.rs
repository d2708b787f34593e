//! `suspect`: messages that were handed out without an answer, and may have killed the worker
//! that had them.

use sea_orm::{
    ActiveValue::Set,
    ExprTrait,
    entity::prelude::*,
    sea_query::{Expr, OnConflict},
};
use time::OffsetDateTime;

use crate::db::writer;

/// Longer than an attempt and the start of a worker, many times.
const FORGOTTEN: time::Duration = time::Duration::minutes(10);

/// One row of `suspect`, for as long as the message runs.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "suspect")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub fingerprint: String,
    /// How often it was begun.
    pub starts: i32,
    pub started_at: TimeDateTimeWithTimeZone,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Whether the message was begun before without an end.
pub async fn is_known(conn: &impl ConnectionTrait, fingerprint: &str) -> Result<bool, DbErr> {
    Ok(Entity::find_by_id(fingerprint).one(conn).await?.is_some())
}

/// Notes that the message is begun. Returns how often it was.
pub async fn note_start(
    db: &DatabaseConnection,
    fingerprint: &str,
    now: OffsetDateTime,
) -> Result<i32, DbErr> {
    let conn = &writer(db).await?;
    let first = ActiveModel {
        fingerprint: Set(fingerprint.to_owned()),
        starts: Set(1),
        started_at: Set(now),
    };
    // Of a start that was so long ago, the message has come to an end since.
    Entity::delete_many()
        .filter(Column::Fingerprint.eq(fingerprint))
        .filter(Column::StartedAt.lt(now.saturating_sub(FORGOTTEN)))
        .exec(conn)
        .await?;
    let again = OnConflict::column(Column::Fingerprint)
        .update_column(Column::StartedAt)
        .value(Column::Starts, Expr::col((Entity, Column::Starts)).add(1))
        .to_owned();
    Entity::insert(first)
        .on_conflict(again)
        .exec_without_returning(conn)
        .await?;
    let row = Entity::find_by_id(fingerprint).one(conn).await?;
    Ok(row.map_or(1, |row| row.starts))
}

/// The message came to an answer: it is no suspect.
pub async fn clear(db: &DatabaseConnection, fingerprint: &str) -> Result<(), DbErr> {
    let conn = &writer(db).await?;
    Entity::delete_many()
        .filter(Column::Fingerprint.eq(fingerprint))
        .exec(conn)
        .await?;
    Ok(())
}
