//! `intervention`: what an operator, or a buyer by a link, decided about a booking.

use sea_orm::entity::prelude::*;

/// One row of `intervention`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "intervention")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub checkout_id: Uuid,
    /// `cancel`, `move`, `book`, `refund` or `end`.
    pub kind: String,
    /// What else was decided, in a few words.
    pub detail: Option<String>,
    /// Who.
    pub decided_by: String,
    pub why: String,
    pub created_at: TimeDateTimeWithTimeZone,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
