//! Example offerings, so that a new shop has something to sell.

use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr};
use sea_orm_migration::prelude::Query;
use time::{Duration, OffsetDateTime, Time};
use uuid::Uuid;

struct Example {
    name: &'static str,
    description: &'static str,
    unit_amount_minor_units: i64,
    currency: &'static str,
    /// Per slot: days from today, hour (UTC), minutes, capacity.
    slots: &'static [(i64, u8, i64, i32)],
}

const EXAMPLES: &[Example] = &[
    Example {
        name: "Harbour kayak tour",
        description: "Two hours on calm water with a guide. Boats and dry bags included.",
        unit_amount_minor_units: 4900,
        currency: "eur",
        slots: &[(2, 9, 120, 10), (2, 14, 120, 1), (5, 9, 120, 10)],
    },
    Example {
        name: "Sourdough workshop",
        description: "Mix, fold and bake your own loaf, and take a starter home.",
        unit_amount_minor_units: 8500,
        currency: "gbp",
        slots: &[(3, 10, 240, 8), (10, 10, 240, 8)],
    },
    Example {
        name: "Sunrise yoga in the park",
        description: "All levels. Mats are there, tea is served afterwards.",
        unit_amount_minor_units: 1800,
        currency: "usd",
        slots: &[(1, 6, 60, 20), (4, 6, 60, 20), (8, 6, 60, 20)],
    },
    Example {
        name: "Tea ceremony",
        description: "An hour of quiet in a small tea room, for at most five guests.",
        unit_amount_minor_units: 6500,
        currency: "jpy",
        slots: &[(6, 5, 60, 5), (7, 5, 60, 5)],
    },
    Example {
        name: "Pottery wheel evening",
        description: "Throw two bowls; they are glazed, fired and yours in three weeks.",
        unit_amount_minor_units: 7200,
        currency: "chf",
        slots: &[(3, 17, 180, 1), (12, 17, 180, 6)],
    },
];

/// Puts the example offerings into an empty catalogue. One that has offerings is left alone.
///
/// Returns whether anything was added.
///
/// # Errors
///
/// [`DbErr`] if a statement fails.
pub async fn seed(db: &DatabaseConnection, now: OffsetDateTime) -> Result<bool, DbErr> {
    let tx = super::begin_alone(db).await?;
    let any = Query::select()
        .column("id")
        .from("offering")
        .limit(1)
        .to_owned();
    if tx.query_one(&any).await?.is_some() {
        return Ok(false);
    }
    for example in EXAMPLES {
        insert(&tx, example, now).await?;
    }
    tx.commit().await?;
    Ok(true)
}

async fn insert(
    tx: &impl ConnectionTrait,
    example: &Example,
    now: OffsetDateTime,
) -> Result<(), DbErr> {
    let offering_id = Uuid::now_v7();
    let offering = Query::insert()
        .into_table("offering")
        .columns([
            "id",
            "name",
            "description",
            "unit_amount_minor_units",
            "currency",
        ])
        .values_panic([
            offering_id.into(),
            example.name.into(),
            example.description.into(),
            example.unit_amount_minor_units.into(),
            example.currency.into(),
        ])
        .to_owned();
    tx.execute(&offering).await?;

    for &(days, hour, minutes, capacity) in example.slots {
        let day = now
            .replace_time(Time::MIDNIGHT)
            .saturating_add(Duration::days(days));
        let starts_at = day.saturating_add(Duration::hours(hour.into()));
        let slot = Query::insert()
            .into_table("slot")
            .columns(["id", "offering_id", "starts_at", "ends_at", "capacity"])
            .values_panic([
                Uuid::now_v7().into(),
                offering_id.into(),
                starts_at.into(),
                starts_at.saturating_add(Duration::minutes(minutes)).into(),
                capacity.into(),
            ])
            .to_owned();
        tx.execute(&slot).await?;
    }
    Ok(())
}
