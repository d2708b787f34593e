//! The environment, read once: what is set, and what it means.

mod database;
mod env;
pub mod http_address;
mod plaintext;
mod queue;
mod shop;
mod sql_name;
mod stripe;

pub use self::{
    database::DatabaseSettings,
    env::{ConfigError, Env},
    queue::{AmqpUri, MOST_EVENT_QUEUES, QueueSettings},
    shop::{Colour, Contact, Logo, ShopSettings},
    sql_name::SqlName,
    stripe::{EndpointSecrets, StripeSettings},
};

#[cfg(test)]
mod tests;
