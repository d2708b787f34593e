//! `worker offering list|close|open|set`

use anyhow::{Context as _, ensure};
use clap::{Args, Subcommand};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, DatabaseConnection, EntityTrait, IntoActiveModel,
    QueryOrder,
};
use serde_json::{Value, json};
use shared::db::offering;

use crate::{
    catalogue::{self, RawOffering},
    operator::{
        command_line::{self, database, environment, line},
        words::{wrapped, written},
    },
};

#[derive(Subcommand)]
pub enum Command {
    /// List offerings.
    List {
        /// For programs.
        #[arg(long)]
        json: bool,
    },
    /// Sell it no more. What is sold stays sold.
    Close {
        /// Its key, or its id.
        key: String,
    },
    /// Sell it again.
    Open {
        /// Its key, or its id.
        key: String,
    },
    /// Change what is said of it. Orders that are made keep their price.
    Set(Fields),
}

#[derive(Args)]
pub struct Fields {
    /// Its key, or its id.
    key: String,
    #[arg(long)]
    name: Option<String>,
    #[arg(long)]
    description: Option<String>,
    /// Of one seat, such as 49.00, in its currency.
    #[arg(long)]
    price: Option<String>,
    /// Such as Europe/Berlin. Its slots stay at the moment at which they are.
    #[arg(long)]
    time_zone: Option<String>,
    #[arg(long)]
    location: Option<String>,
    /// Until so many hours before a slot a buyer who cancels gets all of it back.
    #[arg(long, value_name = "HOURS")]
    cancellation_free_hours: Option<i64>,
    /// After that, so much in a hundred.
    #[arg(long, value_name = "PERCENT")]
    cancellation_late_percent: Option<i64>,
}

pub async fn run(command: Command) -> anyhow::Result<()> {
    let db = database(&environment()?).await?;
    match command {
        Command::List { json } => list(&db, json).await,
        Command::Close { key } => set_closed(&db, &key, true).await,
        Command::Open { key } => set_closed(&db, &key, false).await,
        Command::Set(fields) => set(&db, fields).await,
    }
}

async fn find(db: &DatabaseConnection, key: &str) -> anyhow::Result<offering::Model> {
    let found = catalogue::find(db, key).await?;
    found.with_context(|| format!("there is no offering {key}; see worker offering list"))
}

fn key(row: &offering::Model) -> String {
    row.key.clone().unwrap_or_else(|| row.id.to_string())
}

async fn list(db: &DatabaseConnection, as_json: bool) -> anyhow::Result<()> {
    let by_name = offering::Entity::find().order_by_asc(offering::Column::Name);
    let rows = by_name.all(db).await?;
    if as_json {
        let rows = rows.iter().map(|it| {
            json!({
                "id": it.id,
                "key": it.key,
                "name": it.name,
                "unit_amount": it.unit_amount_minor_units,
                "currency": it.currency,
                "time_zone": it.time_zone,
                "location": it.location,
                "closed": it.closed,
                "cancellation_free_hours": it.cancellation_free_hours,
                "cancellation_late_percent": it.cancellation_late_percent,
            })
        });
        return command_line::json(&rows.collect::<Value>());
    }
    if rows.is_empty() {
        line("nothing is offered; worker catalogue apply FILE makes a catalogue");
    }
    for it in &rows {
        let price = written(it.unit_amount_minor_units, &it.currency);
        let closed = if it.closed { ", closed" } else { "" };
        let zone = it.time_zone.as_deref().unwrap_or("UTC");
        line(wrapped(&format!("{}  {}", key(it), it.name), 4));
        line(format!("    {price} a seat, {zone}{closed}"));
        line(format!("    worker slot list --offering {}", key(it)));
    }
    Ok(())
}

async fn set_closed(db: &DatabaseConnection, name: &str, closed: bool) -> anyhow::Result<()> {
    let row = find(db, name).await?;
    let name = key(&row);
    let mut row = row.into_active_model();
    row.closed = Set(closed);
    row.update(db).await?;
    let word = if closed { "closed" } else { "open" };
    line(format!("{name} is {word}"));
    Ok(())
}

/// By the same checks as a file.
async fn set(db: &DatabaseConnection, fields: Fields) -> anyhow::Result<()> {
    let before = find(db, &fields.key).await?;
    let text = |text: &str| Some(text.to_owned()).filter(|it| !it.is_empty());
    let raw = RawOffering {
        place: key(&before),
        key: Some(key(&before)),
        name: fields.name.or_else(|| text(&before.name)),
        description: fields.description.or_else(|| text(&before.description)),
        price: fields.price.or_else(|| Some(catalogue::price(&before))),
        currency: Some(before.currency.clone()),
        time_zone: fields.time_zone.or_else(|| before.time_zone.clone()),
        location: fields.location.or_else(|| before.location.clone()),
        closed: Some(before.closed),
        cancellation_free_hours: fields
            .cancellation_free_hours
            .or(before.cancellation_free_hours.map(Into::into)),
        cancellation_late_percent: fields
            .cancellation_late_percent
            .or(before.cancellation_late_percent.map(Into::into)),
        slots: Vec::new(),
    };
    let checked = catalogue::check(vec![raw]).map_err(|problems| {
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        anyhow::anyhow!(problems.join("\n"))
    })?;
    let wanted = checked.into_iter().next().context("nothing to set")?;
    let name = key(&before);
    let row = offering::Model {
        name: wanted.name,
        description: wanted.description,
        unit_amount_minor_units: wanted.price.minor_units,
        time_zone: wanted.time_zone,
        location: wanted.location,
        cancellation_free_hours: wanted.cancellation_free_hours,
        cancellation_late_percent: wanted.cancellation_late_percent,
        ..before.clone()
    };
    ensure!(row != before, "nothing to change; see --help");
    let mut change = before.into_active_model();
    change.name.set_if_not_equals(row.name);
    change.description.set_if_not_equals(row.description);
    change
        .unit_amount_minor_units
        .set_if_not_equals(row.unit_amount_minor_units);
    change.time_zone.set_if_not_equals(row.time_zone);
    change.location.set_if_not_equals(row.location);
    change
        .cancellation_free_hours
        .set_if_not_equals(row.cancellation_free_hours);
    change
        .cancellation_late_percent
        .set_if_not_equals(row.cancellation_late_percent);
    change.update(db).await?;
    line(format!("{name} is changed"));
    Ok(())
}
