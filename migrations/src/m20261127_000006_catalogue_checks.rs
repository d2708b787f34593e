//! What a catalogue row has to be, said by the database: people fill these tables by hand, and a
//! row that cannot be sold should be refused where it is written.
//!
//! Rows that are there already stay, but for currencies in capitals. SQLite adds no constraint to
//! a table that exists, and so has triggers.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::{
    ConnectionTrait, DbErr, DeriveMigrationName, Index, MigrationTrait, SchemaManager,
};

#[derive(DeriveMigrationName)]
pub struct Migration;

const LOWER: &str =
    "UPDATE offering SET currency = lower(currency) WHERE currency <> lower(currency)";

/// Source: <https://docs.stripe.com/currencies#special-cases>
const STEP: &str = "CASE WHEN currency IN ('isk', 'ugx') THEN unit_amount_minor_units % 100 = 0 \
     WHEN currency IN ('bhd', 'jod', 'kwd', 'omr', 'tnd') THEN unit_amount_minor_units % 10 = 0 \
     ELSE true END";

/// The largest amount that Stripe takes.
///
/// Source: <https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts>
const LIMIT: &str = "unit_amount_minor_units <= CASE currency WHEN 'cop' THEN 9999999999 \
     WHEN 'idr' THEN 999999999999 WHEN 'inr' THEN 999999999 ELSE 99999999 END";

const TRIGGERS: [&str; 6] = [
    "offering_check_insert",
    "offering_check_update",
    "slot_check_insert",
    "slot_check_update",
    "slot_utc_insert",
    "slot_utc_update",
];
const INDEX: &str = "slot_offering_id_starts_at_idx";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let conn = manager.get_connection();
        conn.execute_unprepared(LOWER).await?;
        let statements = match manager.get_database_backend() {
            DbBackend::Postgres => constraints(),
            _ => triggers(),
        };
        for statement in statements {
            conn.execute_unprepared(&statement).await?;
        }
        let index = Index::create()
            .name(INDEX)
            .table("slot")
            .col("offering_id")
            .col("starts_at")
            .to_owned();
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let index = Index::drop().name(INDEX).table("slot").to_owned();
        manager.drop_index(index).await?;
        let conn = manager.get_connection();
        let postgres = manager.get_database_backend() == DbBackend::Postgres;
        let statements: Vec<String> = if postgres {
            let drop = |(name, _): &(&str, String)| {
                format!("ALTER TABLE offering DROP CONSTRAINT offering_{name}_check")
            };
            checks().iter().map(drop).collect()
        } else {
            TRIGGERS.map(|name| format!("DROP TRIGGER {name}")).into()
        };
        for statement in statements {
            conn.execute_unprepared(&statement).await?;
        }
        Ok(())
    }
}

/// Names of PostgreSQL's constraints, with what they check.
fn checks() -> [(&'static str, String); 4] {
    [
        ("name", "btrim(name) <> ''".to_owned()),
        ("currency", "currency ~ '^[a-z]{3}$'".to_owned()),
        ("amount_step", STEP.to_owned()),
        ("amount_limit", LIMIT.to_owned()),
    ]
}

fn constraints() -> Vec<String> {
    let add = |(name, check): (&str, String)| {
        format!(
            "ALTER TABLE offering ADD CONSTRAINT offering_{name}_check CHECK ({check}) NOT VALID"
        )
    };
    checks().into_iter().map(add).collect()
}

fn triggers() -> Vec<String> {
    const ID: &str = "is 16 bytes on SQLite: write x''…'' with 32 digits, without dashes";
    let of_new = |check: &str| {
        check
            .replace("currency", "NEW.currency")
            .replace("unit_amount", "NEW.unit_amount")
    };
    let (step, limit) = (of_new(STEP), of_new(LIMIT));
    let offering = [
        (not_an_id("id"), format!("offering.id {ID}")),
        (
            "trim(NEW.name) = ''".to_owned(),
            "offering.name is empty".to_owned(),
        ),
        (
            "NEW.currency NOT GLOB '[a-z][a-z][a-z]'".to_owned(),
            "offering.currency is three letters in lower case, such as eur".to_owned(),
        ),
        (
            format!(
                "typeof(NEW.unit_amount_minor_units) <> 'integer' OR NOT ({step}) \
                     OR NOT ({limit})"
            ),
            "offering.unit_amount_minor_units is no amount of this currency that Stripe takes"
                .to_owned(),
        ),
    ];
    let slot = [
        (not_an_id("id"), format!("slot.id {ID}")),
        (not_an_id("offering_id"), format!("slot.offering_id {ID}")),
        // Its own check of foreign keys is off in most clients.
        (
            "NOT EXISTS (SELECT 1 FROM offering WHERE id = NEW.offering_id)".to_owned(),
            "slot.offering_id is the id of no offering".to_owned(),
        ),
        (
            "strftime('%s', NEW.starts_at) IS NULL OR strftime('%s', NEW.ends_at) IS NULL"
                .to_owned(),
            "slot.starts_at and ends_at are times such as 2027-05-01T10:00:00Z".to_owned(),
        ),
    ];
    // Times are compared as text, and so have to be written alike.
    let utc = |column: &str| {
        format!(
            "{column} = CASE WHEN {column} GLOB '????-??-??T??:??:??*Z' THEN {column} \
             ELSE strftime('%Y-%m-%dT%H:%M:%SZ', {column}) END"
        )
    };
    let set = format!("{}, {}", utc("starts_at"), utc("ends_at"));
    let mut statements = Vec::new();
    for event in ["insert", "update"] {
        for (table, checks) in [("offering", &offering[..]), ("slot", &slot[..])] {
            let raises: Vec<String> = checks
                .iter()
                .map(|(when, message)| format!("WHEN {when} THEN RAISE(ABORT, '{message}')"))
                .collect();
            statements.push(format!(
                "CREATE TRIGGER {table}_check_{event} BEFORE {event} ON {table} \
                 BEGIN SELECT CASE {} END; END",
                raises.join(" ")
            ));
        }
        let of = if event == "update" {
            " OF starts_at, ends_at"
        } else {
            ""
        };
        statements.push(format!(
            "CREATE TRIGGER slot_utc_{event} AFTER {event}{of} ON slot \
             WHEN NEW.starts_at NOT GLOB '????-??-??T??:??:??*Z' \
               OR NEW.ends_at NOT GLOB '????-??-??T??:??:??*Z' \
             BEGIN UPDATE slot SET {set} WHERE id = NEW.id; END"
        ));
    }
    statements
}

fn not_an_id(column: &str) -> String {
    format!("typeof(NEW.{column}) <> 'blob' OR length(NEW.{column}) <> 16")
}
