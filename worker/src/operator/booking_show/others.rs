//! Other checkouts of the same wish, or that the site calls the same.

use sea_orm::{
    ActiveEnum, ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, JoinType, QueryFilter,
    QueryOrder, QuerySelect, RelationTrait,
};
use serde::Serialize;
use shared::db::{
    booking,
    checkout::{self, Column},
};
use utoipa::ToSchema;
use uuid::Uuid;

/// Those that are told of.
const MOST: u64 = 10;

/// One of them, and what is booked by it.
pub(super) struct Other(checkout::Model, Option<booking::Model>);

/// Another checkout of the same order, or that the site calls the same.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OtherView {
    checkout_id: Uuid,
    session_id: Option<String>,
    state: String,
    booking: Option<OtherBookingView>,
}

#[derive(Debug, Serialize, ToSchema)]
struct OtherBookingView {
    reference: String,
    status: String,
    reason: Option<String>,
}

/// The latest first.
pub(super) async fn others(
    db: &impl ConnectionTrait,
    checkout: &checkout::Model,
) -> Result<Vec<Other>, DbErr> {
    let wish = checkout.order_fingerprint.as_ref();
    let reference = checkout.client_reference.as_ref();
    let same = Condition::any()
        .add_option(wish.map(|wish| Column::OrderFingerprint.eq(wish)))
        .add_option(reference.map(|reference| Column::ClientReference.eq(reference)));
    if same.is_empty() {
        return Ok(Vec::new());
    }
    let rows = checkout::Entity::find()
        .filter(same)
        .filter(Column::Id.ne(checkout.id))
        .order_by_desc(Column::CreatedAt)
        .limit(MOST)
        .join(JoinType::LeftJoin, checkout::Relation::Booking.def())
        .select_also(booking::Entity)
        .all(db)
        .await?;
    Ok(rows
        .into_iter()
        .map(|(checkout, booking)| Other(checkout, booking))
        .collect())
}

impl Other {
    /// For programs.
    pub(super) fn view(&self) -> OtherView {
        let Self(checkout, booking) = self;
        OtherView {
            checkout_id: checkout.id,
            session_id: checkout.session_id.clone(),
            state: checkout.state.to_value(),
            booking: booking.as_ref().map(|it| OtherBookingView {
                reference: it.reference.clone(),
                status: it.status.to_value(),
                reason: it.reason.clone(),
            }),
        }
    }

    /// In two lines.
    pub(super) fn lines(&self) -> [String; 2] {
        let Self(checkout, booking) = self;
        let id = checkout.session_id.clone();
        let booking = booking.as_ref().map_or(String::new(), |it| {
            format!(", {}  {}", it.reference, it.status.to_value())
        });
        let state = checkout.state.to_value();
        [
            id.unwrap_or_else(|| checkout.id.to_string()),
            format!("{state}{booking}"),
        ]
    }
}
