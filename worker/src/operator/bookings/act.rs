//! What an operator has decided: carried out, or only looked at, and reported.

use anyhow::{Context as _, bail};
use clap::Args;
use sea_orm::{DatabaseConnection, EntityTrait};
use serde_json::json;
use shared::{
    cancellation, clock,
    config::{DatabaseSettings, Env},
    db::{offering, slot},
    money::Amount,
};

use crate::{
    config,
    fulfill_checkout::{
        Rules,
        intervene::left,
        intervention::{Intervention, Kind, Share},
    },
    operator::{
        booking_show::Story,
        bookings::{
            Decided,
            decide::{decide, preview},
        },
        command_line::{self, line, operator_of},
        words::written,
    },
};

/// Who decides, and why; kept with the booking.
#[derive(Args)]
pub struct Statement {
    /// Why; kept with the booking.
    #[arg(long)]
    why: String,
    /// Who; kept with the booking.
    #[arg(long)]
    by: Option<String>,
    /// Only say what would happen.
    #[arg(long)]
    dry_run: bool,
    /// For programs.
    #[arg(long)]
    json: bool,
}

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

/// Decides about the booking of `story`.
pub async fn act(
    env: &Env,
    db: &DatabaseConnection,
    story: &Story,
    kind: Kind,
    statement: Statement,
) -> anyhow::Result<()> {
    let decided = if statement.dry_run {
        preview(db, story, kind).await?
    } else {
        let hook = config::booking_hook(env, &DatabaseSettings::from_env(env)?)?;
        let rules = Rules {
            policy: config::on_unfulfillable(env)?,
            hook: hook.as_ref(),
            clock: clock::system,
        };
        let intervention = Intervention {
            kind,
            by: operator_of(env, statement.by.as_deref()),
            why: statement.why.clone(),
        };
        decide(db, rules, story.record.checkout.id, intervention).await?
    };
    report(story, kind, &statement, decided)
}

fn report(
    story: &Story,
    kind: Kind,
    statement: &Statement,
    decided: Decided,
) -> anyhow::Result<()> {
    let name = story.name();
    let (done, refund) = match decided {
        Decided::Done { refund } => (true, refund),
        Decided::Before(_) => (false, 0),
    };
    if statement.json {
        return command_line::json(&json!({
            "name": name,
            "decided": kind.as_str(),
            "dry_run": statement.dry_run,
            "done": done && !statement.dry_run,
            "refund": refund,
            "currency": story.record.checkout.currency,
        }));
    }
    if let Decided::Before(refusal) = decided {
        line(format!("{name}: nothing to do, {refusal}"));
        return Ok(());
    }
    let would = if statement.dry_run { "would be" } else { "is" };
    let word = match kind {
        Kind::Cancel { .. } => "cancelled, its seats free",
        Kind::Move { .. } => "moved",
        Kind::Book => "booked",
        Kind::GiveBack => "given back, its seats free",
        Kind::End => "ended, its seats free",
    };
    line(format!("{name} {would} {word}"));
    if refund > 0 {
        let currency = story.record.checkout.currency.as_str();
        let money = written(refund, currency);
        let verb = if statement.dry_run {
            "would go"
        } else {
            "goes"
        };
        line(format!(
            "{money} {verb} back; a worker does it, and worker booking show says when"
        ));
    }
    Ok(())
}
