//! Checkouts that the site prices itself: what they sell stands with them, and what they hold is a
//! slot of a resource, or nothing.
//!
//! A slot then has either an offering or a resource, and a checkout may be without a slot.

use sea_orm::DbBackend;
use sea_orm_migration::{
    prelude::{
        ConnectionTrait, DbErr, DeriveMigrationName, Index, MigrationTrait, SchemaManager, Table,
        TableCreateStatement,
    },
    schema::{integer, json_binary_null, text, text_null},
};

#[derive(DeriveMigrationName)]
pub struct Migration;

const INDEX: &str = "slot_resource_key_ends_at_starts_at_idx";
/// Columns that may be empty from now on.
const OPTIONAL: [(&str, &str); 3] = [
    ("slot", "offering_id"),
    ("checkout", "slot_id"),
    ("booking", "slot_id"),
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let conn = manager.get_connection();
        if manager.get_database_backend() == DbBackend::Postgres {
            // In the order of the services, so that none of them waits for us while we wait for it.
            conn.execute_unprepared("LOCK TABLE checkout, slot, booking IN ACCESS EXCLUSIVE MODE")
                .await?;
        }
        manager.create_table(resource()).await?;
        for (table, column) in [
            ("slot", text_null("resource_key")),
            ("checkout", json_binary_null("line_items")),
        ] {
            let alter = Table::alter().table(table).add_column(column).to_owned();
            manager.alter_table(alter).await?;
        }
        let index = Index::create()
            .name(INDEX)
            .table("slot")
            .col("resource_key")
            // Finds what overlaps without reading what is over.
            .col("ends_at")
            .col("starts_at")
            .unique()
            .to_owned();
        manager.create_index(index).await?;
        if manager.get_database_backend() != DbBackend::Postgres {
            return rewrite(conn, |(now, then)| (now, then)).await;
        }
        for (table, column) in OPTIONAL {
            let alter = format!("ALTER TABLE {table} ALTER COLUMN {column} DROP NOT NULL");
            conn.execute_unprepared(&alter).await?;
        }
        conn.execute_unprepared(
            "ALTER TABLE slot ADD CONSTRAINT slot_resource_fkey \
             FOREIGN KEY (resource_key) REFERENCES resource (key), \
             ADD CONSTRAINT slot_of_either_check CHECK (num_nonnulls(offering_id, resource_key) = 1)",
        )
        .await?;
        Ok(())
    }

    /// Fails while there is a row that the older tables cannot hold.
    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let conn = manager.get_connection();
        let unused = "DELETE FROM slot WHERE resource_key IS NOT NULL \
             AND NOT EXISTS (SELECT 1 FROM checkout WHERE slot_id = slot.id)";
        conn.execute_unprepared(unused).await?;
        for (table, column) in OPTIONAL {
            let empty = format!("SELECT 1 FROM {table} WHERE {column} IS NULL LIMIT 1");
            let statement = sea_orm::Statement::from_string(conn.get_database_backend(), empty);
            if conn.query_one_raw(statement).await?.is_some() {
                let why =
                    format!("{table} has rows without {column}: checkouts that a site priced");
                return Err(DbErr::Migration(why));
            }
        }
        if manager.get_database_backend() == DbBackend::Postgres {
            conn.execute_unprepared(
                "ALTER TABLE slot DROP CONSTRAINT slot_of_either_check, DROP CONSTRAINT slot_resource_fkey",
            )
            .await?;
            for (table, column) in OPTIONAL {
                let alter = format!("ALTER TABLE {table} ALTER COLUMN {column} SET NOT NULL");
                conn.execute_unprepared(&alter).await?;
            }
        } else {
            rewrite(conn, |(now, then)| (then, now)).await?;
        }
        let index = Index::drop().name(INDEX).table("slot").to_owned();
        manager.drop_index(index).await?;
        for (table, column) in [("slot", "resource_key"), ("checkout", "line_items")] {
            let alter = Table::alter().table(table).drop_column(column).to_owned();
            manager.alter_table(alter).await?;
        }
        let drop = Table::drop().table("resource").to_owned();
        manager.drop_table(drop).await
    }
}

/// What a site has to sell of, by the site's own key.
fn resource() -> TableCreateStatement {
    Table::create()
        .table("resource")
        .col(text("key").primary_key())
        .col(integer("capacity"))
        .to_owned()
}

/// Changes how SQLite's tables and triggers are written down: it alters no column, and what is
/// relaxed here does not concern the rows.
///
/// - `change`: which of each pair is there, and which takes its place.
///
/// Source: <https://www.sqlite.org/lang_altertable.html#otheralter>
async fn rewrite(
    conn: &impl ConnectionTrait,
    change: fn((String, String)) -> (String, String),
) -> Result<(), DbErr> {
    const AN_ID: &str = "typeof(NEW.offering_id) <> 'blob' OR length(NEW.offering_id) <> 16";
    const UNKNOWN: &str = "NOT EXISTS (SELECT 1 FROM offering WHERE id = NEW.offering_id)";
    const EITHER: &str = "WHEN (NEW.offering_id IS NULL) = (NEW.resource_key IS NULL) \
         THEN RAISE(ABORT, 'slot has an offering_id or a resource_key') ";
    let mut changes: Vec<(&str, (String, String))> = OPTIONAL
        .iter()
        .map(|(table, column)| {
            let optional = format!("\"{column}\" uuid_text");
            (*table, (format!("{optional} NOT NULL"), optional))
        })
        .collect();
    let if_any = |check: &str| format!("NEW.offering_id IS NOT NULL AND ({check})");
    for trigger in ["slot_check_insert", "slot_check_update"] {
        changes.push((trigger, (AN_ID.to_owned(), if_any(AN_ID))));
        // Behind the first, which it would otherwise be part of.
        let both = format!("{EITHER}WHEN {}", if_any(UNKNOWN));
        changes.push((trigger, (format!("WHEN {UNKNOWN}"), both)));
    }
    conn.execute_unprepared("PRAGMA writable_schema = ON")
        .await?;
    for (name, pair) in changes {
        let (now, then) = change(pair);
        let statement = sea_orm::Statement::from_sql_and_values(
            conn.get_database_backend(),
            "UPDATE sqlite_schema SET sql = replace(sql, $2, $3) WHERE name = $1 AND instr(sql, $2) > 0",
            [name.into(), now.into(), then.into()],
        );
        let rows = conn.execute_raw(statement).await?.rows_affected();
        if rows != 1 {
            return Err(DbErr::Migration(format!("{name} is not as it was made")));
        }
    }
    conn.execute_unprepared("PRAGMA writable_schema = RESET")
        .await?;
    Ok(())
}
