//! `worker booking list|find|show|cancel|move|resolve`

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use sea_orm::{DatabaseConnection, EntityTrait};
use serde_json::{Value, json};
use shared::{
    cancellation, clock,
    config::{DatabaseSettings, Env},
    db::{offering, slot},
    money::Amount,
};
use uuid::Uuid;

use crate::{
    config,
    fulfill_checkout::{
        Rules,
        intervene::left,
        intervention::{Intervention, Kind, Share, Wish},
    },
    operator::{
        booking_show::{Story, story},
        bookings::{
            Decided, Filter, Row,
            decide::{decide, preview},
            find, list,
        },
        command_line::{self, database, environment, line, operator_of},
        words::written,
    },
};

#[derive(Subcommand)]
pub enum Command {
    /// List bookings, the newest first, each with what to type next.
    List {
        #[command(flatten)]
        filter: Filter,
        #[command(flatten)]
        form: Form,
    },
    /// Find whatever has this e-mail address, name, reference or id, paid or not.
    Find {
        /// An e-mail address, a part of a name, a reference, an id of ours or of Stripe's.
        word: String,
        #[command(flatten)]
        form: Form,
    },
    /// Print the whole story of one: hold, payment, refunds, disputes, events.
    Show {
        /// A booking reference, or the id of a session (cs_), event (evt_), PaymentIntent (pi_),
        /// refund (re_), dispute (du_) or checkout.
        name: String,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// End a booking: its seats are free, and its payment goes back, or a part of it.
    Cancel {
        /// Its reference, or another name as for show.
        name: String,
        /// What goes back: full, none, policy (what the offering's says now), or an amount such as 12.50.
        #[arg(long, default_value = "full")]
        refund: String,
        #[command(flatten)]
        statement: Statement,
    },
    /// Move a booking to another slot of the same offering. Nothing is paid, nothing goes back.
    Move {
        /// Its reference, or another name as for show.
        name: String,
        /// The slot's id; see worker slot list.
        slot: Uuid,
        #[command(flatten)]
        statement: Statement,
    },
    /// Decide about a payment that needs attention.
    Resolve {
        /// Its reference, or another name as for show.
        name: String,
        #[command(flatten)]
        resolution: Resolution,
        #[command(flatten)]
        statement: Statement,
    },
}

#[derive(Args)]
pub struct Form {
    /// For programs.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// For a spreadsheet.
    #[arg(long)]
    csv: bool,
}

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

#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct Resolution {
    /// It is booked as it is, if there are seats.
    #[arg(long)]
    book: bool,
    /// All of it goes back.
    #[arg(long)]
    refund: bool,
    /// It is settled outside: it ends, and no money moves.
    #[arg(long)]
    end: bool,
}

pub async fn run(command: Command) -> anyhow::Result<()> {
    let env = environment()?;
    let db = database(&env).await?;
    match command {
        Command::List { filter, form } => print(&list(&db, &filter).await?, &form),
        Command::Find { word, form } => {
            let rows = find(&db, &word, 100).await?;
            if rows.is_empty() && !form.json && !form.csv {
                bail!("nothing here has {word:?} in its name, e-mail address, reference or ids");
            }
            print(&rows, &form)
        }
        Command::Show { name, json } => {
            let story = story(&db, &name).await?;
            if json {
                return command_line::json(&story.json());
            }
            line(story.to_string().trim_end());
            Ok(())
        }
        Command::Cancel {
            name,
            refund,
            statement,
        } => {
            let story = story(&db, &name).await?;
            let refund = share(&db, &refund, &story).await?;
            let wish = Wish::Merchant;
            act(&env, &db, &story, Kind::Cancel { wish, refund }, statement).await
        }
        Command::Move {
            name,
            slot,
            statement,
        } => {
            let story = story(&db, &name).await?;
            act(&env, &db, &story, Kind::Move { slot_id: slot }, statement).await
        }
        Command::Resolve {
            name,
            resolution,
            statement,
        } => {
            let story = story(&db, &name).await?;
            let kind = match resolution {
                Resolution { book: true, .. } => Kind::Book,
                Resolution { refund: true, .. } => Kind::GiveBack,
                Resolution { .. } => Kind::End,
            };
            act(&env, &db, &story, kind, statement).await
        }
    }
}

fn print(rows: &[Row], form: &Form) -> anyhow::Result<()> {
    if form.json {
        return command_line::json(&rows.iter().map(Row::json).collect::<Value>());
    }
    if form.csv {
        line(Row::csv(rows)?.trim_end());
        return Ok(());
    }
    if rows.is_empty() {
        line("no booking is like that");
    }
    rows.iter().for_each(line);
    Ok(())
}

/// `full`, `none`, `policy`, or an amount as people write it.
async fn share(db: &DatabaseConnection, text: &str, story: &Story) -> anyhow::Result<Share> {
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

async fn act(
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
