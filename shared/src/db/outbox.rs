//! `outbox`: what a transaction has promised and the worker does after it, outside.

use sea_orm::entity::prelude::*;

/// One row of `outbox`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub kind: Kind,
    pub checkout_id: Uuid,
    pub created_at: TimeDateTimeWithTimeZone,
    /// Not tried before this time. A worker that tries it moves it on first.
    pub due_at: TimeDateTimeWithTimeZone,
    pub attempts: i32,
    /// The code of the last failure.
    pub last_error: Option<String>,
    pub done_at: Option<TimeDateTimeWithTimeZone>,
}

/// What is to be done.
#[derive(Copy, Clone, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Kind {
    /// Give the whole payment of the checkout back.
    Refund,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The promise to give the whole payment of a checkout back, due at once.
    pub fn refund(checkout_id: Uuid, now: TimeDateTimeWithTimeZone) -> Self {
        Self {
            id: Uuid::now_v7(),
            kind: Kind::Refund,
            checkout_id,
            created_at: now,
            due_at: now,
            attempts: 0,
            last_error: None,
            done_at: None,
        }
    }
}
