//! `checkout`: one row per Checkout Session we created. It is the hold on the seats.

use sea_orm::{ExprTrait, entity::prelude::*, sea_query::Expr};

use super::slot;

/// One row of `checkout`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "checkout")]
pub struct Model {
    /// Also the session's `client_reference_id`, and the idempotency key of its creation.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub slot_id: Uuid,
    pub quantity: i32,
    /// What the buyer has to pay in all, in minor units of `currency`.
    pub amount_minor_units: i64,
    pub currency: String,
    pub customer_name: String,
    pub customer_email: String,
    pub state: State,
    /// `cs_…`, once Stripe has answered.
    pub session_id: Option<String>,
    /// Where the buyer pays.
    pub checkout_url: Option<String>,
    /// The request's `Idempotency-Key`, while it stands for this checkout.
    pub idempotency_key: Option<String>,
    /// Hash of that request's body.
    pub request_hash: Option<String>,
    pub created_at: TimeDateTimeWithTimeZone,
    /// End of the hold: the session's `expires_at`.
    pub expires_at: TimeDateTimeWithTimeZone,
    /// When a confirm job was last put on the queue.
    pub confirm_enqueued_at: Option<TimeDateTimeWithTimeZone>,
    /// When the worker last asked Stripe and found the session not final.
    pub stripe_checked_at: Option<TimeDateTimeWithTimeZone>,
}

/// How far a checkout has come. It only moves forward: from `Open` anywhere, from
/// `PaymentPending` to an end.
#[derive(Copy, Clone, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text")]
pub enum State {
    /// The buyer may pay; seats are held.
    #[sea_orm(string_value = "open")]
    Open,
    /// A delayed payment method is on its way; seats are held.
    #[sea_orm(string_value = "payment_pending")]
    PaymentPending,
    /// Paid: booking and payment exist and own the seats now.
    #[sea_orm(string_value = "fulfilled")]
    Fulfilled,
    /// The session expired unpaid; seats are free.
    #[sea_orm(string_value = "expired")]
    Expired,
    /// A delayed payment failed; seats are free.
    #[sea_orm(string_value = "payment_failed")]
    PaymentFailed,
    /// Stripe never made a session for it; seats are free.
    #[sea_orm(string_value = "abandoned")]
    Abandoned,
}

impl State {
    /// Whether the checkout holds its seats and may still end in any way.
    #[must_use]
    pub fn is_undecided(self) -> bool {
        matches!(self, Self::Open | Self::PaymentPending)
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(
        belongs_to = "super::slot::Entity",
        from = "Column::SlotId",
        to = "super::slot::Column::Id"
    )]
    Slot,
    #[sea_orm(has_one = "super::booking::Entity")]
    Booking,
    #[sea_orm(has_one = "super::payment::Entity")]
    Payment,
}

impl ActiveModelBehavior for ActiveModel {}

/// Ends an undecided checkout without a booking and frees its seats, once.
///
/// - `end`: the state to end in.
///
/// Returns whether this call did it; `false` if the checkout had already ended.
///
/// # Errors
///
/// [`DbErr`] if a statement fails.
pub async fn release(
    tx: &impl ConnectionTrait,
    checkout: &Model,
    end: State,
) -> Result<bool, DbErr> {
    let ended = Entity::update_many()
        .col_expr(Column::State, Expr::value(end))
        .filter(Column::Id.eq(checkout.id))
        .filter(Column::State.is_in([State::Open, State::PaymentPending]))
        .exec(tx)
        .await?;
    if ended.rows_affected == 0 {
        return Ok(false);
    }
    slot::Entity::update_many()
        .col_expr(
            slot::Column::SeatsTaken,
            Expr::col(slot::Column::SeatsTaken).sub(checkout.quantity),
        )
        .filter(slot::Column::Id.eq(checkout.slot_id))
        .exec(tx)
        .await?;
    Ok(true)
}
