//! Databases of a test's, drill's or benchmark's own.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use anyhow::Context;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, DatabaseConnection};
use secrecy::ExposeSecret;
use shared::config::DatabaseSettings;

use crate::{Variables, env};

/// For SQLite's writers, who wait for each other.
const BUSY: Duration = Duration::from_secs(30);

/// Creates an empty database whose name begins with `purpose`. Returns its URL.
///
/// - `server`: a URL with a database to connect to.
///
/// # Errors
///
/// The server is not there, or refuses.
pub async fn create_database(server: &str, purpose: &str) -> anyhow::Result<String> {
    static NUMBER: AtomicUsize = AtomicUsize::new(1);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let name = format!("{purpose}_{}_{number}", std::process::id()).replace('-', "_");
    run_as_admin(server, &[&format!("CREATE DATABASE {name}")]).await?;
    let (host, _) = server.rsplit_once('/').context("a URL with a path")?;
    Ok(format!("{host}/{name}"))
}

/// Runs `statements` on `server`, over a connection of their own.
///
/// # Errors
///
/// The first statement that fails.
pub async fn run_as_admin(server: &str, statements: &[&str]) -> anyhow::Result<()> {
    let admin = Database::connect(ConnectOptions::new(server)).await?;
    for statement in statements {
        admin.execute_unprepared(statement).await?;
    }
    admin.close().await?;
    Ok(())
}

/// Creates the tables in the database of `variables`, and stays connected.
///
/// # Errors
///
/// The database cannot be used.
pub async fn open_database(variables: &Variables) -> anyhow::Result<DatabaseConnection> {
    let settings = DatabaseSettings::from_env(&env(variables))?;
    let mut options = ConnectOptions::new(settings.url.expose_secret());
    options
        .max_connections(16)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|sqlite| sqlite.create_if_missing(true).busy_timeout(BUSY));
    let db = Database::connect(options).await?;
    migrations::up(&db, settings.schema.as_ref()).await?;
    Ok(db)
}
