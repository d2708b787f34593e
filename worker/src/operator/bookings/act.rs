//! What an operator has decided: carried out, or only looked at.

use anyhow::{Context as _, bail};
use sea_orm::{DatabaseConnection, EntityTrait};
use shared::{
    cancellation, clock,
    db::{offering, slot},
    money::Amount,
};

use crate::{
    fulfill_checkout::{
        Rules,
        fulfill_error::FulfillError,
        intervene::{Refusal, left},
        intervention::{Intervention, Kind, Share},
    },
    operator::{
        booking_show::Story,
        bookings::{
            decide::{Decided, decide, preview},
            report::Report,
        },
    },
};

/// `full`, `none`, `policy`, or an amount as people write it.
pub async fn share(db: &DatabaseConnection, text: &str, story: &Story) -> anyhow::Result<Share> {
    match text {
        "full" => Ok(Share::Full),
        "none" => Ok(Share::None),
        "policy" => by_policy(db, story).await,
        amount => {
            let payment = story.record.payment.as_ref();
            let currency = payment
                .context("nothing was paid by it")?
                .currency
                .parse()?;
            let amount = Amount::parse(amount, currency);
            let amount = amount
                .context("--refund: expected full, none, policy or an amount such as 12.50")?;
            amount.check_price().context("--refund")?;
            Ok(Share::Part(amount.minor_units))
        }
    }
}

async fn by_policy(db: &DatabaseConnection, story: &Story) -> anyhow::Result<Share> {
    let slot = match story.record.checkout.slot_id {
        Some(id) => {
            let slot = slot::Entity::find_by_id(id);
            slot.find_also_related(offering::Entity).one(db).await?
        }
        None => None,
    };
    let Some((slot, Some(offering))) = slot else {
        bail!("it is for no slot of an offering, which has a policy");
    };
    let left = left(&story.record);
    let refund = cancellation::refund(&offering, &slot, left, clock::system());
    refund.map(Share::UpTo).context("its offering has no policy (worker offering set --cancellation-free-hours), or the slot has begun")
}

/// Decides about the booking of `story`, or only looks what would come of it.
pub async fn act(
    db: &DatabaseConnection,
    rules: Rules<'_>,
    story: &Story,
    intervention: Intervention,
    dry_run: bool,
) -> anyhow::Result<Report> {
    let kind = intervention.kind;
    let decided = if dry_run {
        preview(db, story, kind).await
    } else {
        decide(db, rules, story.record.checkout.id, intervention).await
    };
    let decided = match decided {
        Err(error) if was_resolved(story, kind, &error) => {
            Decided::Before(Refusal::NeedsNoAttention)
        }
        decided => decided?,
    };
    Ok(Report::new(story, kind, decided, dry_run))
}

/// Whether `error` says no more than that it was decided so before.
fn was_resolved(story: &Story, kind: Kind, error: &anyhow::Error) -> bool {
    let refusal = match error.downcast_ref::<FulfillError>() {
        Some(FulfillError::Refused(refusal)) => Some(refusal),
        _ => error.downcast_ref::<Refusal>(),
    };
    let last = story.interventions.last();
    refusal == Some(&Refusal::NeedsNoAttention) && last.is_some_and(|it| it.kind == kind.as_str())
}
