//! What has changed in dossiers becomes rows: what is new or what many have in common goes to the
//! writes of the end, the rest is written one by one.

use std::collections::HashMap;

use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait,
    IntoActiveModel, QueryFilter, sea_query::Expr,
};
use shared::db::{
    self, Writes, booking,
    checkout::{self, State},
    dispute, outbox, payment, refund,
};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::fulfill_checkout::record::Dossier;

/// Writes what has changed, or adds it to `writes`.
pub async fn store<'a>(
    tx: &impl ConnectionTrait,
    writes: &mut Writes,
    dossiers: impl Iterator<Item = &'a Dossier>,
) -> Result<(), DbErr> {
    let changed: Vec<&Dossier> = dossiers.filter(|it| it.known != it.stored).collect();
    store_checkouts(tx, writes, &changed).await?;
    let mut payments = Changes::<payment::ActiveModel>::default();
    let mut bookings = Changes::<booking::ActiveModel>::default();
    let mut refunds = Changes::<refund::ActiveModel>::default();
    let mut disputes = Changes::<dispute::ActiveModel>::default();
    let mut promises = Changes::<outbox::ActiveModel>::default();
    for Dossier { known, stored } in changed {
        payments.note(known.payment.as_ref(), stored.payment.as_ref());
        bookings.note(known.booking.as_ref(), stored.booking.as_ref());
        for row in &known.refunds {
            let before = stored.refunds.iter().find(|it| it.id == row.id);
            refunds.note(Some(row), before);
        }
        for row in &known.disputes {
            let before = stored.disputes.iter().find(|it| it.id == row.id);
            disputes.note(Some(row), before);
        }
        promises.note(known.promise.as_ref(), stored.promise.as_ref());
    }
    payments.store(tx, writes).await?;
    bookings.store(tx, writes).await?;
    refunds.store(tx, writes).await?;
    disputes.store(tx, writes).await?;
    promises.store(tx, writes).await
}

/// Rows of one table that are not yet what they shall be.
struct Changes<A> {
    new: Vec<A>,
    changed: Vec<A>,
}

impl<A> Default for Changes<A> {
    fn default() -> Self {
        Self {
            new: Vec::new(),
            changed: Vec::new(),
        }
    }
}

impl<A: ActiveModelTrait> Changes<A> {
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
}

impl<A> Changes<A>
where
    A: ActiveModelBehavior + Send,
    <A::Entity as EntityTrait>::Model: IntoActiveModel<A>,
{
    async fn store(self, tx: &impl ConnectionTrait, writes: &mut Writes) -> Result<(), DbErr> {
        for row in self.changed {
            row.update(tx).await?;
        }
        writes.insert(self.new)
    }
}

/// Seats are not among it: they are taken and freed when that is decided, because the database
/// has the last word.
async fn store_checkouts(
    tx: &impl ConnectionTrait,
    writes: &mut Writes,
    changed: &[&Dossier],
) -> Result<(), DbErr> {
    let mut alike: HashMap<(State, Option<OffsetDateTime>), Vec<Uuid>> = HashMap::new();
    for Dossier { known, stored } in changed {
        let (now, before) = (&known.checkout, &stored.checkout);
        if now.session_id != before.session_id {
            let claimed = Expr::value(now.session_id.clone());
            checkout::Entity::update_many()
                .col_expr(checkout::Column::SessionId, claimed)
                .filter(checkout::Column::Id.eq(now.id))
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
            .col_expr(checkout::Column::State, Expr::value(state))
            .col_expr(checkout::Column::StripeCheckedAt, Expr::value(checked_at))
            .filter(db::one_of(writes.backend(), checkout::Column::Id, ids));
        writes.update(update);
    }
    Ok(())
}
