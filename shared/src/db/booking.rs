//! `booking`: the seats a paid checkout bought. One per checkout; only the worker writes it.

use sea_orm::{Select, entity::prelude::*, sea_query::Expr};

/// One row of `booking`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "booking")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// Unique: what makes a second booking impossible.
    pub checkout_id: Uuid,
    /// `None` if nothing is held for it.
    pub slot_id: Option<Uuid>,
    pub quantity: i32,
    /// What buyer and shop call it.
    pub reference: String,
    pub status: Status,
    /// Why it is, or was before it was cancelled, `RefundPending` or `NeedsAttention`, as a code.
    pub reason: Option<String>,
    pub created_at: TimeDateTimeWithTimeZone,
}

/// An operator ended it.
pub const CANCELLED_BY_MERCHANT: &str = "cancelled_by_merchant";
/// The buyer ended it.
pub const CANCELLED_BY_BUYER: &str = "cancelled_by_buyer";
/// It needed attention, and an operator settled it outside.
pub const SETTLED: &str = "settled";

/// Reasons of ends that a person decided: what is said later about the money does not undo them.
pub const ENDS: [&str; 3] = [CANCELLED_BY_MERCHANT, CANCELLED_BY_BUYER, SETTLED];

/// What a booking is worth.
#[derive(Copy, Clone, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Status {
    /// The seats are the buyer's.
    Confirmed,
    /// Paid, but there is nothing for the money: it is going back.
    RefundPending,
    /// Paid, and an operator has to decide.
    NeedsAttention,
    /// The whole payment went back, or a person ended it.
    Cancelled,
}

impl Status {
    /// The word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Confirmed => "confirmed",
            Self::RefundPending => "refund_pending",
            Self::NeedsAttention => "needs_attention",
            Self::Cancelled => "cancelled",
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

/// A reference as it is kept, however it is typed: in small letters, without its hyphen, with a blank instead.
pub fn reference_of(typed: &str) -> String {
    let known = |it: &char| it.is_ascii_alphanumeric();
    let letters: String = typed
        .chars()
        .filter(known)
        .collect::<String>()
        .to_uppercase();
    match letters.split_at_checked(5) {
        Some((begin, end)) if end.len() == 5 => format!("{begin}-{end}"),
        _ => typed.trim().to_uppercase(),
    }
}

/// Those that an operator has to decide about: written out, as the condition of their index is.
pub fn needing_attention() -> Select<Entity> {
    Entity::find().filter(Expr::cust("status = 'needs_attention'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_found_however_it_is_typed() {
        for typed in ["7k3fq-2xm9d", " 7K3FQ2XM9D", "7K3FQ 2XM9D", "7K3FQ–2XM9D"] {
            assert_eq!(reference_of(typed), "7K3FQ-2XM9D", "{typed}");
        }
        assert_eq!(reference_of("short"), "SHORT");
    }
}
