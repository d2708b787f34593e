//! `checkout`: one row per Checkout Session we created. It is the hold on the seats.

use sea_orm::{UpdateMany, entity::prelude::*, sea_query::Expr};
use sha2::{Digest, Sha256};

use crate::line_item::LineItems;

/// One row of `checkout`.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "checkout")]
pub struct Model {
    /// Also in the session's metadata, and the idempotency key of its creation.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    /// What is held; `None` if the site sells something that nothing has to be held for.
    pub slot_id: Option<Uuid>,
    /// Seats.
    pub quantity: i32,
    /// What is sold. Checkouts of earlier releases have none: they sold `quantity` seats of the
    /// slot's offering.
    pub line_items: Option<LineItems>,
    /// What the session may do besides selling them: an object of Stripe's parameters, and of those that a
    /// later release may add.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub options: Option<Json>,
    /// What all of it costs, in minor units of `currency`: Stripe's `amount_subtotal`.
    pub amount_minor_units: i64,
    pub currency: String,
    pub customer_name: String,
    pub customer_email: String,
    /// The buyer's language, such as `de-AT`.
    pub locale: Option<String>,
    pub state: State,
    /// Whether `quantity` seats of the slot, if there is one, are counted as taken for it. Seats are
    /// taken and freed together with this flag, and so once.
    pub seats_held: bool,
    /// `cs_…`, once Stripe has answered.
    pub session_id: Option<String>,
    /// Where the buyer pays.
    pub checkout_url: Option<String>,
    /// The request's `Idempotency-Key`, while it stands for this checkout.
    pub idempotency_key: Option<String>,
    /// Hash of that request's body.
    pub request_hash: Option<String>,
    /// Hash of the order's key and body: the same for every checkout that one order led to. One of
    /// them may become a booking.
    #[sea_orm(column_name = "intent")]
    pub order_fingerprint: Option<String>,
    /// What the site calls this order. Not unique.
    pub client_reference: Option<String>,
    /// What else the site gave along: an object of strings, private to it.
    #[sea_orm(column_type = "JsonBinary", nullable)]
    pub metadata: Option<Json>,
    /// Whose client ordered, by hashes of its network, until it is decided; after [`BEHIND_A_PEER`], one behind which
    /// there may be many. A site's own server has none.
    pub client: Option<String>,
    pub created_at: TimeDateTimeWithTimeZone,
    /// End of the hold: the session's `expires_at`.
    pub expires_at: TimeDateTimeWithTimeZone,
    /// When a confirm job was last put on the queue.
    pub confirm_enqueued_at: Option<TimeDateTimeWithTimeZone>,
    /// When the worker last asked Stripe and found the session not final.
    pub stripe_checked_at: Option<TimeDateTimeWithTimeZone>,
}

/// What the client of a checkout begins with, if its address may be a proxy's.
pub const BEHIND_A_PEER: &str = "behind ";

/// How far a checkout has come. It only moves forward: from `Open` over `PaymentPending` to an
/// end, and from any end to `Paid`, because money is a fact.
#[derive(Copy, Clone, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum)]
#[sea_orm(rs_type = "String", db_type = "Text", rename_all = "snake_case")]
pub enum State {
    /// The buyer may pay; seats are held.
    Open,
    /// A delayed payment method is on its way; seats are held.
    PaymentPending,
    /// Paid: booking and payment exist.
    Paid,
    /// The session expired unpaid; seats are free.
    Expired,
    /// A delayed payment failed; seats are free.
    PaymentFailed,
    /// Stripe never made a session for it; seats are free.
    Abandoned,
}

impl State {
    /// Whether the checkout may still end in any way.
    pub fn is_undecided(self) -> bool {
        matches!(self, Self::Open | Self::PaymentPending)
    }

    /// Whether a checkout in this state can go on to `next`.
    pub fn leads_to(self, next: Self) -> bool {
        self.rank() < next.rank()
    }

    fn rank(self) -> u8 {
        match self {
            Self::Open => 0,
            Self::PaymentPending => 1,
            Self::Expired | Self::PaymentFailed | Self::Abandoned => 2,
            Self::Paid => 3,
        }
    }
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {
    #[sea_orm(
        belongs_to = "crate::db::slot::Entity",
        from = "Column::SlotId",
        to = "crate::db::slot::Column::Id"
    )]
    Slot,
    #[sea_orm(has_one = "crate::db::booking::Entity")]
    Booking,
    #[sea_orm(has_one = "crate::db::payment::Entity")]
    Payment,
}

impl ActiveModelBehavior for ActiveModel {}

/// The hold ends at `now`; what can still be paid is ended by who finds it overdue.
pub async fn end_hold(
    tx: &impl ConnectionTrait,
    id: Uuid,
    now: TimeDateTimeWithTimeZone,
) -> Result<(), DbErr> {
    Entity::update_many()
        .col_expr(Column::ExpiresAt, Expr::value(now))
        .filter(Column::Id.eq(id))
        .exec(tx)
        .await?;
    Ok(())
}

/// Takes out what says who ordered, hashes of it included. Rows and amounts stay.
pub fn without_a_person() -> UpdateMany<Entity> {
    Entity::update_many()
        .col_expr(Column::CustomerName, Expr::value(""))
        .col_expr(Column::CustomerEmail, Expr::value(""))
        .col_expr(Column::Metadata, Expr::value(None::<Json>))
        .col_expr(Column::CheckoutUrl, Expr::value(None::<String>))
        .col_expr(Column::Client, Expr::value(None::<String>))
        .col_expr(Column::RequestHash, Expr::value(None::<String>))
        .col_expr(Column::OrderFingerprint, Expr::value(None::<String>))
}

/// Forgets whose client ordered, which counts only as long as the seats are not paid.
pub fn without_client(update: UpdateMany<Entity>) -> UpdateMany<Entity> {
    update.col_expr(Column::Client, Expr::value(None::<String>))
}

/// The fingerprint of an order of which one for this slot and e-mail address is enough.
pub fn fingerprint_of_email(slot_id: Uuid, email: &str) -> String {
    let wish = format!("email\n{slot_id}\n{}", email.to_lowercase());
    hex::encode(Sha256::digest(wish))
}

/// Moves a checkout, whose row the caller has locked, on to `next`, if it can go there.
pub async fn advance(
    tx: &impl ConnectionTrait,
    checkout: &mut Model,
    next: State,
) -> Result<(), DbErr> {
    if !checkout.state.leads_to(next) {
        return Ok(());
    }
    let mut update = Entity::update_many()
        .col_expr(Column::State, Expr::value(next))
        .filter(Column::Id.eq(checkout.id));
    if !next.is_undecided() {
        update = without_client(update);
    }
    update.exec(tx).await?;
    checkout.state = next;
    Ok(())
}
