//! `payment`: the money of a paid Checkout Session. One per session; only the worker writes it.

use sea_orm::entity::prelude::*;

use crate::{db::dispute, stripe::checkout_session::TotalDetails};

/// One row of `payment`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "payment")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub checkout_id: Uuid,
    /// `cs_…`. Unique: what makes a second payment of one session impossible.
    pub session_id: String,
    /// `pi_…`. Unique; absent where nothing had to be paid.
    pub payment_intent_id: Option<String>,
    /// Stripe's `amount_total`: what was paid.
    pub amount_minor_units: i64,
    /// Stripe's `amount_subtotal`; earlier releases did not ask for it.
    pub amount_subtotal_minor_units: Option<i64>,
    /// What of it was taken off.
    pub amount_discount_minor_units: i64,
    /// Taxes: on top of the subtotal, or part of it, as the checkout's options say.
    pub amount_tax_minor_units: i64,
    /// What shipping cost.
    pub amount_shipping_minor_units: i64,
    /// What of it went back.
    pub amount_refunded_minor_units: i64,
    pub currency: String,
    pub status: Status,
    /// Of the dispute that has come furthest, if there is one.
    pub dispute_status: Option<dispute::Status>,
    pub created_at: TimeDateTimeWithTimeZone,
}

/// Where the money is.
#[derive(Copy, Clone, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Status {
    /// We have it.
    Paid,
    /// Some of it went back.
    PartiallyRefunded,
    /// All of it went back.
    Refunded,
}

impl Status {
    /// The word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Paid => "paid",
            Self::PartiallyRefunded => "partially_refunded",
            Self::Refunded => "refunded",
        }
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(
        belongs_to = "crate::db::checkout::Entity",
        from = "Column::CheckoutId",
        to = "crate::db::checkout::Column::Id"
    )]
    Checkout,
}

impl Related<crate::db::checkout::Entity> for Entity {
    fn to() -> RelationDef {
        Relation::Checkout.def()
    }
}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Stripe's `amount_subtotal`. What an earlier release wrote was paid as it was.
    pub fn amount_subtotal(&self) -> i64 {
        self.amount_subtotal_minor_units
            .unwrap_or(self.amount_minor_units)
    }

    /// What lies between the subtotal and what was paid.
    pub fn total_details(&self) -> TotalDetails {
        TotalDetails {
            amount_discount: self.amount_discount_minor_units,
            amount_shipping: self.amount_shipping_minor_units,
            amount_tax: self.amount_tax_minor_units,
        }
    }
}
