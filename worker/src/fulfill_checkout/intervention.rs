//! What a person decides about a booking.

use sea_orm::ActiveModelTrait;
use shared::db::intervention;
use time::OffsetDateTime;
use uuid::Uuid;

/// A decision of an operator, or of a buyer by a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intervention {
    /// What.
    pub kind: Kind,
    /// Who.
    pub by: String,
    /// And why.
    pub why: String,
}

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The booking ends, and its seats are free.
    Cancel {
        /// Whose wish it is.
        wish: Wish,
        /// What goes back of the payment.
        refund: Share,
    },
    /// It is for another slot of the same offering.
    Move {
        /// The slot.
        slot_id: Uuid,
    },
    /// What needed attention is booked as it is.
    Book,
    /// What needed attention goes back, all of it.
    GiveBack,
    /// What needed attention is settled outside: it ends, and no money moves.
    End,
}

/// Whose wish an end is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// The shop's.
    Merchant,
    /// Who booked.
    Buyer,
}

/// What goes back of a payment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Share {
    /// All that is left.
    Full,
    /// Nothing.
    None,
    /// So much of it, in minor units.
    Part(i64),
    /// So much of it, or what is left if that is less: as the offering's policy says.
    UpTo(i64),
}

impl Intervention {
    /// The row that keeps it.
    pub fn row(&self, checkout_id: Uuid, now: OffsetDateTime) -> intervention::ActiveModel {
        let row = intervention::Model {
            id: Uuid::now_v7(),
            checkout_id,
            kind: self.kind.as_str().to_owned(),
            detail: self.kind.detail(),
            decided_by: self.by.clone(),
            why: self.why.clone(),
            created_at: now,
        };
        intervention::ActiveModel::from(row).reset_all()
    }
}

impl Kind {
    /// The word for the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cancel { .. } => "cancel",
            Self::Move { .. } => "move",
            Self::Book => "book",
            Self::GiveBack => "refund",
            Self::End => "end",
        }
    }

    /// What else is to be kept of it.
    pub fn detail(self) -> Option<String> {
        match self {
            Self::Cancel { refund, .. } => Some(match refund {
                Share::Full => "refund full".to_owned(),
                Share::None => "refund none".to_owned(),
                Share::Part(amount) | Share::UpTo(amount) => format!("refund {amount}"),
            }),
            Self::Move { slot_id } => Some(format!("to slot {slot_id}")),
            Self::Book | Self::GiveBack | Self::End => None,
        }
    }
}
