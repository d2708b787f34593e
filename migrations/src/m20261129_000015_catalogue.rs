//! A catalogue that is kept in a file: offerings by a key of the merchant's, and what is closed. The
//! database checks what the file may say, too: currencies, smallest amounts, policies and times.
//!
//! Rows that are there already stay. SQLite adds no constraint to a table that exists, and so has
//! triggers.

use sea_orm::DbBackend;
use sea_orm_migration::{
    prelude::{
        ColumnDef, ConnectionTrait, DbErr, DeriveMigrationName, Index, MigrationTrait,
        SchemaManager, Table,
    },
    schema::{boolean, text_null},
};
use shared::money;

#[derive(DeriveMigrationName)]
pub struct Migration;

const INDEX: &str = "offering_key_key";

fn new_columns() -> [(&'static str, ColumnDef); 3] {
    [
        ("offering", text_null("key")),
        ("offering", boolean("closed").default(false).to_owned()),
        ("slot", boolean("closed").default(false).to_owned()),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in new_columns() {
            let alter = Table::alter().table(table).add_column(column).to_owned();
            manager.alter_table(alter).await?;
        }
        let index = Index::create()
            .name(INDEX)
            .table("offering")
            .col("key")
            .unique()
            .to_owned();
        manager.create_index(index).await?;
        let conn = manager.get_connection();
        let is_postgres = manager.get_database_backend() == DbBackend::Postgres;
        for (table, name, check, message) in checks() {
            if is_postgres {
                let add = format!(
                    "ALTER TABLE {table} ADD CONSTRAINT {table}_{name}_check CHECK ({check}) NOT VALID"
                );
                conn.execute_unprepared(&add).await?;
                continue;
            }
            for event in ["insert", "update"] {
                // Times may be written in more than one way there.
                let check = check.replace(
                    "ends_at > starts_at",
                    "julianday(ends_at) > julianday(starts_at)",
                );
                let of_new = of_new(&check);
                let create = format!(
                    "CREATE TRIGGER {table}_{name}_{event} BEFORE {event} ON {table} \
                     WHEN NOT ({of_new}) BEGIN SELECT RAISE(ABORT, '{message}'); END"
                );
                conn.execute_unprepared(&create).await?;
            }
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let conn = manager.get_connection();
        let is_postgres = manager.get_database_backend() == DbBackend::Postgres;
        for (table, name, ..) in checks() {
            if is_postgres {
                let drop = format!("ALTER TABLE {table} DROP CONSTRAINT {table}_{name}_check");
                conn.execute_unprepared(&drop).await?;
                continue;
            }
            for event in ["insert", "update"] {
                conn.execute_unprepared(&format!("DROP TRIGGER {table}_{name}_{event}"))
                    .await?;
            }
        }
        let index = Index::drop().name(INDEX).table("offering").to_owned();
        manager.drop_index(index).await?;
        for (table, column) in new_columns() {
            let alter = Table::alter()
                .table(table)
                .drop_column(column.get_column_name())
                .to_owned();
            manager.alter_table(alter).await?;
        }
        Ok(())
    }
}

/// Table, name, check, and what SQLite says of a row that fails it.
fn checks() -> Vec<(&'static str, &'static str, String, &'static str)> {
    let currencies: Vec<String> = money::CURRENCIES
        .split(' ')
        .map(|code| format!("'{code}'"))
        .collect();
    let smallest: Vec<String> = money::SMALLEST
        .iter()
        .map(|(code, minor_units)| format!("WHEN '{code}' THEN {minor_units}"))
        .collect();
    vec![
        (
            "offering",
            "known_currency",
            format!("currency IN ({})", currencies.join(", ")),
            "offering.currency is none that Stripe knows",
        ),
        (
            "offering",
            "smallest_amount",
            format!(
                "unit_amount_minor_units = 0 OR unit_amount_minor_units >= \
                 CASE currency {} ELSE 1 END",
                smallest.join(" ")
            ),
            "offering.unit_amount_minor_units is less than Stripe charges",
        ),
        (
            "offering",
            "policy",
            "(cancellation_free_hours IS NULL OR cancellation_free_hours BETWEEN 0 AND 8784) \
             AND (cancellation_late_percent IS NULL OR cancellation_late_percent BETWEEN 0 AND 100)"
                .to_owned(),
            "offering.cancellation_free_hours is 0 to 8784, cancellation_late_percent 0 to 100",
        ),
        (
            "slot",
            "ends_after_start",
            "ends_at > starts_at".to_owned(),
            "slot.ends_at is not after starts_at",
        ),
    ]
}

/// The columns of `check` as a trigger names them.
fn of_new(check: &str) -> String {
    [
        "currency",
        "unit_amount_minor_units",
        "cancellation_free_hours",
        "cancellation_late_percent",
        "ends_at",
        "starts_at",
    ]
    .into_iter()
    .fold(check.to_owned(), |text, column| {
        text.replace(column, &format!("NEW.{column}"))
    })
}
