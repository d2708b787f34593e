//! `stripe_event`: the inbox. One row per event that changed something or was found to
//! change nothing, written in the transaction that acted on it.

use sea_orm::entity::prelude::*;

/// One row of `stripe_event`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "stripe_event")]
pub struct Model {
    /// `evt_…`
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    /// Stripe's `type`.
    pub kind: String,
    pub checkout_id: Uuid,
    /// What acting on it came to.
    pub outcome: String,
    pub processed_at: TimeDateTimeWithTimeZone,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
