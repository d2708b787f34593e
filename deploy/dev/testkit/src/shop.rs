//! What every shop of a drill or benchmark stands on: a stand-in for Stripe, a database, and the
//! variables that lead the services there.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use sea_orm::{ConnectOptions, Database, DatabaseConnection};
use stripe_sim::StripeSim;
use tokio_util::sync::CancellationToken;

/// For SQLite's writers, who wait for each other.
const BUSY: Duration = Duration::from_secs(30);

/// A stand-in that signs with `secret` and posts nowhere yet.
///
/// # Errors
///
/// It cannot listen.
pub async fn stand_in(secret: &str, shutdown: CancellationToken) -> anyhow::Result<StripeSim> {
    let config = stripe_sim::Config {
        listen_addr: ([127, 0, 0, 1], 0).into(),
        webhook_url: None,
        webhook_secret: secret.to_owned(),
        snapshot: None,
    };
    StripeSim::start(config, shutdown).await
}

/// What its services are started with. Whoever has a broker adds it.
#[must_use]
pub fn variables(
    stripe: &StripeSim,
    secret: &str,
    listen_addr: SocketAddr,
    database_url: &str,
) -> BTreeMap<String, String> {
    [
        ("DATABASE_URL", database_url.to_owned()),
        ("STRIPE_SECRET_KEY", "sk_test_of_the_rig".to_owned()),
        ("STRIPE_WEBHOOK_SECRET", secret.to_owned()),
        ("STRIPE_API_BASE", stripe.base_url().to_owned()),
        ("LISTEN_ADDR", listen_addr.to_string()),
        ("ADMIN_ADDR", "127.0.0.1:0".to_owned()),
    ]
    .map(|(variable, value)| (variable.to_owned(), value))
    .into()
}

/// Creates the tables, and stays connected.
///
/// # Errors
///
/// The database cannot be used.
pub async fn open_database(url: &str) -> anyhow::Result<DatabaseConnection> {
    let mut options = ConnectOptions::new(url);
    options
        .max_connections(16)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|sqlite| sqlite.create_if_missing(true).busy_timeout(BUSY));
    let db = Database::connect(options).await?;
    migrations::up(&db).await?;
    Ok(db)
}
