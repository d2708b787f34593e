//! Where the database is.

use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use sqlx::{postgres::PgConnectOptions, sqlite::SqliteConnectOptions};
use url::Url;

use crate::config::{ConfigError, Env, SqlName, plaintext};

/// Where bookings and payments are kept.
#[derive(Debug, Clone)]
pub struct DatabaseSettings {
    /// `postgres://…` or `sqlite://…`; holds the password, and says in which schema to look.
    pub url: SecretString,
    /// PostgreSQL's schema for our tables, if it is not the one that its sessions begin with.
    pub schema: Option<SqlName>,
    /// Upper limit of open connections of this process.
    pub max_connections: u32,
}

impl DatabaseSettings {
    /// Reads `DATABASE_URL`, `DATABASE_SCHEMA` and `DATABASE_MAX_CONNECTIONS`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the URL is missing, names a database we do not speak, or one that has
    /// no schemas, or a server on another machine that would be spoken to in plain text.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        const EXPECTED: &str = "postgres://user:password@host/database or sqlite://file";
        let url = env.required("DATABASE_URL", EXPECTED)?;
        // All that could be wrong is found here: the errors of a connection repeat the address.
        let well_formed = match url.split_once(':') {
            Some(("sqlite", _)) => SqliteConnectOptions::from_str(url).is_ok(),
            Some(("postgres" | "postgresql", _)) => PgConnectOptions::from_str(url).is_ok(),
            _ => false,
        };
        let parsed = Url::parse(url).ok().filter(|_| well_formed);
        let Some(mut parsed) = parsed else {
            return Err(ConfigError::new(
                "DATABASE_URL",
                format!("expected {EXPECTED}"),
            ));
        };
        let schema = schema(env, url)?;
        let mode = tls_mode(env, &parsed)?;
        let mut added = Vec::new();
        // Nowhere else, so that our names never meet the site's.
        added.extend(
            schema
                .iter()
                .map(|name| ("options[search_path]", name.as_str())),
        );
        added.extend(mode.map(|mode| ("sslmode", mode)));
        let url = if added.is_empty() {
            url.to_owned()
        } else {
            parsed.query_pairs_mut().extend_pairs(added);
            parsed.into()
        };
        Ok(Self {
            url: url.into(),
            schema,
            max_connections: env.number_in("DATABASE_MAX_CONNECTIONS", 20, 2..=1000)?,
        })
    }

    /// Whether the database is a file of this machine.
    pub fn is_sqlite(&self) -> bool {
        self.url.expose_secret().starts_with("sqlite:")
    }
}

/// What the address does not say: a server on another machine has to prove that it is the one.
///
/// Source: <https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-SSLMODE-STATEMENTS>
fn tls_mode(env: &Env, url: &Url) -> Result<Option<&'static str>, ConfigError> {
    const ENCRYPTED: [&str; 3] = ["require", "verify-ca", "verify-full"];
    if url.scheme() == "sqlite" {
        return Ok(None);
    }
    let option = |names: &[&str]| {
        let mut pairs = url.query_pairs();
        pairs.find(|(name, _)| names.contains(&name.as_ref()))
    };
    // A folder, which is where a socket of this machine is, or another name of the host.
    let elsewhere = option(&["host", "hostaddr"]).map(|(_, host)| host);
    let host = elsewhere.as_deref().or(url.host_str()).unwrap_or_default();
    let is_folder = host.starts_with('/') || host.to_lowercase().starts_with("%2f");
    if is_folder || plaintext::is_allowed(env, host) {
        return Ok(None);
    }
    match option(&["sslmode", "ssl-mode"]) {
        None => Ok(Some("verify-full")),
        Some((_, mode)) if ENCRYPTED.contains(&mode.to_lowercase().as_str()) => Ok(None),
        Some(_) => Err(plaintext::refused("DATABASE_URL", "sslmode=verify-full")),
    }
}

fn schema(env: &Env, url: &str) -> Result<Option<SqlName>, ConfigError> {
    const VARIABLE: &str = "DATABASE_SCHEMA";
    let Some(name) = env.get(VARIABLE) else {
        return Ok(None);
    };
    if url.starts_with("sqlite:") {
        let problem = "SQLite has no schemas; leave it empty, or use PostgreSQL";
        return Err(ConfigError::new(VARIABLE, problem));
    }
    let name = name.parse().map_err(|()| {
        let problem = format!("expected {}", SqlName::EXPECTED);
        ConfigError::new(VARIABLE, problem)
    })?;
    Ok(Some(name))
}
