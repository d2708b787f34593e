//! The environment, read once: what is set, and what it means.

mod database;
mod env;
pub mod http_address;
mod queue;
mod stripe;

pub use self::{
    database::DatabaseSettings,
    env::{ConfigError, Env},
    queue::{AmqpUri, QueueSettings},
    stripe::{EndpointSecrets, StripeSettings},
};

#[cfg(test)]
mod tests;
