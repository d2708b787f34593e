//! Does Stripe take our key, and does it post what we need?

use shared::{
    clock,
    stripe_client::{StripeClient, WebhookEndpoint},
    stripe_error::StripeError,
    stripe_event_type::HANDLED,
};

use super::{Finding, chain};
use crate::config::Config;

/// Where ingress takes events.
const PATH: &str = "/api/payment/webhook";

/// Looks at the key, what it may read, and the webhook endpoint.
pub async fn examine(config: &Config) -> Vec<Finding> {
    let client = match StripeClient::new(&config.stripe) {
        Ok(client) => client,
        Err(error) => {
            return vec![Finding::failed(
                "stripe",
                chain(&error),
                "see STRIPE_API_BASE",
            )];
        }
    };
    if let Err(error) = client.probe().await {
        return vec![Finding::failed("stripe", chain(&error), remedy(&error))];
    }
    let mode = if config.stripe.mode.livemode() {
        "live"
    } else {
        "test"
    };
    vec![
        Finding::ok(
            "stripe",
            format!("answers, and takes the key of {mode} mode"),
        ),
        readable(
            "list sessions",
            client
                .list_checkout_sessions(clock::system(), None)
                .await
                .err(),
        ),
        readable(
            "list events",
            client
                .list_undelivered_events(clock::system(), None)
                .await
                .err(),
        ),
        endpoint(client.list_webhook_endpoints().await),
    ]
}

fn readable(check: &'static str, error: Option<StripeError>) -> Finding {
    match error {
        None => Finding::ok(check, "the key may"),
        Some(error) => Finding::failed(check, chain(&error), remedy(&error)),
    }
}

fn endpoint(endpoints: Result<Vec<WebhookEndpoint>, StripeError>) -> Finding {
    const CHECK: &str = "webhook endpoint";
    let endpoints = match endpoints {
        Ok(endpoints) => endpoints,
        Err(error) => {
            let remedy = "let the key read webhook endpoints, or look in Stripe's dashboard";
            return Finding::warning(CHECK, chain(&error), remedy);
        }
    };
    // Of several, such as an old one or another deployment's, one that works will do.
    let mut ours: Vec<_> = endpoints
        .iter()
        .filter(|it| it.url.ends_with(PATH))
        .collect();
    ours.sort_by_key(|it| it.status != "enabled");
    let Some(ours) = ours.first() else {
        let detail = format!("none of {} posts to …{PATH}", endpoints.len());
        let remedy = "create it at Stripe; until then confirm and reconcile do all the work";
        return Finding::failed(CHECK, detail, remedy);
    };
    if ours.status != "enabled" {
        let detail = format!("{} is {}", ours.url, ours.status);
        return Finding::failed(CHECK, detail, "enable it at Stripe, then worker reconcile");
    }
    let gets = |kind: &str| ours.enabled_events.iter().any(|it| it == kind || it == "*");
    let lacks: Vec<&str> = HANDLED.into_iter().filter(|kind| !gets(kind)).collect();
    if lacks.is_empty() {
        Finding::ok(
            CHECK,
            format!("{} is enabled and gets every event", ours.url),
        )
    } else {
        let detail = format!("{} does not get {}", ours.url, lacks.join(", "));
        Finding::failed(CHECK, detail, "add these event types at Stripe")
    }
}

fn remedy(error: &StripeError) -> &'static str {
    match error {
        StripeError::Unauthorized => {
            "STRIPE_SECRET_KEY is not valid or may not; see the README for what it needs"
        }
        _ => "see https://status.stripe.com and STRIPE_API_BASE",
    }
}
