//! What drills and benchmarks stand on: private servers in a folder of their own, and services
//! that are started again whenever they end.

mod servers;
mod shop;
mod supervised;

use std::{
    path::PathBuf,
    sync::atomic::{AtomicUsize, Ordering},
};

use anyhow::{Context, ensure};
use sea_orm::{ConnectOptions, ConnectionTrait, Database};
use tempfile::TempDir;

pub use crate::{
    servers::Servers,
    shop::{open_database, stand_in, variables},
    supervised::Supervised,
};

/// A new folder for servers, logs and data.
///
/// # Errors
///
/// It cannot be made.
pub fn folder(prefix: &str) -> anyhow::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix(prefix).tempdir()?;
    // PostgreSQL runs as somebody else, who has to get in.
    #[cfg(unix)]
    std::fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )?;
    Ok(folder)
}

/// A new database for `purpose`, empty. Returns its URL.
///
/// # Errors
///
/// The server is not there, or refuses.
pub async fn create_database(servers: &Servers, purpose: &str) -> anyhow::Result<String> {
    static NUMBER: AtomicUsize = AtomicUsize::new(1);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let database = format!("{purpose}_{number}").replace('-', "_");
    let admin = Database::connect(ConnectOptions::new(&servers.postgres_url)).await?;
    admin
        .execute_unprepared(&format!("CREATE DATABASE {database}"))
        .await?;
    admin.close().await?;
    let (server, _) = servers
        .postgres_url
        .rsplit_once('/')
        .context("a URL with a path")?;
    Ok(format!("{server}/{database}"))
}

/// A service's binary, beside this one.
///
/// # Errors
///
/// It was not built.
pub fn binary(name: &str) -> anyhow::Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    ensure!(
        path.exists(),
        "{} is missing; start this with its script in deploy",
        path.display()
    );
    Ok(path)
}

/// A port of loopback that nobody listens on.
///
/// # Errors
///
/// There is none.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?
        .local_addr()?
        .port())
}
