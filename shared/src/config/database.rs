//! Where the database is.

use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use sqlx::{postgres::PgConnectOptions, sqlite::SqliteConnectOptions};

use crate::config::{ConfigError, Env};

/// Where bookings and payments are kept.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// `postgres://…` or `sqlite://…`; holds the password.
    pub url: SecretString,
    /// Upper limit of open connections of this process.
    pub max_connections: u32,
}

impl DatabaseSettings {
    /// Reads `DATABASE_URL` and `DATABASE_MAX_CONNECTIONS`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the URL is missing or names a database we do not speak.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        const EXPECTED: &str = "postgres://user:password@host/database or sqlite://file";
        let url = env.required("DATABASE_URL", EXPECTED)?;
        // All that could be wrong is found here: the errors of a connection repeat the address.
        let well_formed = match url.split_once(':') {
            Some(("sqlite", _)) => SqliteConnectOptions::from_str(url).is_ok(),
            Some(("postgres" | "postgresql", _)) => PgConnectOptions::from_str(url).is_ok(),
            _ => false,
        };
        if !well_formed || url::Url::parse(url).is_err() {
            return Err(ConfigError::new(
                "DATABASE_URL",
                format!("expected {EXPECTED}"),
            ));
        }
        Ok(Self {
            url: url.into(),
            max_connections: env.number_in("DATABASE_MAX_CONNECTIONS", 20, 2..=1000)?,
        })
    }

    /// Whether the database is a file of this machine.
    pub fn is_sqlite(&self) -> bool {
        self.url.expose_secret().starts_with("sqlite:")
    }
}
