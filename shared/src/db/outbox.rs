//! `outbox`: what happened to bookings and payments, written by the transaction in which it happened,
//! and told to others after it.

use sea_orm::{entity::prelude::*, sea_query::Expr};
use time::OffsetDateTime;

use crate::db;

/// One row of `outbox`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "outbox")]
pub struct Model {
    /// What receivers know it by.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub kind: Kind,
    pub checkout_id: Uuid,
    /// Its place among those of the checkout, from 1.
    pub sequence: i32,
    /// What is told, as it is sent to all; JSON.
    pub document: String,
    pub created_at: TimeDateTimeWithTimeZone,
    /// Not handed on before this time. It is moved on by a worker that does, or is later from the beginning if the one
    /// that writes it does.
    pub due_at: TimeDateTimeWithTimeZone,
    /// Handed on to the broker's exchange, if there is one, and to every destination.
    pub done_at: Option<TimeDateTimeWithTimeZone>,
    /// The trace of the message that led to it, if one did.
    pub traceparent: Option<String>,
}

/// What happened: the type of the notification.
#[derive(Copy, Clone, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum Kind {
    /// The seats are the buyer's.
    #[sea_orm(string_value = "booking.confirmed")]
    BookingConfirmed,
    /// It is for another time now.
    #[sea_orm(string_value = "booking.moved")]
    BookingMoved,
    /// It ended, and its seats are free.
    #[sea_orm(string_value = "booking.cancelled")]
    BookingCancelled,
    /// There is nothing for the money: it is going back.
    #[sea_orm(string_value = "booking.refund_pending")]
    BookingRefundPending,
    /// Paid, and an operator has to decide.
    #[sea_orm(string_value = "booking.needs_attention")]
    BookingNeedsAttention,
    /// Another amount of the payment went back than before.
    #[sea_orm(string_value = "payment.refunded")]
    PaymentRefunded,
    /// The buyer's bank disputes the payment, or the dispute has come further.
    #[sea_orm(string_value = "payment.disputed")]
    PaymentDisputed,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::BookingConfirmed,
        Self::BookingMoved,
        Self::BookingCancelled,
        Self::BookingRefundPending,
        Self::BookingNeedsAttention,
        Self::PaymentRefunded,
        Self::PaymentDisputed,
    ];

    /// The word for programs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BookingConfirmed => "booking.confirmed",
            Self::BookingMoved => "booking.moved",
            Self::BookingCancelled => "booking.cancelled",
            Self::BookingRefundPending => "booking.refund_pending",
            Self::BookingNeedsAttention => "booking.needs_attention",
            Self::PaymentRefunded => "payment.refunded",
            Self::PaymentDisputed => "payment.disputed",
        }
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

/// Sets `column` of those with `ids`.
///
/// # Errors
///
/// [`DbErr`] if the database is in trouble.
pub async fn set(
    conn: &impl ConnectionTrait,
    ids: impl ExactSizeIterator<Item = Uuid>,
    column: Column,
    value: OffsetDateTime,
) -> Result<(), DbErr> {
    if ids.len() > 0 {
        Entity::update_many()
            .col_expr(column, Expr::value(value))
            .filter(db::one_of(conn.get_database_backend(), Column::Id, ids))
            .exec(conn)
            .await?;
    }
    Ok(())
}
