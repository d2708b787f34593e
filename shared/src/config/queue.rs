//! Which queue, and where.

use std::str::FromStr;

use lapin::uri::AMQPUri;

use crate::config::{ConfigError, DatabaseSettings, Env};

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
    pub fn expose(&self) -> AMQPUri {
        self.0.clone()
    }

    /// The same, with the largest frames that the broker allows.
    pub fn expose_wide(&self) -> AMQPUri {
        let mut uri = self.expose();
        uri.query.frame_max = None;
        uri
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
