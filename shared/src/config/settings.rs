//! The settings that ingress and worker read alike: database, queue and Stripe.

use std::str::FromStr;

use lapin::uri::AMQPUri;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{postgres::PgConnectOptions, sqlite::SqliteConnectOptions};

use crate::{
    config::{ConfigError, Env, http_address::http_url},
    stripe::id::Mode,
};

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
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        self.url.expose_secret().starts_with("sqlite:")
    }
}

/// Which queue carries messages from ingress to the worker.
#[derive(Debug, Clone)]
pub enum QueueSettings {
    /// A RabbitMQ broker.
    RabbitMq {
        /// Where it is; holds the password.
        uri: Box<AmqpUri>,
        /// First part of every exchange and queue name.
        prefix: String,
    },
    /// A table of the database.
    Embedded,
}

/// A broker address whose `Debug` shows no password.
#[derive(Clone)]
pub struct AmqpUri(AMQPUri);

impl AmqpUri {
    /// The address with its credentials, to connect with.
    #[must_use]
    pub fn expose(&self) -> AMQPUri {
        self.0.clone()
    }
}

impl std::fmt::Debug for AmqpUri {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{}:{}",
            self.0.authority.host, self.0.authority.port
        )
    }
}

impl FromStr for AmqpUri {
    type Err = String;

    /// A silent broker is noticed after two missed heartbeats, so one is asked for every
    /// 10 s unless the address says otherwise.
    ///
    /// lapin sets aside memory for 32 frames in each direction of each connection. The broker
    /// would agree to frames of 128 KiB: 8 MiB for each of a worker's connections. An event fits
    /// into a frame of an eighth, which is asked for likewise; larger bodies take several.
    ///
    /// Source: <https://www.rabbitmq.com/docs/heartbeats>,
    /// <https://www.rabbitmq.com/docs/configure>
    fn from_str(text: &str) -> Result<Self, String> {
        let mut uri: AMQPUri = text.parse()?;
        uri.query.heartbeat.get_or_insert(10);
        uri.query.frame_max.get_or_insert(16 * 1024);
        Ok(Self(uri))
    }
}

impl QueueSettings {
    /// Reads `AMQP_URL` and `QUEUE_PREFIX`. Without `AMQP_URL`, SQLite brings its own queue.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if PostgreSQL comes without a broker, or a value is malformed.
    pub fn from_env(env: &Env, database: &DatabaseSettings) -> Result<Self, ConfigError> {
        const EXPECTED: &str = "amqp://user:password@host:5672/vhost (or amqps://…)";
        let Some(url) = env.get("AMQP_URL") else {
            return if database.is_sqlite() {
                Ok(Self::Embedded)
            } else {
                Err(ConfigError::new(
                    "AMQP_URL",
                    format!("is not set and PostgreSQL needs a broker; expected {EXPECTED}"),
                ))
            };
        };
        let uri = url
            .parse::<AmqpUri>()
            .map_err(|_| ConfigError::new("AMQP_URL", format!("expected {EXPECTED}")))?;
        let prefix = env.get("QUEUE_PREFIX").unwrap_or("bookonce");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if prefix.len() > 64 || !prefix.bytes().all(plain) {
            return Err(ConfigError::new(
                "QUEUE_PREFIX",
                "expected at most 64 letters, digits, dots, dashes or underscores",
            ));
        }
        Ok(Self::RabbitMq {
            uri: Box::new(uri),
            prefix: prefix.to_owned(),
        })
    }
}

/// How to reach Stripe's API.
#[derive(Debug, Clone)]
pub struct StripeSettings {
    /// `sk_…` or `rk_…`.
    pub secret_key: SecretString,
    /// The mode the key belongs to.
    pub mode: Mode,
    /// Another base address than `https://api.stripe.com`, such as the stand-in's.
    pub api_base: Option<String>,
}

impl StripeSettings {
    /// Reads `STRIPE_SECRET_KEY` and `STRIPE_API_BASE`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if the key is missing or no secret key, or the base is no http URL.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        const EXPECTED: &str = "sk_test_…, sk_live_…, rk_test_… or rk_live_…";
        let key = env.required("STRIPE_SECRET_KEY", EXPECTED)?;
        let mode = Mode::of_secret_key(key)
            // It becomes part of a header.
            .filter(|_| key.bytes().all(|byte| byte.is_ascii_graphic()))
            .ok_or_else(|| ConfigError::new("STRIPE_SECRET_KEY", format!("expected {EXPECTED}")))?;
        let api_base = env
            .get("STRIPE_API_BASE")
            .map(|base| http_url("STRIPE_API_BASE", base))
            .transpose()?;
        Ok(Self {
            secret_key: key.into(),
            mode,
            api_base,
        })
    }
}

/// The secrets of our webhook endpoint: one, or the old and the new while it is rotated.
#[derive(Debug, Clone)]
pub struct EndpointSecrets(Vec<SecretString>);

impl EndpointSecrets {
    /// Reads `STRIPE_WEBHOOK_SECRET`. An empty or short secret is refused: a signature made
    /// with it would prove nothing.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if there is none or one is not `whsec_…`.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        const VARIABLE: &str = "STRIPE_WEBHOOK_SECRET";
        const EXPECTED: &str = "whsec_… as Stripe shows it, or several separated by commas";
        let text = env.required(VARIABLE, EXPECTED)?;
        let secrets: Vec<_> = text.split(',').map(str::trim).collect();
        let plausible = |secret: &&str| {
            secret
                .strip_prefix("whsec_")
                .is_some_and(|random| random.len() >= 5)
        };
        if !secrets.iter().all(plausible) {
            return Err(ConfigError::new(VARIABLE, format!("expected {EXPECTED}")));
        }
        if secrets.len() > 4 {
            return Err(ConfigError::new(VARIABLE, "expected at most 4 secrets"));
        }
        Ok(Self(secrets.into_iter().map(SecretString::from).collect()))
    }

    /// The secrets, to check a signature with.
    pub fn expose(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(ExposeSecret::expose_secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Env {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    }

    fn queue(pairs: &[(&str, &str)]) -> Result<QueueSettings, ConfigError> {
        let env = env(pairs);
        QueueSettings::from_env(&env, &DatabaseSettings::from_env(&env)?)
    }

    #[test]
    fn postgres_needs_a_broker_and_sqlite_brings_its_own_queue() {
        let alone = queue(&[("DATABASE_URL", "postgres://localhost/shop")]).unwrap_err();
        let embedded = queue(&[("DATABASE_URL", "sqlite://shop.sqlite")]).unwrap();
        let broker = queue(&[
            ("DATABASE_URL", "sqlite://shop.sqlite"),
            ("AMQP_URL", "amqp://localhost"),
        ])
        .unwrap();

        assert_eq!(alone.variable, "AMQP_URL");
        assert!(matches!(embedded, QueueSettings::Embedded));
        assert!(matches!(broker, QueueSettings::RabbitMq { prefix, .. } if prefix == "bookonce"));
    }

    #[test]
    fn a_wrong_address_is_reported_without_its_password() {
        for (variable, value) in [
            ("DATABASE_URL", "mysql://root:hunter2@localhost/shop"),
            (
                "DATABASE_URL",
                "postgresql+tls://shop:hunter2@localhost/shop",
            ),
            ("DATABASE_URL", "postgres://shop:a/hunter2@localhost/shop"),
            ("DATABASE_URL", "postgres://shop:a#hunter2@localhost/shop"),
            ("DATABASE_URL", "postgres://localhost/shop?sslmode=hunter2"),
            ("AMQP_URL", "http://guest:hunter2@localhost"),
        ] {
            let error = queue(&[("DATABASE_URL", "sqlite://shop"), (variable, value)]).unwrap_err();

            assert_eq!(error.variable, variable);
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let env = env(&[
            ("DATABASE_URL", "postgres://shop:hunter2@localhost/shop"),
            ("AMQP_URL", "amqp://shop:hunter2@localhost"),
            ("STRIPE_SECRET_KEY", "sk_test_hunter2"),
        ]);
        let database = DatabaseSettings::from_env(&env).unwrap();
        let queue = QueueSettings::from_env(&env, &database).unwrap();
        let stripe = StripeSettings::from_env(&env).unwrap();

        let printed = format!("{database:?} {queue:?} {stripe:?}");

        assert!(!printed.contains("hunter2"), "{printed}");
    }
}
