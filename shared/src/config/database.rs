//! Where the database is.

use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    postgres::{PgConnectOptions, PgSslMode},
    sqlite::SqliteConnectOptions,
};
use url::Url;

use crate::config::{ConfigError, Env, SqlName, plaintext};

/// Open at most, if nothing is said.
const CONNECTIONS: u32 = 20;
/// The same to a file, where each has a thread of this process and a cache of its own.
const SQLITE_CONNECTIONS: u32 = 4;

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
        let wrong = || ConfigError::new("DATABASE_URL", format!("expected {EXPECTED}"));
        let mut parsed = Url::parse(url).map_err(|_| wrong())?;
        let (mode, connections) = match parsed.scheme() {
            "sqlite" => {
                check_file(url, &parsed)?;
                (None, SQLITE_CONNECTIONS)
            }
            "postgres" | "postgresql" => {
                let options = PgConnectOptions::from_str(url).map_err(|_| wrong())?;
                (tls_mode(env, &parsed, &options)?, CONNECTIONS)
            }
            _ => return Err(wrong()),
        };
        let schema = schema(env, url)?;
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
            max_connections: env.number_in("DATABASE_MAX_CONNECTIONS", connections, 2..=1000)?,
        })
    }

    /// Whether the database is a file of this machine.
    pub fn is_sqlite(&self) -> bool {
        self.url.expose_secret().starts_with("sqlite:")
    }
}

/// A file that several connections share, and that is there after a restart.
fn check_file(url: &str, parsed: &Url) -> Result<(), ConfigError> {
    let wrong = |problem: &str| ConfigError::new("DATABASE_URL", problem);
    let options =
        SqliteConnectOptions::from_str(url).map_err(|_| wrong("expected sqlite://file"))?;
    // As it is opened: in memory it is `:memory:`, or an address of SQLite's own kind.
    let name = options.get_filename().to_string_lossy();
    let is_file = !name.is_empty() && !name.contains(":memory:") && !name.starts_with("file:");
    let mut pairs = parsed.query_pairs();
    let kept = pairs.all(|(name, value)| name != "mode" || value == "rwc" || value == "rw");
    if !is_file || !kept {
        return Err(wrong(
            "expected a file that is kept and may be written, such as sqlite://bookonce.sqlite",
        ));
    }
    Ok(())
}

/// What the address does not say: a server on another machine has to prove that it is the one.
///
/// - `options`: the address as it is understood at last, with the `PG…` variables of libpq.
///
/// Source: <https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-SSLMODE-STATEMENTS>
fn tls_mode(
    env: &Env,
    url: &Url,
    options: &PgConnectOptions,
) -> Result<Option<&'static str>, ConfigError> {
    // A folder is where a socket of this machine is.
    let is_here = options.get_socket().is_some() || options.get_host().starts_with('/');
    if is_here || plaintext::is_allowed(env, options.get_host()) {
        return Ok(None);
    }
    let says_mode = url
        .query_pairs()
        .any(|(name, _)| name == "sslmode" || name == "ssl-mode");
    match options.get_ssl_mode() {
        PgSslMode::Require | PgSslMode::VerifyCa | PgSslMode::VerifyFull => Ok(None),
        // What it is where nothing is said.
        PgSslMode::Prefer if !says_mode => Ok(Some("verify-full")),
        PgSslMode::Prefer | PgSslMode::Allow | PgSslMode::Disable => {
            Err(plaintext::refused("DATABASE_URL", "sslmode=verify-full"))
        }
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
