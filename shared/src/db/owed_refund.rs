//! `owed_refund`: a payment that a transaction has promised to give back, and that the worker gives back
//! after it, outside.

use sea_orm::entity::prelude::*;

use crate::clock;

/// One row of `owed_refund`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "owed_refund")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub checkout_id: Uuid,
    /// How much of the payment; all that is left, if it does not say.
    pub amount_minor_units: Option<i64>,
    pub created_at: TimeDateTimeWithTimeZone,
    /// Not tried before this time. A worker that tries it moves it on first.
    pub due_at: TimeDateTimeWithTimeZone,
    pub attempts: i32,
    /// The code of the last failure.
    pub last_error: Option<String>,
    pub done_at: Option<TimeDateTimeWithTimeZone>,
    /// `re_…`, once a part has gone back.
    pub refund_id: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// The promise to give the whole payment of a checkout back, due at once.
    pub fn new(checkout_id: Uuid, now: TimeDateTimeWithTimeZone) -> Self {
        Self {
            checkout_id,
            amount_minor_units: None,
            created_at: now,
            due_at: now,
            attempts: 0,
            last_error: None,
            done_at: None,
            refund_id: None,
        }
    }

    /// What a refund of a part is known by at Stripe: the same for every attempt at the same debt.
    pub fn name(&self) -> String {
        let since = clock::unix_ms(self.created_at);
        format!("{}:{since}", self.checkout_id)
    }
}
