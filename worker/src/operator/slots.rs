//! `worker slot list|close|open|set|recount`

mod change;
mod close;

use anyhow::Context as _;
use clap::Subcommand;
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::{Value, json};
use shared::{
    clock,
    db::{offering, slot},
};
use uuid::Uuid;

use self::{
    change::{recount, set_capacity, set_closed},
    close::Close,
};
use crate::{
    catalogue,
    operator::{
        command_line::{self, database, environment, line},
        words::{moment, rfc3339},
    },
};

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
    let mut rows = slot::Entity::find()
        .find_also_related(offering::Entity)
        .filter(slot::Column::StartsAt.gt(clock::system()))
        .filter(slot::Column::OfferingId.is_not_null())
        .order_by_asc(slot::Column::StartsAt)
        .limit(limit);
    if let Some(key) = of {
        let found = catalogue::find(db, key).await?;
        let found = found.with_context(|| format!("there is no offering {key}"))?;
        rows = rows.filter(slot::Column::OfferingId.eq(found.id));
    }
    let rows = rows.all(db).await?;
    if as_json {
        let rows = rows.iter().map(|(it, offering)| {
            json!({
                "id": it.id,
                "offering_id": it.offering_id,
                "offering": offering.as_ref().map(|it| &it.name),
                "starts_at": rfc3339(it.starts_at),
                "ends_at": rfc3339(it.ends_at),
                "capacity": it.capacity,
                "seats_taken": it.seats_taken,
                "closed": it.closed,
            })
        });
        return command_line::json(&rows.collect::<Value>());
    }
    if rows.is_empty() {
        line("no slot is to come");
    }
    for (it, offering) in &rows {
        let name = offering.as_ref().map_or("?", |it| it.name.as_str());
        let closed = if it.closed { ", closed" } else { "" };
        let (at, taken, capacity) = (moment(it.starts_at), it.seats_taken, it.capacity);
        line(format!("{}  {name}", it.id));
        line(format!("    {at}, {taken} of {capacity} taken{closed}"));
    }
    Ok(())
}
