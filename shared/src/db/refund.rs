//! `refund`: money of a payment that went back, by us or by an operator.

use sea_orm::entity::prelude::*;

pub use crate::stripe::refund::Status;

/// One row of `refund`. It may be there before its payment.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "refund")]
pub struct Model {
    /// `re_…`
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub checkout_id: Uuid,
    pub amount_minor_units: i64,
    pub currency: String,
    pub status: Status,
    /// When we first heard of it.
    pub created_at: TimeDateTimeWithTimeZone,
    pub updated_at: TimeDateTimeWithTimeZone,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
