//! What the commands have in common: environment and output.

use std::io::Write;

use anyhow::Context as _;
use sea_orm::DatabaseConnection;
use shared::{
    clock,
    config::{DatabaseSettings, Env},
    db,
    service::telemetry,
    stripe::client::StripeClient,
};
use time::OffsetDateTime;

use crate::{Context, config::Config};

/// The environment of a command that prints its answer: only warnings are logged.
pub(crate) fn environment() -> anyhow::Result<Env> {
    let env = Env::from_process();
    telemetry::init(&env, "warn")?;
    Ok(env)
}

pub(crate) async fn database(env: &Env) -> anyhow::Result<DatabaseConnection> {
    db::connect(&DatabaseSettings::from_env(env)?)
        .await
        .context("DATABASE_URL")
}

/// What a command needs that compares Stripe's books with ours.
pub(crate) async fn context(config: &Config) -> anyhow::Result<Context> {
    let db = db::connect(&config.database)
        .await
        .context("DATABASE_URL")?;
    let stripe = StripeClient::new(&config.stripe).context("STRIPE_API_BASE")?;
    Ok(Context::new(config, db, stripe, clock::system))
}

/// Who gives a command: as said, or as the environment says.
pub(crate) fn operator_of(env: &Env, by: Option<&str>) -> String {
    by.or(env.get("USER")).unwrap_or("unknown").to_owned()
}

/// How long ago, such as `72h` or `30d`.
pub(crate) fn ago(text: &str) -> Result<OffsetDateTime, String> {
    let age = humantime::parse_duration(text).map_err(|_| "expected a time such as 72h or 30d")?;
    let age = time::Duration::try_from(age).map_err(|_| "so long ago there was no Stripe")?;
    clock::system()
        .checked_sub(age)
        .ok_or_else(|| "so long ago there was no Stripe".to_owned())
}

/// Prints a line of a command's answer. A closed pipe is no error: its reader has read enough.
pub(crate) fn line(text: impl std::fmt::Display) {
    writeln!(std::io::stdout(), "{text}").ok();
}

pub(crate) fn json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    line(serde_json::to_string_pretty(value)?);
    Ok(())
}
