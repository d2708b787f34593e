//! `dead_letter`: messages of the embedded queue that will never succeed.

use sea_orm::entity::prelude::*;

/// One row of `dead_letter`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "dead_letter")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub lane: String,
    /// Why, as a code.
    pub reason: String,
    pub message_id: Option<String>,
    pub kind: Option<String>,
    pub schema: Option<i64>,
    pub attempt: i64,
    pub received_at_ms: Option<i64>,
    pub source: Option<String>,
    pub traceparent: Option<String>,
    pub body: Vec<u8>,
    pub dead_at: TimeDateTimeWithTimeZone,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
