//! `worker slot list|close|open|set|recount`

mod close;

use anyhow::{Context as _, bail, ensure};
use clap::Subcommand;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, DatabaseConnection, EntityTrait,
    IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, sea_query::LockType,
};
use serde_json::{Value, json};
use shared::{
    clock,
    db::{self, checkout, offering, slot},
};
use uuid::Uuid;

use self::close::Close;
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

async fn find(conn: &impl sea_orm::ConnectionTrait, id: Uuid) -> anyhow::Result<slot::Model> {
    let found = slot::Entity::find_by_id(id)
        .lock(LockType::NoKeyUpdate)
        .one(conn)
        .await?;
    let found = found.with_context(|| format!("there is no slot {id}; see worker slot list"))?;
    ensure!(
        found.offering_id.is_some(),
        "it is of a resource, whose site says how many seats it has"
    );
    Ok(found)
}

async fn set_closed(db: &DatabaseConnection, id: Uuid, closed: bool) -> anyhow::Result<()> {
    let tx = db::begin(db).await?;
    let mut row = find(&tx, id).await?.into_active_model();
    row.closed = Set(closed);
    row.update(&tx).await?;
    tx.commit().await?;
    Ok(())
}

async fn set_capacity(db: &DatabaseConnection, id: Uuid, capacity: i32) -> anyhow::Result<()> {
    let tx = db::begin(db).await?;
    let row = find(&tx, id).await?;
    if capacity < row.seats_taken {
        let what = format!("{} seats of it are sold or held", row.seats_taken);
        bail!(catalogue::in_the_way(&tx, &row, &what).await?);
    }
    let mut row = row.into_active_model();
    row.capacity = Set(capacity);
    row.update(&tx).await?;
    tx.commit().await?;
    line(format!("{id} has {capacity} seats"));
    Ok(())
}

/// By the orders that hold them.
async fn recount(db: &DatabaseConnection, id: Uuid) -> anyhow::Result<()> {
    let tx = db::begin(db).await?;
    let row = slot::Entity::find_by_id(id)
        .lock(LockType::NoKeyUpdate)
        .one(&tx)
        .await?;
    let row = row.with_context(|| format!("there is no slot {id}"))?;
    let held: Vec<i32> = checkout::Entity::find()
        .select_only()
        .column(checkout::Column::Quantity)
        .filter(checkout::Column::SlotId.eq(id))
        .filter(checkout::Column::SeatsHeld.eq(true))
        .into_tuple()
        .all(&tx)
        .await?;
    let taken = held.into_iter().fold(0_i32, i32::saturating_add);
    let (before, capacity) = (row.seats_taken, row.capacity);
    ensure!(
        taken <= capacity,
        "{taken} seats are held and {capacity} there are: worker slot set --capacity first"
    );
    let mut row = row.into_active_model();
    row.seats_taken = Set(taken);
    row.update(&tx).await?;
    tx.commit().await?;
    line(format!("{id}: {taken} taken, {before} before"));
    Ok(())
}
