//! `worker doctor --create-webhook-endpoint`

use anyhow::{Context as _, bail};
use serde_json::json;
use shared::{
    config::{Env, StripeSettings, http_address::http_url},
    stripe::{client::StripeClient, error::StripeError, event_type::HANDLED},
};

use crate::operator::{command_line, doctor::stripe::PATH};

/// Makes the endpoint at Stripe, and prints its secret. Needs no secret yet, nor anything else but
/// `STRIPE_SECRET_KEY` and `PUBLIC_URL`.
pub async fn run(env: &Env, as_json: bool) -> anyhow::Result<()> {
    const EXPECTED: &str = "how Stripe reaches ingress, such as https://shop.example.com";
    let public_url = http_url("PUBLIC_URL", env.required("PUBLIC_URL", EXPECTED)?)?;
    let url = format!("{public_url}{PATH}");
    let stripe = StripeClient::new(&StripeSettings::from_env(env)?).context("STRIPE_API_BASE")?;
    let endpoints = stripe.list_webhook_endpoints().await.context("Stripe")?;
    if let Some(known) = endpoints.iter().find(|it| it.url == url) {
        bail!(
            "{} ({}) is there for {url} already: its secret, and whether it is enabled, are in Stripe's dashboard",
            known.id,
            known.status
        );
    }
    let made = match stripe.create_webhook_endpoint(&url).await {
        Ok(made) => made,
        Err(StripeError::Refused { param, .. }) if param.as_deref() == Some("url") => bail!(
            "Stripe does not take {url}: it has to be https, and reachable from outside; for this \
             machine, `stripe listen --forward-to {url}` prints a secret of its own"
        ),
        Err(error) => return Err(error).context("Stripe"),
    };
    if as_json {
        return command_line::json(&json!({
            "id": made.id,
            "url": url,
            "secret": made.secret,
            "api_version": made.api_version,
            "enabled_events": HANDLED,
        }));
    }
    command_line::line(format!(
        "{} posts {} event types to {url}, as snapshots of API version {}.\n\
         For ingress and workers:\n\n\
         STRIPE_WEBHOOK_SECRET={}",
        made.id,
        HANDLED.len(),
        made.api_version,
        made.secret
    ));
    Ok(())
}
