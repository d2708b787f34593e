//! What becomes of a hold once Stripe was asked for its session.

use sea_orm::{
    ColumnTrait, DatabaseConnection, DbErr, EntityTrait, QueryFilter, QuerySelect, sea_query::Expr,
};
use shared::{
    db::{
        self,
        checkout::{self, State},
        seats,
    },
    stripe::client::CreatedCheckoutSession,
};
use uuid::Uuid;

use crate::{
    hold_seats::idempotency::forget_key, http::error::ApiError, wish::was_booked_meanwhile,
};

/// Notes the session that Stripe made for a hold.
pub async fn attach_session(
    db: &DatabaseConnection,
    checkout_id: Uuid,
    session: &CreatedCheckoutSession,
) -> Result<checkout::Model, ApiError> {
    checkout::Entity::update_many()
        .col_expr(
            checkout::Column::SessionId,
            Expr::value(session.id.as_str()),
        )
        .col_expr(
            checkout::Column::CheckoutUrl,
            Expr::value(session.url.as_str()),
        )
        .filter(checkout::Column::Id.eq(checkout_id))
        .filter(checkout::Column::State.ne(State::Abandoned))
        .exec(&db::writer(db).await?)
        .await?;
    let checkout = checkout::Entity::find_by_id(checkout_id).one(db).await?;
    let checkout = checkout.ok_or(ApiError::CheckoutConflict)?;
    if was_booked_meanwhile(db, &checkout, session.id.as_str()).await? {
        // The worker saw no session to end when the other was booked. The sweep will: paid before that,
        // it goes back.
        checkout::Entity::update_many()
            .col_expr(
                checkout::Column::ExpiresAt,
                Expr::value(checkout.created_at),
            )
            .filter(checkout::Column::Id.eq(checkout_id))
            .exec(&db::writer(db).await?)
            .await?;
    }
    Ok(checkout)
}

/// Frees the seats of a hold that got no session, and its `Idempotency-Key`, so that the
/// buyer can simply try again.
///
/// Returns the checkout if it has a session that can be paid: another request with the same key
/// may have got it meanwhile.
pub async fn give_back(
    db: &DatabaseConnection,
    checkout_id: Uuid,
) -> Result<Option<checkout::Model>, DbErr> {
    let tx = db::begin(db).await?;
    let checkout = checkout::Entity::find_by_id(checkout_id)
        .lock_exclusive()
        .one(&tx)
        .await?;
    let Some(mut checkout) = checkout else {
        return Ok(None);
    };
    if checkout.session_id.is_some() {
        let open = checkout.state == State::Open && checkout.checkout_url.is_some();
        return Ok(open.then_some(checkout));
    }
    checkout::advance(&tx, &mut checkout, State::Abandoned).await?;
    seats::free(&tx, &checkout).await?;
    forget_key(&tx, checkout_id).await?;
    tx.commit().await?;
    Ok(None)
}
