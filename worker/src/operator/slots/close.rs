//! `worker slot close`: no more seats are sold, and what is sold can be ended.

use anyhow::{bail, ensure};
use clap::Args;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, PaginatorTrait, QueryFilter};
use shared::{
    clock,
    config::{DatabaseSettings, Env},
    db::{
        booking::{self, Status},
        checkout::{self, State},
    },
};
use uuid::Uuid;

use crate::{
    config,
    fulfill_checkout::{
        Rules,
        intervention::{Intervention, Kind, Share, Wish},
    },
    operator::{
        bookings::decide,
        command_line::{line, operator_of},
        slots::change::{find, set_closed},
        words::counted,
    },
};

#[derive(Args)]
pub struct Close {
    /// Its id in the list.
    id: Uuid,
    /// Cancel its bookings: full gives all of each back, none nothing.
    #[arg(long, value_name = "full|none", num_args = 0..=1, default_missing_value = "full", requires = "why")]
    cancel: Option<String>,
    /// Why; kept with each booking.
    #[arg(long)]
    why: Option<String>,
    /// Who; kept with each booking.
    #[arg(long)]
    by: Option<String>,
    /// Only say what would happen.
    #[arg(long)]
    dry_run: bool,
}

/// Closes a slot, and cancels its bookings if asked to.
pub async fn close(env: &Env, db: &DatabaseConnection, close: Close) -> anyhow::Result<()> {
    let share = match close.cancel.as_deref() {
        None => None,
        Some("full") => Some(Share::Full),
        Some("none") => Some(Share::None),
        Some(_) => bail!("--cancel: expected full or none"),
    };
    let id = close.id;
    find(db, id).await?;
    if !close.dry_run {
        set_closed(db, id, true).await?;
    }
    // No seat of it is taken from now on; what is held may still be paid.
    let held = checkout::Entity::find()
        .filter(checkout::Column::SlotId.eq(id))
        .filter(checkout::Column::SeatsHeld.eq(true))
        .filter(checkout::Column::State.is_in([State::Open, State::PaymentPending]))
        .count(db)
        .await?;
    let bookings = booking::Entity::find()
        .filter(booking::Column::SlotId.eq(id))
        .filter(booking::Column::Status.is_in([Status::Confirmed, Status::NeedsAttention]))
        .all(db)
        .await?;
    let would = if close.dry_run { "would be" } else { "is" };
    line(format!("{id} {would} closed"));
    let Some(refund) = share else {
        if !bookings.is_empty() {
            line(format!(
                "{} stay: worker booking list --slot {id}",
                counted(bookings.len(), "booking")
            ));
        }
        return Ok(());
    };
    let hook = config::booking_hook(env, &DatabaseSettings::from_env(env)?)?;
    let mut failed: usize = 0;
    for it in &bookings {
        if close.dry_run {
            line(format!("{} would be cancelled", it.reference));
            continue;
        }
        let rules = Rules {
            policy: config::on_unfulfillable(env)?,
            hook: hook.as_ref(),
            clock: clock::system,
            handover: None,
        };
        let wish = Wish::Merchant;
        let intervention = Intervention {
            kind: Kind::Cancel { wish, refund },
            by: operator_of(env, close.by.as_deref()),
            why: close.why.clone().unwrap_or_default(),
        };
        match decide::decide(db, rules, it.checkout_id, intervention).await {
            Ok(_) => line(format!("{} is cancelled", it.reference)),
            Err(error) => {
                line(format!("{} is not cancelled: {error:#}", it.reference));
                failed = failed.saturating_add(1);
            }
        }
    }
    if held > 0 {
        let orders = counted(held, "order");
        let again = format!(
            "{orders} can still be paid, and would be booked: run this again when they have ended"
        );
        ensure!(close.dry_run, again);
        line(again);
    }
    ensure!(
        failed == 0,
        "{} could not be cancelled; try again",
        counted(failed, "booking")
    );
    Ok(())
}
