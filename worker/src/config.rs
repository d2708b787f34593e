//! The settings of the worker.

use std::{net::SocketAddr, str::FromStr};

use shared::config::{
    ConfigError, DatabaseSettings, EndpointSecrets, Env, QueueSettings, StripeSettings,
};

use crate::consumer::lane_limits::LaneLimits;

/// Everything the worker reads from the environment.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the probes listen.
    pub admin_addr: SocketAddr,
    /// How much of one lane is taken at once.
    pub limits: LaneLimits,
    /// What becomes of a payment without seats.
    pub on_unfulfillable: OnUnfulfillable,
    /// What Stripe signs events with.
    pub endpoint_secrets: EndpointSecrets,
    /// See [`DatabaseSettings`].
    pub database: DatabaseSettings,
    /// See [`QueueSettings`].
    pub queue: QueueSettings,
    /// See [`StripeSettings`].
    pub stripe: StripeSettings,
}

/// What becomes of a payment for which there are no seats.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnUnfulfillable {
    /// It goes back by itself.
    Refund,
    /// It waits for an operator.
    Hold,
}

impl FromStr for OnUnfulfillable {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        match word {
            "refund" => Ok(Self::Refund),
            "hold" => Ok(Self::Hold),
            _ => Err(()),
        }
    }
}

impl Config {
    /// # Errors
    ///
    /// [`ConfigError`] for the first variable that is missing or wrong.
    pub fn from_env(env: &Env) -> Result<Self, ConfigError> {
        let database = DatabaseSettings::from_env(env)?;
        Ok(Self {
            admin_addr: env.socket_addr("ADMIN_ADDR", ([127, 0, 0, 1], 8082).into())?,
            limits: LaneLimits {
                concurrency: env.number_in("WORKER_CONCURRENCY", 8, 1..=64)?,
                batch: env.number_in("WORKER_BATCH", 200, 1..=500)?,
            },
            on_unfulfillable: env.parse_or(
                "ON_UNFULFILLABLE",
                OnUnfulfillable::Refund,
                "refund or hold",
            )?,
            endpoint_secrets: EndpointSecrets::from_env(env)?,
            queue: QueueSettings::from_env(env, &database)?,
            stripe: StripeSettings::from_env(env)?,
            database,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_variable_is_named() {
        let good = [
            ("DATABASE_URL", "sqlite://shop.sqlite"),
            ("STRIPE_SECRET_KEY", "sk_test_1"),
            ("STRIPE_WEBHOOK_SECRET", "whsec_12345"),
        ];
        for (variable, value) in [
            ("DATABASE_URL", ""),
            ("STRIPE_SECRET_KEY", "whsec_1"),
            ("STRIPE_WEBHOOK_SECRET", ""),
            ("WORKER_CONCURRENCY", "0"),
            ("WORKER_CONCURRENCY", "65"),
            ("WORKER_BATCH", "501"),
            ("ADMIN_ADDR", "8082"),
            ("ON_UNFULFILLABLE", "shrug"),
            ("QUEUE_PREFIX", "a b"),
            ("AMQP_URL", "https://localhost"),
        ] {
            let mut pairs = good.to_vec();
            pairs.push(("AMQP_URL", "amqp://localhost"));
            pairs.retain(|(name, _)| *name != variable);
            pairs.push((variable, value));
            let env = pairs.into_iter().collect();

            assert_eq!(
                Config::from_env(&env).unwrap_err().variable,
                variable,
                "{value}"
            );
        }
    }
}
