//! `recurring_job`: work that is done again and again, by one worker for all.

use sea_orm::{
    ActiveValue::Set,
    Condition,
    entity::prelude::*,
    sea_query::{Expr, OnConflict},
};
use time::OffsetDateTime;

use crate::db::writer;

/// The run of reconcile.
pub const RECONCILE: &str = "reconcile";
/// The audit, which an operator runs.
pub const AUDIT: &str = "audit";
/// A new deployment has other things to do first.
const FIRST_DUE: time::Duration = time::Duration::MINUTE;

/// One row of `recurring_job`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "recurring_job")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub name: String,
    /// Not begun before this time. The worker that begins it moves it on, and again while it runs, so
    /// that another worker takes over only from one that died.
    pub due_at: TimeDateTimeWithTimeZone,
    pub last_success_at: Option<TimeDateTimeWithTimeZone>,
    /// How far a run has come, in the job's own JSON.
    pub cursor: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Takes the job if it is due, until `lease_end`. One caller at a time gets it.
pub async fn take(
    db: &DatabaseConnection,
    name: &str,
    now: OffsetDateTime,
    lease_end: OffsetDateTime,
) -> Result<Option<Model>, DbErr> {
    let conn = &writer(db).await?;
    let first = ActiveModel {
        name: Set(name.to_owned()),
        due_at: Set(now.saturating_add(FIRST_DUE)),
        last_success_at: Set(None),
        cursor: Set(None),
    };
    let exists = OnConflict::column(Column::Name).do_nothing().to_owned();
    Entity::insert(first)
        .on_conflict(exists)
        .exec_without_returning(conn)
        .await?;
    let taken = Entity::update_many()
        .col_expr(Column::DueAt, Expr::value(lease_end))
        .filter(Column::Name.eq(name))
        .filter(Column::DueAt.lte(now))
        .exec(conn)
        .await?;
    if taken.rows_affected == 0 {
        return Ok(None);
    }
    Entity::find_by_id(name).one(conn).await
}

/// Whether any worker has looked after the job before.
pub async fn exists(conn: &impl ConnectionTrait, name: &str) -> Result<bool, DbErr> {
    Ok(Entity::find_by_id(name).one(conn).await?.is_some())
}

/// Makes the job due at `now`, unless a run that began after `since` has come to its end, or one
/// goes on.
///
/// - `died`: a run whose lease ends before this time has shown no sign of life lately.
pub async fn hasten(
    db: &DatabaseConnection,
    name: &str,
    now: OffsetDateTime,
    since: OffsetDateTime,
    died: OffsetDateTime,
) -> Result<(), DbErr> {
    let conn = &writer(db).await?;
    let is_running = Condition::all()
        .add(Column::Cursor.is_not_null())
        .add(Column::DueAt.gt(died));
    let is_done = Condition::all()
        .add(Column::LastSuccessAt.is_not_null())
        .add(Column::LastSuccessAt.gte(since));
    Entity::update_many()
        .col_expr(Column::DueAt, Expr::value(now))
        .filter(Column::Name.eq(name))
        .filter(Column::DueAt.gt(now))
        .filter(is_running.not())
        .filter(is_done.not())
        .exec(conn)
        .await?;
    Ok(())
}

/// Writes the row as it is, to see whether the database takes a write.
pub async fn touch(db: &DatabaseConnection, name: &str) -> Result<(), DbErr> {
    let conn = &writer(db).await?;
    Entity::update_many()
        .col_expr(Column::Name, Expr::col(Column::Name))
        .filter(Column::Name.eq(name))
        .exec(conn)
        .await?;
    Ok(())
}

/// Notes how far the run has come, and keeps the job until `lease_end`, when it is due again.
pub async fn keep(
    db: &DatabaseConnection,
    name: &str,
    lease_end: OffsetDateTime,
    cursor: &str,
) -> Result<(), DbErr> {
    let conn = &writer(db).await?;
    Entity::update_many()
        .col_expr(Column::DueAt, Expr::value(lease_end))
        .col_expr(Column::Cursor, Expr::value(cursor))
        .filter(Column::Name.eq(name))
        .exec(conn)
        .await?;
    Ok(())
}

/// The run has come to its end; the next begins at `due_at`.
pub async fn finish(
    db: &DatabaseConnection,
    name: &str,
    now: OffsetDateTime,
    due_at: OffsetDateTime,
) -> Result<(), DbErr> {
    let conn = &writer(db).await?;
    Entity::update_many()
        .col_expr(Column::DueAt, Expr::value(due_at))
        .col_expr(Column::LastSuccessAt, Expr::value(now))
        .col_expr(Column::Cursor, Expr::value(None::<String>))
        .filter(Column::Name.eq(name))
        .exec(conn)
        .await?;
    Ok(())
}

/// A run that no worker began has come to its end.
pub async fn note_success(
    db: &DatabaseConnection,
    name: &str,
    now: OffsetDateTime,
) -> Result<(), DbErr> {
    let conn = &writer(db).await?;
    let row = ActiveModel {
        name: Set(name.to_owned()),
        due_at: Set(now),
        last_success_at: Set(Some(now)),
        cursor: Set(None),
    };
    let exists = OnConflict::column(Column::Name)
        .update_columns([Column::DueAt, Column::LastSuccessAt])
        .to_owned();
    Entity::insert(row)
        .on_conflict(exists)
        .exec_without_returning(conn)
        .await?;
    Ok(())
}
