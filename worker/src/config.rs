//! The settings of the worker.

use std::{fmt, net::SocketAddr, str::FromStr};

use ipnet::IpNet;
use shared::{
    booking_link::LinkSecrets,
    config::{
        ConfigError, DatabaseSettings, EndpointSecrets, Env, QueueSettings, SqlName, StripeSettings,
    },
};

use crate::{
    admin_token::AdminToken,
    consumer::lane_limits::LaneLimits,
    mail::{MailSettings, Mailer},
    notifications::webhook::WebhookClient,
};

/// Everything the worker reads from the environment.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the probes listen.
    pub admin_addr: SocketAddr,
    /// What opens the console where that is no loopback address.
    pub admin_token: Option<AdminToken>,
    /// How much of one lane is taken at once.
    pub limits: LaneLimits,
    /// What becomes of a payment without seats.
    pub on_unfulfillable: OnUnfulfillable,
    /// The site's function that is told of each booking, if there is one.
    pub booking_hook: Option<BookingHook>,
    /// What Stripe signs events with.
    pub endpoint_secrets: EndpointSecrets,
    /// What the links in mails are signed with.
    pub link_secrets: LinkSecrets,
    /// How buyers and the merchant get mail, if they do.
    pub mailer: Option<Mailer>,
    /// Where buyers of this shop come back to.
    pub origins: Vec<String>,
    /// After which what is no longer needed is erased.
    pub retention: time::Duration,
    /// Posts to endpoints, as far as they may be posted to.
    pub webhooks: WebhookClient,
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
            admin_token: AdminToken::from_env(env)?,
            limits: LaneLimits {
                concurrency: env.number_in("WORKER_CONCURRENCY", 8, 1..=64)?,
                batch: env.number_in("WORKER_BATCH", 200, 1..=500)?,
            },
            on_unfulfillable: on_unfulfillable(env)?,
            booking_hook: booking_hook(env, &database)?,
            endpoint_secrets: EndpointSecrets::from_env(env)?,
            link_secrets: LinkSecrets::from_env(env)?,
            mailer: MailSettings::from_env(env)?.map(Mailer::new),
            origins: origins(env),
            retention: time::Duration::days(env.number_in("RETENTION_DAYS", 30, 1..=3650)?),
            webhooks: webhooks(env)?,
            queue: QueueSettings::from_env(env, &database)?,
            stripe: StripeSettings::from_env(env)?,
            database,
        })
    }
}

/// What posts to endpoints: also into the private networks that are named, and nowhere else there.
///
/// # Errors
///
/// [`ConfigError`] if one is not a network.
pub fn webhooks(env: &Env) -> Result<WebhookClient, ConfigError> {
    const VARIABLE: &str = "ENDPOINT_NETWORKS";
    let names = env.get(VARIABLE).unwrap_or_default().split(',');
    let names = names.map(str::trim).filter(|it| !it.is_empty());
    let networks: Result<Vec<IpNet>, _> = names.map(str::parse).collect();
    let networks = networks.map_err(|_| {
        ConfigError::new(
            VARIABLE,
            "expected networks such as 10.0.0.0/8, separated by commas",
        )
    })?;
    WebhookClient::new(&networks).map_err(|error| ConfigError::new(VARIABLE, error.to_string()))
}

/// `PUBLIC_URL`, and what ingress has as `RETURN_ORIGINS`.
fn origins(env: &Env) -> Vec<String> {
    let all = ["PUBLIC_URL", "RETURN_ORIGINS"].map(|name| env.get(name).unwrap_or_default());
    let all = all.iter().flat_map(|it| it.split(',')).map(str::trim);
    all.filter(|it| !it.is_empty()).map(str::to_owned).collect()
}

/// What becomes of a payment for which there are no seats.
///
/// # Errors
///
/// [`ConfigError`] if it is neither.
pub fn on_unfulfillable(env: &Env) -> Result<OnUnfulfillable, ConfigError> {
    let default = OnUnfulfillable::Refund;
    env.parse_or("ON_UNFULFILLABLE", default, "refund or hold")
}

/// The site's function. SQLite has no functions, and a site's own tables are not in our file.
///
/// # Errors
///
/// [`ConfigError`] if it is not the name of one.
pub fn booking_hook(
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
            ("STRIPE_WEBHOOK_SECRET", "whsec_1234567890"),
        ];
        for (variable, value) in [
            ("DATABASE_URL", ""),
            ("STRIPE_SECRET_KEY", "whsec_1"),
            ("STRIPE_WEBHOOK_SECRET", ""),
            ("WORKER_CONCURRENCY", "0"),
            ("WORKER_CONCURRENCY", "65"),
            ("WORKER_BATCH", "501"),
            ("ADMIN_ADDR", "8082"),
            ("ADMIN_TOKEN", "guess"),
            ("ON_UNFULFILLABLE", "shrug"),
            ("BOOKING_HOOK", "site.on_booking"),
            ("ENDPOINT_NETWORKS", "10.0.0.1/8x"),
            ("LINK_SECRET", "short"),
            ("RETENTION_DAYS", "0"),
            ("SMTP_URL", "https://mail.example.com"),
            ("MAIL_FROM", ""),
            ("MAIL_MERCHANT", "nobody"),
            ("MAIL_TEMPLATES", "/there/is/no/such/folder"),
            ("SHOP_COLOR", "blue"),
            ("QUEUE_PREFIX", "a b"),
            ("AMQP_URL", "https://localhost"),
        ] {
            let mut pairs = good.to_vec();
            pairs.extend([
                ("AMQP_URL", "amqp://localhost"),
                ("SMTP_URL", "smtp://127.0.0.1:2525"),
                ("MAIL_FROM", "book@example.com"),
                ("PUBLIC_URL", "https://shop.example.com"),
            ]);
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
