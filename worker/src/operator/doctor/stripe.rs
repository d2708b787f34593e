//! Does Stripe take our key, and does it post what we need?

use shared::stripe::{
    client::{Permission, StripeClient, WebhookEndpoint},
    error::StripeError,
    event_type::{HANDLED, of_snapshot},
};

use crate::{
    config::Config,
    operator::doctor::finding::{Finding, chain},
};

/// Where ingress takes events.
pub(super) const PATH: &str = "/api/payment/webhook";

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
    // What the key may not is told below.
    if let Err(error) = client.probe().await
        && !matches!(error, StripeError::Forbidden { .. })
    {
        return vec![Finding::failed("stripe", chain(&error), remedy(&error))];
    }
    let mode = if config.stripe.mode.livemode() {
        "live"
    } else {
        "test"
    };
    let mut findings = vec![Finding::ok(
        "stripe",
        format!("answers, and takes the key of {mode} mode"),
    )];
    findings.extend(permissions(&client).await);
    findings.push(endpoint(client.list_webhook_endpoints().await));
    findings
}

/// What the key has to be allowed, each asked for in a way that changes nothing.
async fn permissions(client: &StripeClient) -> Vec<Finding> {
    const CHECK: &str = "permissions";
    let mut findings = Vec::new();
    for permission in Permission::ALL {
        let Err(error) = client.check_permission(permission).await else {
            continue;
        };
        findings.push(match error {
            StripeError::Forbidden { permission: rak } => {
                let rak = rak.map_or(String::new(), |rak| format!(" ({rak})"));
                let detail = format!("the key may not: {}{rak}", permission.name);
                Finding::failed(
                    CHECK,
                    detail,
                    "give it this permission in Stripe's dashboard",
                )
            }
            error => {
                let detail = format!("{}: {}", permission.name, chain(&error));
                Finding::failed(CHECK, detail, remedy(&error))
            }
        });
    }
    if findings.is_empty() {
        let names = Permission::ALL.map(|it| it.name).join(", ");
        findings.push(Finding::ok(CHECK, names));
    }
    findings
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
        let remedy = "worker doctor --create-webhook-endpoint makes it; until then confirm and reconcile do all the work";
        return Finding::failed(CHECK, detail, remedy);
    };
    if ours.status != "enabled" {
        let detail = format!("{} is {}", ours.url, ours.status);
        return Finding::failed(CHECK, detail, "enable it at Stripe, then worker reconcile");
    }
    let gets = |kind: &str| {
        let enabled = ours.enabled_events.iter();
        enabled
            .map(String::as_str)
            .any(|it| it == "*" || of_snapshot(it) == kind)
    };
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
        StripeError::Unauthorized => "STRIPE_SECRET_KEY is not valid: was it rolled or revoked?",
        _ => "see https://status.stripe.com and STRIPE_API_BASE",
    }
}
