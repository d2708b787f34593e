//! What the services of every shop are started with.

use std::{collections::BTreeMap, net::SocketAddr};

use shared::config::Env;
use stripe_sim::StripeSim;
use tokio_util::sync::CancellationToken;

/// What webhooks are signed with.
pub const ENDPOINT_SECRET: &str = "whsec_test_secret";

/// Environment variables of a service.
pub type Variables = BTreeMap<&'static str, String>;

/// A stand-in for Stripe that posts nothing until it is told where.
///
/// # Errors
///
/// It cannot listen.
pub async fn start_stripe(shutdown: CancellationToken) -> anyhow::Result<StripeSim> {
    let config = stripe_sim::Config {
        listen_addr: ([127, 0, 0, 1], 0).into(),
        page_url: None,
        webhook_url: None,
        webhook_secret: ENDPOINT_SECRET.to_owned(),
        snapshot: None,
    };
    StripeSim::start(config, shutdown).await
}

/// All that a service needs but the database and the broker.
pub fn variables(stripe: &StripeSim, listen_addr: SocketAddr) -> Variables {
    [
        ("STRIPE_SECRET_KEY", "sk_test_of_the_testkit".to_owned()),
        ("STRIPE_WEBHOOK_SECRET", ENDPOINT_SECRET.to_owned()),
        ("STRIPE_API_BASE", stripe.base_url().to_owned()),
        ("LISTEN_ADDR", listen_addr.to_string()),
        ("PUBLIC_URL", format!("http://{listen_addr}")),
        ("ADMIN_ADDR", "127.0.0.1:0".to_owned()),
        // All buyers come from this machine.
        ("ORDERS_PER_MINUTE", "0".to_owned()),
        ("HELD_SEATS_PER_CLIENT", "0".to_owned()),
        ("SESSIONS_PER_MINUTE", "0".to_owned()),
        // Where receivers of webhooks are.
        ("ENDPOINT_NETWORKS", "127.0.0.0/8".to_owned()),
    ]
    .into()
}

/// As a service reads them.
pub fn env(variables: &Variables) -> Env {
    let pairs = variables.iter();
    pairs.map(|(name, value)| (*name, value)).collect()
}
