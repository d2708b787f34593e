//! Where Stripe posts events.

use serde::{Deserialize, Serialize};
use stripe::RequestStrategy;
use stripe_client_core::{RequestBuilder, StripeMethod};
use stripe_shared::version::VERSION;
use uuid::Uuid;

use crate::stripe::{
    client::{StripeClient, idempotency_key, lists::List},
    error::StripeError,
    event_type::HANDLED,
    lenient,
};

const PATH: &str = "/webhook_endpoints";
/// As many as Stripe has on one page; it takes 16 of an account.
const MOST: u8 = 100;

/// Where Stripe posts events.
///
/// Source: <https://docs.stripe.com/api/webhook_endpoints/object>
#[derive(Debug, Deserialize)]
pub struct WebhookEndpoint {
    /// `we_…`
    #[serde(default)]
    pub id: String,
    /// The address.
    pub url: String,
    /// `enabled` or `disabled`.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub status: String,
    /// Types it gets, or `*`.
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    pub enabled_events: Vec<String>,
}

/// One that was made just now. Without `Debug`: it has a secret.
#[derive(Deserialize)]
pub struct NewWebhookEndpoint {
    /// `we_…`
    pub id: String,
    /// What it signs with. Stripe says it this once.
    pub secret: String,
    /// Of the objects in its events.
    pub api_version: String,
}

impl StripeClient {
    /// Where Stripe posts the events of this account and mode.
    ///
    /// Source: <https://docs.stripe.com/api/webhook_endpoints/list>
    pub async fn list_webhook_endpoints(&self) -> Result<Vec<WebhookEndpoint>, StripeError> {
        #[derive(Serialize)]
        struct Query {
            limit: u8,
        }
        let request = || RequestBuilder::new(StripeMethod::Get, PATH).query(&Query { limit: MOST });
        let list: List<WebhookEndpoint> = self.read(request).await?;
        Ok(list.data)
    }

    /// Has Stripe post to `url` what we act on, as snapshots of the version that this release reads.
    ///
    /// Source: <https://docs.stripe.com/api/webhook_endpoints/create>
    pub async fn create_webhook_endpoint(
        &self,
        url: &str,
    ) -> Result<NewWebhookEndpoint, StripeError> {
        #[derive(Serialize)]
        struct Form<'a> {
            url: &'a str,
            enabled_events: [&'a str; HANDLED.len()],
            api_version: &'a str,
            description: &'a str,
        }
        let form = Form {
            url,
            enabled_events: HANDLED,
            api_version: VERSION.as_str(),
            description: "Bookonce",
        };
        // Of a second try, too: its secret is not told again.
        let key = idempotency_key(&Uuid::now_v7().to_string())?;
        let strategy = RequestStrategy::Idempotent(key);
        let request = || RequestBuilder::new(StripeMethod::Post, PATH).form(&form);
        self.patiently(|| self.send(request(), strategy.clone()))
            .await
    }
}
