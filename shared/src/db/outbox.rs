//! `outbox`: what a transaction has promised and somebody has to do after it, outside.

use sea_orm::{ActiveValue::Set, entity::prelude::*, sea_query::OnConflict};

/// One row of `outbox`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub kind: Kind,
    pub checkout_id: Uuid,
    pub created_at: TimeDateTimeWithTimeZone,
    /// Not tried before this time. Whoever tries it moves it on first.
    pub due_at: TimeDateTimeWithTimeZone,
    pub attempts: i32,
    /// The code of the last failure.
    pub last_error: Option<String>,
    pub done_at: Option<TimeDateTimeWithTimeZone>,
}

/// What is to be done.
#[derive(Copy, Clone, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Kind {
    /// Give the whole payment of the checkout back.
    #[sea_orm(string_value = "refund")]
    Refund,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Promises `kind` for a checkout. Promising it again changes nothing.
///
/// # Errors
///
/// [`DbErr`] if the statement fails.
pub async fn promise(
    tx: &impl ConnectionTrait,
    kind: Kind,
    checkout_id: Uuid,
    now: TimeDateTimeWithTimeZone,
) -> Result<(), DbErr> {
    let row = ActiveModel {
        id: Set(Uuid::now_v7()),
        kind: Set(kind),
        checkout_id: Set(checkout_id),
        created_at: Set(now),
        due_at: Set(now),
        attempts: Set(0),
        last_error: Set(None),
        done_at: Set(None),
    };
    let on_conflict = OnConflict::columns([Column::Kind, Column::CheckoutId])
        .do_nothing()
        .to_owned();
    Entity::insert(row)
        .on_conflict(on_conflict)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}
