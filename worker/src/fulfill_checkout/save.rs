//! Saving drafts: new rows, and changes that many have in common, go to the writes at the end of
//! the transaction; the rest is written one by one.

use std::collections::HashMap;

use sea_orm::{
    ActiveModelBehavior, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, IntoActiveModel,
    QueryFilter, sea_query::Expr,
};
use shared::db::{
    self, Writes, booking,
    checkout::{self, Column, State},
    dispute, owed_refund, payment, refund,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::fulfill_checkout::record::Draft;

/// Writes what has changed, or adds it to `writes`.
pub async fn save<'a>(
    tx: &impl ConnectionTrait,
    writes: &mut Writes,
    drafts: impl Iterator<Item = &'a Draft>,
) -> Result<(), DbErr> {
    let changed: Vec<&Draft> = drafts.filter(|it| it.current != it.persisted).collect();
    save_checkouts(tx, writes, &changed).await?;
    let mut payments = Changes::<payment::ActiveModel>::default();
    let mut bookings = Changes::<booking::ActiveModel>::default();
    let mut refunds = Changes::<refund::ActiveModel>::default();
    let mut disputes = Changes::<dispute::ActiveModel>::default();
    let mut owed = Changes::<owed_refund::ActiveModel>::default();
    for Draft { current, persisted } in changed {
        payments.note(current.payment.as_ref(), persisted.payment.as_ref());
        bookings.note(current.booking.as_ref(), persisted.booking.as_ref());
        for row in &current.refunds {
            let before = persisted.refunds.iter().find(|it| it.id == row.id);
            refunds.note(Some(row), before);
        }
        for row in &current.disputes {
            let before = persisted.disputes.iter().find(|it| it.id == row.id);
            disputes.note(Some(row), before);
        }
        owed.note(current.owed_refund.as_ref(), persisted.owed_refund.as_ref());
        if current.owed_refund.is_none() && persisted.owed_refund.is_some() {
            owed_refund::Entity::delete_by_id(current.checkout.id)
                .exec(tx)
                .await?;
        }
    }
    payments.save(tx, writes).await?;
    bookings.save(tx, writes).await?;
    refunds.save(tx, writes).await?;
    disputes.save(tx, writes).await?;
    owed.save(tx, writes).await
}

/// Rows of one table that are not yet what they shall be.
#[derive(Default)]
struct Changes<A> {
    new: Vec<A>,
    changed: Vec<A>,
}

impl<A> Changes<A>
where
    A: ActiveModelBehavior + Send,
    <A::Entity as EntityTrait>::Model: IntoActiveModel<A>,
{
    fn note<M: Into<A> + Clone + PartialEq>(&mut self, now: Option<&M>, before: Option<&M>) {
        let Some(row) = now.filter(|_| now != before) else {
            return;
        };
        let rows = match before {
            None => &mut self.new,
            Some(_) => &mut self.changed,
        };
        rows.push(row.clone().into().reset_all());
    }

    async fn save(self, tx: &impl ConnectionTrait, writes: &mut Writes) -> Result<(), DbErr> {
        for row in self.changed {
            row.update(tx).await?;
        }
        writes.insert(self.new)
    }
}

/// Seats are not among it: they are taken and freed when that is decided, because the database
/// has the last word.
async fn save_checkouts(
    tx: &impl ConnectionTrait,
    writes: &mut Writes,
    changed: &[&Draft],
) -> Result<(), DbErr> {
    let mut alike: HashMap<(State, Option<OffsetDateTime>), Vec<Uuid>> = HashMap::new();
    for Draft { current, persisted } in changed {
        let (now, before) = (&current.checkout, &persisted.checkout);
        if now.session_id != before.session_id {
            let claimed = Expr::value(now.session_id.clone());
            checkout::Entity::update_many()
                .col_expr(Column::SessionId, claimed)
                .filter(Column::Id.eq(now.id))
                .exec(tx)
                .await?;
        }
        if now.slot_id != before.slot_id {
            checkout::Entity::update_many()
                .col_expr(Column::SlotId, Expr::value(now.slot_id))
                .col_expr(
                    Column::OrderFingerprint,
                    Expr::value(now.order_fingerprint.clone()),
                )
                .filter(Column::Id.eq(now.id))
                .exec(tx)
                .await?;
        }
        if now.expires_at != before.expires_at {
            checkout::Entity::update_many()
                .col_expr(Column::ExpiresAt, Expr::value(now.expires_at))
                .col_expr(
                    Column::ConfirmEnqueuedAt,
                    Expr::value(now.confirm_enqueued_at),
                )
                .filter(Column::Id.eq(now.id))
                .exec(tx)
                .await?;
        }
        if now.state != before.state || now.stripe_checked_at != before.stripe_checked_at {
            let same = alike.entry((now.state, now.stripe_checked_at));
            same.or_default().push(now.id);
        }
    }
    for ((state, checked_at), ids) in alike {
        let update = checkout::Entity::update_many()
            .col_expr(Column::State, Expr::value(state))
            .col_expr(Column::StripeCheckedAt, Expr::value(checked_at))
            .filter(db::one_of(writes.backend(), Column::Id, ids));
        writes.update(if state.is_undecided() {
            update
        } else {
            checkout::without_client(update)
        });
    }
    Ok(())
}
