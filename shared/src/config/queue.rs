//! Which queue, and where.

use std::{str::FromStr, sync::Arc};

use lapin::uri::{AMQPScheme, AMQPUri};

use crate::config::{ConfigError, DatabaseSettings, Env, plaintext};

/// The most queues that events can be spread over.
pub const MOST_EVENT_QUEUES: u8 = 16;

/// Which queue carries messages from ingress to the worker.
#[derive(Debug, Clone)]
pub enum QueueSettings {
    /// A RabbitMQ broker.
    RabbitMq {
        /// Where it is; holds the password.
        uri: Box<AmqpUri>,
        /// First part of every exchange and queue name.
        prefix: String,
        /// Over how many queues events are spread.
        event_queues: u8,
    },
    /// A table of the database.
    Embedded,
}

/// A broker address whose `Debug` shows no password, and whom to believe that it is the broker.
#[derive(Clone)]
pub struct AmqpUri {
    address: AMQPUri,
    /// PEM, if not one of those that everyone knows.
    authority: Option<Arc<str>>,
}

impl AmqpUri {
    /// The address with its credentials, to connect with.
    pub fn expose(&self) -> AMQPUri {
        self.address.clone()
    }

    /// The same, with the largest frames that the broker allows.
    #[must_use]
    pub fn wide(&self) -> Self {
        let mut wide = self.clone();
        wide.address.query.frame_max = None;
        wide
    }

    /// The certificates of `AMQP_CA_FILE`, as PEM.
    pub fn authority(&self) -> Option<&str> {
        self.authority.as_deref()
    }

    fn is_encrypted(&self) -> bool {
        self.address.scheme == AMQPScheme::AMQPS
    }
}

impl std::fmt::Debug for AmqpUri {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{}:{}",
            self.address.authority.host, self.address.authority.port
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
        Ok(Self {
            address: uri,
            authority: None,
        })
    }
}

impl QueueSettings {
    /// Reads `AMQP_URL`, `AMQP_CA_FILE`, `QUEUE_PREFIX` and `EVENT_QUEUES`. Without `AMQP_URL`, SQLite brings its own
    /// queue.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if PostgreSQL comes without a broker, a value is malformed, or the broker is on
    /// another machine and would be spoken to in plain text.
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
        let mut uri = url
            .parse::<AmqpUri>()
            .map_err(|_| ConfigError::new("AMQP_URL", format!("expected {EXPECTED}")))?;
        uri.authority = authority(env, &uri)?;
        let host = &uri.address.authority.host;
        if !uri.is_encrypted() && !plaintext::is_allowed(env, host) {
            return Err(plaintext::refused("AMQP_URL", "amqps://…"));
        }
        let prefix = env.get("QUEUE_PREFIX").unwrap_or("bookonce");
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        // The broker keeps names that begin so to itself.
        let is_theirs = prefix.starts_with("amq.");
        if prefix.len() > 64 || is_theirs || !prefix.bytes().all(plain) {
            return Err(ConfigError::new(
                "QUEUE_PREFIX",
                "expected at most 64 letters, digits, dots, dashes or underscores, and not amq. before them",
            ));
        }
        Ok(Self::RabbitMq {
            uri: Box::new(uri),
            prefix: prefix.to_owned(),
            event_queues: env.number_in("EVENT_QUEUES", 1, 1..=MOST_EVENT_QUEUES)?,
        })
    }
}

/// The certificates in the file that `AMQP_CA_FILE` names.
fn authority(env: &Env, uri: &AmqpUri) -> Result<Option<Arc<str>>, ConfigError> {
    const VARIABLE: &str = "AMQP_CA_FILE";
    let Some(file) = env.get(VARIABLE) else {
        return Ok(None);
    };
    if !uri.is_encrypted() {
        let problem = "is for amqps:// alone, and AMQP_URL is amqp://";
        return Err(ConfigError::new(VARIABLE, problem));
    }
    let unreadable = |error| ConfigError::new(VARIABLE, format!("cannot be read: {error}"));
    let pem = std::fs::read_to_string(file).map_err(unreadable)?;
    if !pem.contains("-----BEGIN CERTIFICATE-----") {
        let problem = "has no certificate; expected a file in PEM";
        return Err(ConfigError::new(VARIABLE, problem));
    }
    Ok(Some(pem.into()))
}
