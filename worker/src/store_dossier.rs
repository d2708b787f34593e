//! What has changed in dossiers becomes rows: what many have in common in one statement, the rest
//! one by one.

use std::collections::HashMap;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter,
    sea_query::Expr,
};
use shared::db::{
    self, booking,
    checkout::{self, State},
    dispute, outbox, payment, refund,
};
use uuid::Uuid;

use crate::dossier::{Dossier, Known};

/// Writes what has changed.
pub async fn store<'a>(
    tx: &impl ConnectionTrait,
    dossiers: impl Iterator<Item = &'a Dossier>,
) -> Result<(), DbErr> {
    let changed: Vec<&Dossier> = dossiers.filter(|it| it.known != it.stored).collect();
    store_checkouts(tx, &changed).await?;
    let mut payments = Vec::new();
    let mut bookings = Vec::new();
    for Dossier { known, stored } in &changed {
        match (&known.payment, &stored.payment) {
            (Some(new), None) => payments.push(payment::ActiveModel::from(new.clone()).reset_all()),
            (Some(now), Some(before)) if now != before => {
                let row = payment::ActiveModel::from(now.clone()).reset_all();
                row.update(tx).await?;
            }
            _ => {}
        }
        match (&known.booking, &stored.booking) {
            (Some(new), None) => bookings.push(booking::ActiveModel::from(new.clone()).reset_all()),
            (Some(now), Some(before)) if now != before => {
                let row = booking::ActiveModel::from(now.clone()).reset_all();
                row.update(tx).await?;
            }
            _ => {}
        }
        store_what_is_rare(tx, known, stored).await?;
    }
    if !payments.is_empty() {
        payment::Entity::insert_many(payments)
            .exec_without_returning(tx)
            .await?;
    }
    if !bookings.is_empty() {
        booking::Entity::insert_many(bookings)
            .exec_without_returning(tx)
            .await?;
    }
    Ok(())
}

/// Seats are not among it: they are taken and freed when that is decided, because the database
/// has the last word.
async fn store_checkouts(tx: &impl ConnectionTrait, changed: &[&Dossier]) -> Result<(), DbErr> {
    let mut states: HashMap<&'static str, (State, Vec<Uuid>)> = HashMap::new();
    for Dossier { known, stored } in changed {
        let (now, before) = (&known.checkout, &stored.checkout);
        let one_by_one = now.session_id != before.session_id
            || now.stripe_checked_at != before.stripe_checked_at;
        if one_by_one {
            checkout::Entity::update_many()
                .col_expr(checkout::Column::State, Expr::value(now.state))
                .col_expr(
                    checkout::Column::SessionId,
                    Expr::value(now.session_id.clone()),
                )
                .col_expr(
                    checkout::Column::StripeCheckedAt,
                    Expr::value(now.stripe_checked_at),
                )
                .filter(checkout::Column::Id.eq(now.id))
                .exec(tx)
                .await?;
        } else if now.state != before.state {
            let of_state = states.entry(now.state.as_str());
            of_state.or_insert((now.state, Vec::new())).1.push(now.id);
        }
    }
    for (state, ids) in states.into_values() {
        checkout::Entity::update_many()
            .col_expr(checkout::Column::State, Expr::value(state))
            .filter(db::one_of(tx, checkout::Column::Id, ids))
            .exec(tx)
            .await?;
    }
    Ok(())
}

async fn store_what_is_rare(
    tx: &impl ConnectionTrait,
    known: &Known,
    stored: &Known,
) -> Result<(), DbErr> {
    for row in &known.refunds {
        match stored.refunds.iter().find(|it| it.id == row.id) {
            None => {
                let new = refund::ActiveModel::from(row.clone()).reset_all();
                refund::Entity::insert(new)
                    .exec_without_returning(tx)
                    .await?;
            }
            Some(before) if before != row => {
                let row = refund::ActiveModel::from(row.clone()).reset_all();
                row.update(tx).await?;
            }
            Some(_) => {}
        }
    }
    for row in &known.disputes {
        match stored.disputes.iter().find(|it| it.id == row.id) {
            None => {
                let new = dispute::ActiveModel::from(row.clone()).reset_all();
                dispute::Entity::insert(new)
                    .exec_without_returning(tx)
                    .await?;
            }
            Some(before) if before != row => {
                let row = dispute::ActiveModel::from(row.clone()).reset_all();
                row.update(tx).await?;
            }
            Some(_) => {}
        }
    }
    match (&known.promise, &stored.promise) {
        (Some(new), None) => {
            let new = outbox::ActiveModel::from(new.clone()).reset_all();
            outbox::Entity::insert(new)
                .exec_without_returning(tx)
                .await?;
        }
        (Some(now), Some(before)) if now != before => {
            let row = outbox::ActiveModel::from(now.clone()).reset_all();
            row.update(tx).await?;
        }
        _ => {}
    }
    Ok(())
}
