//! Writing down what Stripe said. Every row only moves forward, so that it ends the same in
//! whatever order the facts arrive, and however often.

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter,
    sea_query::{Expr, OnConflict},
};
use shared::{
    db::{
        checkout::{self, State},
        dispute, outbox, payment, refund,
    },
    refund::Refund,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::fact::{Dispute, Fact, Paid};

/// Writes `fact` down. The caller has locked the checkout's row.
pub async fn record(
    tx: &impl ConnectionTrait,
    checkout: &mut checkout::Model,
    fact: &Fact,
    now: OffsetDateTime,
) -> Result<(), DbErr> {
    match fact {
        Fact::Open => note_checked(tx, checkout, now).await,
        Fact::PaymentPending => {
            note_checked(tx, checkout, now).await?;
            checkout::advance(tx, checkout, State::PaymentPending).await
        }
        Fact::Expired => checkout::advance(tx, checkout, State::Expired).await,
        Fact::PaymentFailed => checkout::advance(tx, checkout, State::PaymentFailed).await,
        Fact::Paid(paid) => {
            record_payment(tx, checkout.id, paid, now).await?;
            checkout::advance(tx, checkout, State::Paid).await
        }
        Fact::Refunds(refunds) => record_refunds(tx, checkout.id, refunds, now).await,
        Fact::PromiseKept(refunds) => {
            record_refunds(tx, checkout.id, refunds, now).await?;
            outbox::Entity::update_many()
                .col_expr(outbox::Column::DoneAt, Expr::value(now))
                .filter(outbox::Column::CheckoutId.eq(checkout.id))
                .filter(outbox::Column::Kind.eq(outbox::Kind::Refund))
                .filter(outbox::Column::DoneAt.is_null())
                .exec(tx)
                .await?;
            Ok(())
        }
        Fact::Dispute(dispute) => record_dispute(tx, checkout.id, dispute, now).await,
    }
}

/// Lets confirm tell the buyer what Stripe said, while it is fresh.
async fn note_checked(
    tx: &impl ConnectionTrait,
    checkout: &checkout::Model,
    now: OffsetDateTime,
) -> Result<(), DbErr> {
    checkout::Entity::update_many()
        .col_expr(checkout::Column::StripeCheckedAt, Expr::value(now))
        .filter(checkout::Column::Id.eq(checkout.id))
        .exec(tx)
        .await?;
    Ok(())
}

async fn record_payment(
    tx: &impl ConnectionTrait,
    checkout_id: Uuid,
    paid: &Paid,
    now: OffsetDateTime,
) -> Result<(), DbErr> {
    let row = payment::Model {
        id: Uuid::now_v7(),
        checkout_id,
        session_id: paid.session_id.clone(),
        payment_intent_id: paid.payment_intent_id.clone(),
        amount_minor_units: paid.minor_units,
        amount_refunded_minor_units: 0,
        currency: paid.currency.clone(),
        status: payment::Status::Paid,
        dispute_status: None,
        created_at: now,
    };
    let on_conflict = OnConflict::column(payment::Column::SessionId)
        .do_nothing()
        .to_owned();
    payment::Entity::insert(payment::ActiveModel::from(row).reset_all())
        .on_conflict(on_conflict)
        .exec_without_returning(tx)
        .await?;
    Ok(())
}

async fn record_refunds(
    tx: &impl ConnectionTrait,
    checkout_id: Uuid,
    refunds: &[Refund],
    now: OffsetDateTime,
) -> Result<(), DbErr> {
    for refund in refunds {
        record_refund(tx, checkout_id, refund, now).await?;
    }
    Ok(())
}

async fn record_refund(
    tx: &impl ConnectionTrait,
    checkout_id: Uuid,
    refund: &Refund,
    now: OffsetDateTime,
) -> Result<(), DbErr> {
    let known = refund::Entity::find_by_id(&refund.id).one(tx).await?;
    let status = refund.status.unwrap_or(refund::Status::Pending);
    let mut row = refund::Model {
        id: refund.id.clone(),
        checkout_id,
        amount_minor_units: refund.amount,
        currency: refund.currency.clone(),
        status,
        created_at: now,
        updated_at: now,
    };
    let Some(known) = known else {
        let new = refund::ActiveModel::from(row).reset_all();
        return refund::Entity::insert(new)
            .exec_without_returning(tx)
            .await
            .map(drop);
    };
    if known.status < status {
        row.created_at = known.created_at;
        refund::ActiveModel::from(row)
            .reset_all()
            .update(tx)
            .await?;
    }
    Ok(())
}

async fn record_dispute(
    tx: &impl ConnectionTrait,
    checkout_id: Uuid,
    dispute: &Dispute,
    now: OffsetDateTime,
) -> Result<(), DbErr> {
    let mut row = dispute::Model {
        id: dispute.id.clone(),
        checkout_id,
        amount_minor_units: dispute.amount,
        currency: dispute.currency.clone(),
        reason: dispute.reason.clone(),
        status: dispute.status,
        funds_withdrawn: dispute.funds_withdrawn,
        funds_reinstated: dispute.funds_reinstated,
        created_at: now,
        updated_at: now,
    };
    let Some(known) = dispute::Entity::find_by_id(&dispute.id).one(tx).await? else {
        let new = dispute::ActiveModel::from(row).reset_all();
        return dispute::Entity::insert(new)
            .exec_without_returning(tx)
            .await
            .map(drop);
    };
    row.funds_withdrawn |= known.funds_withdrawn;
    row.funds_reinstated |= known.funds_reinstated;
    if known.status >= row.status {
        row.amount_minor_units = known.amount_minor_units;
        row.currency = known.currency;
        row.reason = known.reason;
        row.status = known.status;
    }
    row.created_at = known.created_at;
    let row = dispute::ActiveModel::from(row).reset_all();
    row.update(tx).await?;
    Ok(())
}
