//! `outbox_delivery`: a notification on its way to one destination. There is one row for each of both,
//! whatever crashes: both together are the key.

use sea_orm::entity::prelude::*;

/// One row of `outbox_delivery`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox_delivery")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub outbox_id: Uuid,
    /// An endpoint's id (`ep_…`), or [`BUYER`] or [`MERCHANT`].
    #[sea_orm(primary_key, auto_increment = false)]
    pub destination: String,
    /// Of the notification, as its place: those of a checkout go to a destination in their order.
    pub checkout_id: Uuid,
    pub sequence: i32,
    /// Not tried before this time. A worker that tries it moves it on first.
    pub due_at: TimeDateTimeWithTimeZone,
    /// That failed.
    pub attempts: i32,
    /// The last failure, in a few words. Of one that is done: why it was given up.
    pub last_error: Option<String>,
    /// Delivered, or given up.
    pub done_at: Option<TimeDateTimeWithTimeZone>,
}

/// The buyer's mail.
pub const BUYER: &str = "mail:buyer";
/// The merchant's mail.
pub const MERCHANT: &str = "mail:merchant";

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(
        belongs_to = "crate::db::outbox::Entity",
        from = "Column::OutboxId",
        to = "crate::db::outbox::Column::Id"
    )]
    Outbox,
}

impl Related<crate::db::outbox::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Outbox.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}
