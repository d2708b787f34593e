//! The catalogue as a file that leads to it again.

use jiff::{Timestamp, tz::TimeZone};
use shared::{
    db::{offering, slot},
    money::{Amount, Currency},
};
use time::OffsetDateTime;
use toml::{Table, Value};

/// The price as a file has it.
pub fn price(row: &offering::Model) -> String {
    let Ok(currency) = row.currency.parse::<Currency>() else {
        return row.unit_amount_minor_units.to_string();
    };
    let amount = Amount {
        minor_units: row.unit_amount_minor_units,
        currency,
    };
    amount.plain()
}

/// As the clocks show it where it takes place.
fn there(at: OffsetDateTime, row: &offering::Model) -> String {
    let zone = row
        .time_zone
        .as_deref()
        .and_then(|it| TimeZone::get(it).ok());
    let zone = zone.unwrap_or(TimeZone::UTC);
    let at = Timestamp::from_second(at.unix_timestamp()).unwrap_or_default();
    at.to_zoned_datetime(zone)
        .strftime("%Y-%m-%dT%H:%M:%S")
        .to_string()
}

fn key(row: &offering::Model) -> String {
    row.key.clone().unwrap_or_else(|| row.id.to_string())
}

fn minutes(row: &slot::Model) -> i64 {
    shared::clock::elapsed(row.starts_at, row.ends_at).whole_minutes()
}

/// As TOML.
///
/// # Errors
///
/// It cannot be written.
pub fn toml(rows: &[(offering::Model, Vec<slot::Model>)]) -> anyhow::Result<String> {
    let offerings = rows.iter().map(|(row, slots)| {
        let mut table = Table::new();
        let mut set = |name: &str, value: Option<Value>| {
            if let Some(value) = value {
                table.insert(name.to_owned(), value);
            }
        };
        let text = |text: &str| Some(Value::from(text)).filter(|_| !text.is_empty());
        set("key", text(&key(row)));
        set("name", text(&row.name));
        set("description", text(&row.description));
        set("price", text(&price(row)));
        set("currency", text(&row.currency));
        set("time_zone", row.time_zone.as_deref().and_then(text));
        set("location", row.location.as_deref().and_then(text));
        set("closed", row.closed.then(|| Value::from(true)));
        set(
            "cancellation_free_hours",
            row.cancellation_free_hours.map(Value::from),
        );
        set(
            "cancellation_late_percent",
            row.cancellation_late_percent.map(Value::from),
        );
        let slots = slots.iter().map(|it| {
            let mut slot = Table::new();
            slot.insert("starts_at".to_owned(), there(it.starts_at, row).into());
            slot.insert("minutes".to_owned(), minutes(it).into());
            slot.insert("capacity".to_owned(), it.capacity.into());
            if it.closed {
                slot.insert("closed".to_owned(), true.into());
            }
            Value::from(slot)
        });
        let slots: Vec<Value> = slots.collect();
        if !slots.is_empty() {
            table.insert("slots".to_owned(), slots.into());
        }
        Value::from(table)
    });
    let mut file = Table::new();
    file.insert("offering".to_owned(), Value::Array(offerings.collect()));
    Ok(toml::to_string(&file)?)
}

/// As CSV.
///
/// # Errors
///
/// It cannot be written.
pub fn csv(rows: &[(offering::Model, Vec<slot::Model>)]) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record([
        "key",
        "name",
        "description",
        "price",
        "currency",
        "time_zone",
        "location",
        "closed",
        "cancellation_free_hours",
        "cancellation_late_percent",
        "starts_at",
        "minutes",
        "capacity",
        "repeat",
        "except",
        "slot_closed",
    ])?;
    let number = |it: Option<i32>| it.map(|it| it.to_string()).unwrap_or_default();
    let flag = |it: bool| if it { "true" } else { "" }.to_owned();
    for (row, slots) in rows {
        let head = [
            key(row),
            row.name.clone(),
            row.description.clone(),
            price(row),
            row.currency.clone(),
            row.time_zone.clone().unwrap_or_default(),
            row.location.clone().unwrap_or_default(),
            flag(row.closed),
            number(row.cancellation_free_hours),
            number(row.cancellation_late_percent),
        ];
        if slots.is_empty() {
            let none = vec![String::new(); 6];
            writer.write_record(head.iter().chain(&none))?;
        }
        for it in slots {
            let slot = [
                there(it.starts_at, row),
                minutes(it).to_string(),
                it.capacity.to_string(),
                String::new(),
                String::new(),
                flag(it.closed),
            ];
            writer.write_record(head.iter().chain(&slot))?;
        }
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}
