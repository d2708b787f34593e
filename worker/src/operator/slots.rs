//! `worker slot list|close|open|set|recount`

mod change;
mod close;
mod to_come;

use clap::Subcommand;
use sea_orm::DatabaseConnection;
use uuid::Uuid;

use self::{
    change::{recount, set_capacity, set_closed},
    close::Close,
};
use crate::operator::command_line::{self, database, environment, line};

pub use self::to_come::{SlotView, to_come};

#[derive(Subcommand)]
pub enum Command {
    /// List slots to come, soonest first.
    List {
        /// Of this offering, by its key or id.
        #[arg(long)]
        offering: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u64).range(1..=100_000))]
        limit: u64,
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Sell no more seats of it; with --cancel, end what is sold.
    Close(Close),
    /// Sell it again.
    Open {
        /// Its id in the list.
        id: Uuid,
    },
    /// Count its taken seats anew, if they were changed by hand.
    Recount {
        /// Its id in the list.
        id: Uuid,
    },
    /// Change how many seats it has.
    Set {
        /// Its id in the list.
        id: Uuid,
        /// Not fewer than are sold or held.
        #[arg(long, value_parser = clap::value_parser!(i32).range(0..=100_000))]
        capacity: i32,
    },
}

pub async fn run(command: Command) -> anyhow::Result<()> {
    let env = environment()?;
    let db = database(&env).await?;
    match command {
        Command::List {
            offering,
            limit,
            json,
        } => list(&db, offering.as_deref(), limit, json).await,
        Command::Close(close) => close::close(&env, &db, close).await,
        Command::Open { id } => {
            set_closed(&db, id, false).await?;
            line(format!("{id} is open"));
            Ok(())
        }
        Command::Recount { id } => recount(&db, id).await,
        Command::Set { id, capacity } => set_capacity(&db, id, capacity).await,
    }
}

async fn list(
    db: &DatabaseConnection,
    of: Option<&str>,
    limit: u64,
    as_json: bool,
) -> anyhow::Result<()> {
    let slots = to_come(db, of, limit).await?;
    if as_json {
        return command_line::json(&slots);
    }
    if slots.is_empty() {
        line("no slot is to come");
    }
    slots.iter().for_each(line);
    Ok(())
}
