use shared::config::{ConfigError, Env};

use crate::{SHOP, lines};

/// What ingress, worker or the migrations may read.
const VARIABLES: [&str; 38] = [
    "ADMIN_ADDR",
    "MAIL_FROM",
    "MAIL_MERCHANT",
    "SHOP_PRIVACY_URL",
    "SMTP_URL",
    "TRUSTED_PROXIES",
    "WORKER_BATCH",
    "WORKER_CONCURRENCY",
    "ADMIN_TOKEN",
    "AMQP_URL",
    "BOOKING_HOOK",
    "CHECKOUT_OPTIONS",
    "CORS_ORIGINS",
    "DATABASE_MAX_CONNECTIONS",
    "DATABASE_SCHEMA",
    "DATABASE_URL",
    "ENDPOINT_NETWORKS",
    "EVENT_QUEUES",
    "HELD_SEATS_PER_CLIENT",
    "HOLD_MINUTES",
    "LINK_SECRET",
    "LISTEN_ADDR",
    "ON_UNFULFILLABLE",
    "ORDERS_PER_MINUTE",
    "PLAINTEXT_HOSTS",
    "PUBLIC_URL",
    "QUEUE_PREFIX",
    "RETENTION_DAYS",
    "RETURN_ORIGINS",
    "SESSIONS_PER_MINUTE",
    "SHOP_COLOR",
    "SHOP_CONTACT",
    "SHOP_NAME",
    "SHOP_TERMS_URL",
    "SITE_API_KEYS",
    "STRIPE_API_BASE",
    "STRIPE_SECRET_KEY",
    "STRIPE_WEBHOOK_SECRET",
];
/// What the secrets of the corpus are made of.
const SECRET: &str = "hunter2";

/// Variables, `NAME=value` in a line. A wrong one is named in one line, which does not repeat the value.
///
/// # Panics
///
/// A promise is broken.
pub fn configuration(input: &[u8]) {
    let set: Vec<_> = lines(input)
        .filter_map(|line| line.split_once('='))
        .collect();
    let set = set.into_iter().filter(|(name, _)| VARIABLES.contains(name));
    let env: Env = SHOP.into_iter().chain(set).collect();
    check(ingress::config::Config::from_env(&env).err());
    check(worker::config::Config::from_env(&env).err());
}

fn check(error: Option<ConfigError>) {
    let said = error.map_or(String::new(), |it| it.to_string());
    assert!(!said.contains(char::is_control), "{said:?}");
    assert!(!said.contains(SECRET), "{said:?}");
}
