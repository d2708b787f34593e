//! The environment, read once: what is set, and what it means.

mod env;
pub mod http_address;
mod settings;

pub use self::{
    env::{ConfigError, Env},
    settings::{AmqpUri, DatabaseSettings, EndpointSecrets, QueueSettings, StripeSettings},
};
