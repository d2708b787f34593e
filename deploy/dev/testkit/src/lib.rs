//! What tests, drills and benchmarks stand on: private servers, databases and processes of their own,
//! a stand-in for Stripe, and something to sell.

mod catalogue;
mod database;
mod listeners;
mod lock;
mod mail_server;
mod process;
mod receiver;
mod roles;
mod servers;
mod shop;
mod site;
mod supervised;

use tempfile::TempDir;

pub use crate::{
    catalogue::{PRICE, insert_offering, insert_slot, order, tomorrow},
    database::{create_database, open_database, run_as_admin},
    listeners::{ListenerQueue, Listeners},
    mail_server::MailServer,
    process::{Process, binary, free_port},
    receiver::{Received, Receiver},
    roles::{Role, as_role, set_up_with_roles},
    servers::{Broker, Postgres, Servers},
    shop::{ENDPOINT_SECRET, Variables, env, start_stripe, variables},
    site::{SITE, move_in},
    supervised::Supervised,
};

/// A new folder for servers, logs and data.
///
/// # Errors
///
/// It cannot be made.
pub fn folder(prefix: &str) -> anyhow::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix(prefix).tempdir()?;
    // PostgreSQL runs as another user, who has to get in.
    #[cfg(unix)]
    std::fs::set_permissions(
        folder.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )?;
    Ok(folder)
}
