//! The tables: one set of migrations for PostgreSQL and SQLite.
//!
//! Run them before a new release of the services starts. Several at once are safe: one works,
//! the others wait for it.

pub mod catalogue;
mod m20261124_000001_booking;
mod m20261124_000002_embedded_queue;
mod m20261124_000003_refunds_and_disputes;
mod m20261124_000004_operations;
mod m20261127_000005_signed_messages;
mod m20261127_000006_catalogue_checks;
mod m20261128_000007_site_data;
mod m20261129_000008_dead_letter_detail;
mod m20261129_000009_site_checkouts;
mod m20261129_000010_checkout_options;
mod m20261129_000011_owed_refunds;
mod m20261129_000012_notifications;
mod m20261129_000013_time_zones_and_languages;
mod m20261129_000014_interventions;
mod m20261129_000015_catalogue;
mod m20261129_000016_refused_webhooks;
mod m20261129_000017_needs_attention;
mod m20261129_000018_traces;
mod m20261130_000019_latest_events;
mod m20261130_000020_clients;
mod m20261130_000021_audit_since;
mod m20261130_000022_outbox_room;

use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    SqliteTransactionMode, Statement, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::{MigrationStatus, MigrationTrait, MigratorTrait};
use shared::config::SqlName;

/// Any number, as long as no other program in the database uses it.
const ADVISORY_LOCK: i64 = 0x626f_6f6b_6f6e_6365;

struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261124_000001_booking::Migration),
            Box::new(m20261124_000002_embedded_queue::Migration),
            Box::new(m20261124_000003_refunds_and_disputes::Migration),
            Box::new(m20261124_000004_operations::Migration),
            Box::new(m20261127_000005_signed_messages::Migration),
            Box::new(m20261127_000006_catalogue_checks::Migration),
            Box::new(m20261128_000007_site_data::Migration),
            Box::new(m20261129_000008_dead_letter_detail::Migration),
            Box::new(m20261129_000009_site_checkouts::Migration),
            Box::new(m20261129_000010_checkout_options::Migration),
            Box::new(m20261129_000011_owed_refunds::Migration),
            Box::new(m20261129_000012_notifications::Migration),
            Box::new(m20261129_000013_time_zones_and_languages::Migration),
            Box::new(m20261129_000014_interventions::Migration),
            Box::new(m20261129_000015_catalogue::Migration),
            Box::new(m20261129_000016_refused_webhooks::Migration),
            Box::new(m20261129_000017_needs_attention::Migration),
            Box::new(m20261129_000018_traces::Migration),
            Box::new(m20261130_000019_latest_events::Migration),
            Box::new(m20261130_000020_clients::Migration),
            Box::new(m20261130_000021_audit_since::Migration),
            Box::new(m20261130_000022_outbox_room::Migration),
        ]
    }
}

/// Applies what is missing, all of it or nothing.
///
/// - `schema`: the one in which `db` looks for tables; made if it is missing.
///
/// # Errors
///
/// [`DbErr`] if a statement fails; the database is then as before.
pub async fn up(db: &DatabaseConnection, schema: Option<&SqlName>) -> Result<(), DbErr> {
    let tx = begin_alone(db).await?;
    if let Some(name) = schema {
        create_schema(&tx, name).await?;
    }
    Migrator::up(&tx, None).await?;
    tx.commit().await
}

/// One that is there needs no right to create it.
async fn create_schema(tx: &DatabaseTransaction, name: &SqlName) -> Result<(), DbErr> {
    let known = Statement::from_sql_and_values(
        DbBackend::Postgres,
        "SELECT 1 FROM pg_namespace WHERE nspname = $1",
        [name.as_str().into()],
    );
    if tx.query_one_raw(known).await?.is_none() {
        let create = format!("CREATE SCHEMA {name}");
        tx.execute_unprepared(&create).await?;
    }
    Ok(())
}

/// Takes back the last `steps` migrations, and with them what their tables hold.
///
/// # Errors
///
/// [`DbErr`] if a statement fails; the database is then as before.
pub async fn down(db: &DatabaseConnection, steps: u32) -> Result<(), DbErr> {
    let tx = begin_alone(db).await?;
    Migrator::down(&tx, Some(steps)).await?;
    tx.commit().await
}

/// Every migration by name, and whether it is applied. Changes nothing.
///
/// # Errors
///
/// [`DbErr`] if the database cannot be read.
pub async fn status(db: &DatabaseConnection) -> Result<Vec<(String, bool)>, DbErr> {
    let tx = db.begin().await?;
    let migrations = Migrator::get_migration_with_status_read_only(&tx).await?;
    tx.rollback().await?;
    Ok(migrations
        .iter()
        .map(|it| {
            (
                it.name().to_owned(),
                it.status() == MigrationStatus::Applied,
            )
        })
        .collect())
}

/// Begins a transaction that no other run of migrations is beside: PostgreSQL has a lock for
/// that, SQLite lets one write at a time from the beginning.
async fn begin_alone(db: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    if db.get_database_backend() != DbBackend::Postgres {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..Default::default()
        };
        return db.begin_with_options(options).await;
    }
    let tx = db.begin().await?;
    let statement = format!("SELECT pg_advisory_xact_lock({ADVISORY_LOCK})");
    tx.execute_unprepared(&statement).await?;
    Ok(tx)
}
