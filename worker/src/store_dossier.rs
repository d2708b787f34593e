//! What has changed in dossiers becomes rows: what many have in common in one statement, the rest
//! one by one.

use std::collections::HashMap;

use sea_orm::{ActiveModelTrait, ColumnTrait, DbErr, EntityTrait, QueryFilter, sea_query::Expr};
use shared::db::{
    self, Writes, booking,
    checkout::{self, State},
    dispute, outbox, payment, refund,
};
use uuid::Uuid;

use crate::dossier::Dossier;

/// Adds what has changed to `writes`.
pub fn store<'a>(
    writes: &mut Writes,
    dossiers: impl Iterator<Item = &'a Dossier>,
) -> Result<(), DbErr> {
    let changed: Vec<&Dossier> = dossiers.filter(|it| it.known != it.stored).collect();
    store_checkouts(writes, &changed);
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
    payments.store(writes)?;
    bookings.store(writes)?;
    refunds.store(writes)?;
    disputes.store(writes)?;
    promises.store(writes)
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

    fn store(self, writes: &mut Writes) -> Result<(), DbErr> {
        for row in self.changed {
            writes.update_row(row);
        }
        writes.insert(self.new)
    }
}

/// Seats are not among it: they are taken and freed when that is decided, because the database
/// has the last word.
fn store_checkouts(writes: &mut Writes, changed: &[&Dossier]) {
    let mut states: HashMap<&'static str, (State, Vec<Uuid>)> = HashMap::new();
    for Dossier { known, stored } in changed {
        let (now, before) = (&known.checkout, &stored.checkout);
        let one_by_one = now.session_id != before.session_id
            || now.stripe_checked_at != before.stripe_checked_at;
        if one_by_one {
            let update = checkout::Entity::update_many()
                .col_expr(checkout::Column::State, Expr::value(now.state))
                .col_expr(
                    checkout::Column::SessionId,
                    Expr::value(now.session_id.clone()),
                )
                .col_expr(
                    checkout::Column::StripeCheckedAt,
                    Expr::value(now.stripe_checked_at),
                )
                .filter(checkout::Column::Id.eq(now.id));
            writes.update(update);
        } else if now.state != before.state {
            let of_state = states.entry(now.state.as_str());
            of_state.or_insert((now.state, Vec::new())).1.push(now.id);
        }
    }
    for (state, ids) in states.into_values() {
        let update = checkout::Entity::update_many()
            .col_expr(checkout::Column::State, Expr::value(state))
            .filter(db::one_of(writes.backend(), checkout::Column::Id, ids));
        writes.update(update);
    }
}
