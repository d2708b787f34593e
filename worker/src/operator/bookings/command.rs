//! `worker booking list|find|show|cancel|move|resolve`

use anyhow::bail;
use clap::{Args, Subcommand};
use sea_orm::DatabaseConnection;
use shared::{
    clock,
    config::{DatabaseSettings, Env},
};
use uuid::Uuid;

use crate::{
    config,
    fulfill_checkout::{
        Rules,
        intervention::{Intervention, Kind, Wish},
    },
    operator::{
        booking_show::{Story, StoryView, story},
        bookings::{
            Filter, Row,
            act::{act, share},
            find, list,
        },
        command_line::{self, database, environment, line, operator_of},
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
pub struct Form {
    /// For programs.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// For a spreadsheet.
    #[arg(long)]
    csv: bool,
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
                return command_line::json(&StoryView::from(&story));
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
            decide(&env, &db, &story, Kind::Cancel { wish, refund }, statement).await
        }
        Command::Move {
            name,
            slot,
            statement,
        } => {
            let story = story(&db, &name).await?;
            decide(&env, &db, &story, Kind::Move { slot_id: slot }, statement).await
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
            decide(&env, &db, &story, kind, statement).await
        }
    }
}

async fn decide(
    env: &Env,
    db: &DatabaseConnection,
    story: &Story,
    kind: Kind,
    statement: Statement,
) -> anyhow::Result<()> {
    let hook = config::booking_hook(env, &DatabaseSettings::from_env(env)?)?;
    let rules = Rules {
        policy: config::on_unfulfillable(env)?,
        hook: hook.as_ref(),
        clock: clock::system,
        handover: None,
    };
    let intervention = Intervention {
        kind,
        by: operator_of(env, statement.by.as_deref()),
        why: statement.why,
    };
    let report = act(db, rules, story, intervention, statement.dry_run).await?;
    if statement.json {
        return command_line::json(&report);
    }
    line(report);
    Ok(())
}

fn print(rows: &[Row], form: &Form) -> anyhow::Result<()> {
    if form.json {
        return command_line::json(&rows.iter().map(Row::view).collect::<Vec<_>>());
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
