//! The queue between ingress and worker, on RabbitMQ or in a table of the database, with
//! the same guarantees: durable before a publish returns, gone only after an ack, delayed
//! retries, dead letters.

mod canary;
mod consumer;
mod delivery;
mod embedded;
mod inspection;
mod publisher;
mod rabbitmq;
pub mod topology;
mod unacked;

use std::time::Duration;

use sea_orm::DbErr;

use crate::service::network;

pub use self::{
    consumer::{Consumer, ConsumerSource},
    delivery::Delivery,
    inspection::{InspectedQueue, Inspection, QueueUse, declare, inspect},
    publisher::{Patience, Publisher},
    unacked::Unacked,
};

/// AMQP's code for a name that is taken by something else.
const PRECONDITION_FAILED: u16 = 406;
/// AMQP's code for what the broker does not know how to do.
const COMMAND_INVALID: u16 = 503;
/// AMQP's code for a connection that an operator or a shutdown has ended.
const CONNECTION_FORCED: u16 = 320;

/// A queue of its own with consumers of its own, so that one kind of work never waits
/// behind another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// Events from Stripe.
    Events,
    /// Sessions a buyer is waiting for.
    Confirm,
    /// What no binding wanted: messages published while a queue was missing.
    Unroutable,
    /// What will never succeed, on its way to the table of dead letters.
    Dead,
}

impl Lane {
    /// Every lane.
    pub const ALL: [Self; 4] = [Self::Events, Self::Confirm, Self::Unroutable, Self::Dead];

    /// Routing key of the messages in this lane.
    pub fn routing_key(self) -> &'static str {
        match self {
            Self::Events => "events",
            Self::Confirm => "confirm",
            Self::Unroutable => "unroutable",
            Self::Dead => "dead",
        }
    }

    /// The lane whose messages have this routing key.
    pub fn of_routing_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lane| lane.routing_key() == key)
    }
}

/// How long a failed message waits before it comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryTier {
    /// 10 seconds.
    TenSeconds,
    /// 1 minute.
    OneMinute,
    /// 10 minutes.
    TenMinutes,
    /// 1 hour.
    OneHour,
}

impl RetryTier {
    /// Every tier, shortest first.
    pub const ALL: [Self; 4] = [
        Self::TenSeconds,
        Self::OneMinute,
        Self::TenMinutes,
        Self::OneHour,
    ];

    /// The wait.
    pub fn delay(self) -> Duration {
        Duration::from_secs(match self {
            Self::TenSeconds => 10,
            Self::OneMinute => 60,
            Self::TenMinutes => 600,
            Self::OneHour => 3600,
        })
    }

    /// The tier's part of an exchange or queue name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TenSeconds => "10s",
            Self::OneMinute => "1m",
            Self::TenMinutes => "10m",
            Self::OneHour => "1h",
        }
    }
}

/// The message may not be durable; the caller must not act as if it were.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The broker asked publishers to stop, for lack of memory or disk.
    #[error("the broker blocks publishers")]
    Blocked,
    /// No confirm in time. The message may still arrive.
    #[error("the broker did not confirm in time")]
    TimedOut,
    /// The broker refused the message.
    #[error("the broker refused the message")]
    Refused,
    /// No queue is bound for the message.
    #[error("the broker returned the message as unroutable")]
    Returned,
    /// There is no connection to the broker.
    #[error("the broker cannot be reached")]
    Disconnected,
    /// The connection or the channel failed.
    #[error("the broker failed")]
    Broker(#[from] lapin::Error),
    /// The embedded queue's database failed.
    #[error("the embedded queue's database failed")]
    Database(#[from] DbErr),
}

impl PublishError {
    /// The word for metrics.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::TimedOut => "timed_out",
            Self::Refused => "refused",
            Self::Returned => "returned",
            Self::Disconnected => "disconnected",
            Self::Broker(_) => "broker_failed",
            Self::Database(_) => "database_failed",
        }
    }
}

/// A queue could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No answer came in time.
    #[error("the broker did not answer within {} s", .0.as_secs())]
    TimedOut(Duration),
    /// The broker refused us.
    #[error("the broker refused")]
    Broker(#[from] lapin::Error),
    /// An exchange or queue of ours is there with other arguments, which cannot be changed.
    /// The broker's own words name it and the difference.
    #[error(
        "the broker has it with other arguments: {0}. Drain and delete it, so that it is made \
         anew, or choose another QUEUE_PREFIX"
    )]
    OtherArguments(String),
    /// An exchange or queue of ours is not there, and this user may not declare it.
    #[error(
        "the broker lacks one ({0}), and this user may not declare it: run `migrations up` with AMQP_URL of a \
         user who may"
    )]
    Missing(String),
    /// The broker does not know a kind of exchange that we have.
    #[error(
        "the broker says {0}: EVENT_QUEUES above 1 needs its plugin rabbitmq_consistent_hash_exchange"
    )]
    NoPlugin(String),
}

impl OpenError {
    /// Whether it may work later with the same address: a broker that is down or starting, and
    /// not one that refuses us.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Broker(error) => match error.kind() {
                lapin::ErrorKind::IOError(error) => network::is_outage(error),
                // The broker says that it is going down.
                lapin::ErrorKind::ProtocolError(problem) => problem.get_id() == CONNECTION_FORCED,
                _ => false,
            },
            Self::TimedOut(_) => true,
            Self::OtherArguments(_) | Self::Missing(_) | Self::NoPlugin(_) => false,
        }
    }

    /// Source: <https://www.rabbitmq.com/docs/queues#property-equivalence>
    fn from_declare(error: lapin::Error) -> Self {
        let lapin::ErrorKind::ProtocolError(problem) = error.kind() else {
            return Self::Broker(error);
        };
        match problem.get_id() {
            PRECONDITION_FAILED => Self::OtherArguments(problem.get_message().to_string()),
            COMMAND_INVALID => Self::NoPlugin(problem.get_message().to_string()),
            _ => Self::Broker(error),
        }
    }
}
