//! `dispute`: a buyer took a payment to the bank.

use sea_orm::entity::prelude::*;
use serde::Deserialize;

/// One row of `dispute`. It may be there before its payment.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "dispute")]
pub struct Model {
    /// `du_…` (older ones `dp_…`).
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: String,
    pub checkout_id: Uuid,
    pub amount_minor_units: i64,
    pub currency: String,
    /// The buyer's, in Stripe's words.
    pub reason: String,
    pub status: Status,
    /// Stripe took the amount out of our balance.
    pub funds_withdrawn: bool,
    /// And put it back.
    pub funds_reinstated: bool,
    /// When we first heard of it.
    pub created_at: TimeDateTimeWithTimeZone,
    pub updated_at: TimeDateTimeWithTimeZone,
}

/// Stripe's `status` of a dispute, in the order in which it can change: an inquiry (`Warning…`)
/// may become a dispute, and either verdict may be overturned.
///
/// Source: <https://docs.stripe.com/api/disputes/object#dispute_object-status>
#[derive(
    Debug,
    Default,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Deserialize,
    EnumIter,
    DeriveActiveEnum,
)]
#[serde(from = "String")]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum Status {
    /// An inquiry, or a value that Stripe added later. No money moves.
    #[default]
    WarningNeedsResponse,
    WarningUnderReview,
    WarningClosed,
    NeedsResponse,
    UnderReview,
    /// Settled with the buyer's bank before it became one.
    Prevented,
    Lost,
    Won,
}

impl Status {
    /// How far it has come: of two verdicts, neither further than the other.
    #[must_use]
    pub fn rank(self) -> Self {
        self.min(Self::Lost)
    }

    /// Whether the bank has taken the money until there is a verdict.
    pub fn is_contested(self) -> bool {
        matches!(self, Self::NeedsResponse | Self::UnderReview)
    }

    /// Those without a verdict.
    pub const OPEN: [Self; 4] = [
        Self::WarningNeedsResponse,
        Self::WarningUnderReview,
        Self::NeedsResponse,
        Self::UnderReview,
    ];

    /// Whether there is no verdict yet.
    pub fn is_open(self) -> bool {
        Self::OPEN.contains(&self)
    }
}

impl From<String> for Status {
    fn from(word: String) -> Self {
        Self::try_from_value(&word).unwrap_or(Self::WarningNeedsResponse)
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl Model {
    /// Whether the money is gone for good. A dispute that was prevented may have taken it, too.
    pub fn is_lost(&self) -> bool {
        match self.status {
            Status::Lost => true,
            Status::Prevented => self.funds_withdrawn && !self.funds_reinstated,
            _ => false,
        }
    }
}
