//! The settings of the worker.

use std::{fmt, net::SocketAddr, str::FromStr};

use shared::config::{
    ConfigError, DatabaseSettings, EndpointSecrets, Env, QueueSettings, SqlName, StripeSettings,
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
    /// The site's function that is told of each booking, if there is one.
    pub booking_hook: Option<BookingHook>,
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

/// A function of the site's, in its own schema: `(jsonb) RETURNS void`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BookingHook {
    /// The schema.
    pub schema: SqlName,
    /// The function.
    pub function: SqlName,
}

impl FromStr for BookingHook {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        let (schema, function) = name.split_once('.').ok_or(())?;
        Ok(Self {
            schema: schema.parse()?,
            function: function.parse()?,
        })
    }
}

/// As SQL calls it.
impl fmt::Display for BookingHook {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}.{}", self.schema, self.function)
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
            booking_hook: booking_hook(env, &database)?,
            endpoint_secrets: EndpointSecrets::from_env(env)?,
            queue: QueueSettings::from_env(env, &database)?,
            stripe: StripeSettings::from_env(env)?,
            database,
        })
    }
}

/// SQLite has no functions, and a site's own tables are not in our file.
fn booking_hook(
    env: &Env,
    database: &DatabaseSettings,
) -> Result<Option<BookingHook>, ConfigError> {
    const VARIABLE: &str = "BOOKING_HOOK";
    let problem = match env.get(VARIABLE).map(str::parse::<BookingHook>) {
        None => return Ok(None),
        Some(_) if database.is_sqlite() => {
            "needs PostgreSQL: it is a function in the database of the site's tables".to_owned()
        }
        Some(Ok(hook)) => return Ok(Some(hook)),
        Some(Err(())) => format!("expected schema.function, each {}", SqlName::EXPECTED),
    };
    Err(ConfigError::new(VARIABLE, problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_is_a_function_with_its_schema() {
        let hook = |name: &str| name.parse::<BookingHook>().map(|it| it.to_string());

        assert_eq!(
            hook("site.on_booking"),
            Ok("\"site\".\"on_booking\"".to_owned())
        );
        for wrong in [
            "on_booking",
            "site.",
            "a.b.c",
            "site.f()",
            "Site.f",
            "pg_catalog.f",
        ] {
            assert_eq!(hook(wrong), Err(()), "{wrong}");
        }
    }

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
            ("BOOKING_HOOK", "site.on_booking"),
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
