//! Stripe's lists, for those who compare its books with ours.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use stripe_client_core::{RequestBuilder, StripeMethod};
use time::OffsetDateTime;

use super::StripeClient;
use crate::{
    checkout_session::CheckoutSession, stripe_error::StripeError, stripe_event_type::HANDLED,
    stripe_id::CheckoutSessionId,
};

/// As many as Stripe puts on one page.
const PAGE: u8 = 100;

/// One page of a list, newest first.
#[derive(Debug)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// What to ask for the next page with, if there is one.
    pub next: Option<String>,
}

/// An event that Stripe could not deliver, whole.
#[derive(Debug)]
pub struct Event {
    /// `evt_…`
    pub id: String,
    /// Its JSON.
    pub body: Box<RawValue>,
}

/// Where Stripe posts events.
///
/// Source: <https://docs.stripe.com/api/webhook_endpoints/object>
#[derive(Debug, Deserialize)]
pub struct WebhookEndpoint {
    /// The address.
    pub url: String,
    /// `enabled` or `disabled`.
    pub status: String,
    /// Types it gets, or `*`.
    pub enabled_events: Vec<String>,
}

#[derive(Deserialize)]
struct List<T> {
    data: Vec<T>,
    #[serde(default)]
    has_more: bool,
}

#[derive(Deserialize)]
struct Id {
    id: String,
}

#[derive(Serialize)]
struct Query<'a> {
    limit: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<Since>,
    #[serde(skip_serializing_if = "Option::is_none")]
    starting_after: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery_success: Option<bool>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    types: &'a [&'a str],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    expand: &'a [&'a str],
}

#[derive(Serialize)]
struct Since {
    gte: i64,
}

impl<'a> Query<'a> {
    fn new(since: OffsetDateTime, after: Option<&'a str>) -> Self {
        Self {
            limit: PAGE,
            created: Some(Since {
                gte: since.unix_timestamp(),
            }),
            starting_after: after,
            delivery_success: None,
            types: &[],
            expand: &[],
        }
    }
}

impl StripeClient {
    /// Checkout Sessions made since `since`, with what was paid and what went back.
    ///
    /// - `after`: the `next` of the page before.
    ///
    /// # Errors
    ///
    /// [`StripeError`] after the last try.
    ///
    /// Source: <https://docs.stripe.com/api/checkout/sessions/list>
    pub async fn list_checkout_sessions(
        &self,
        since: OffsetDateTime,
        after: Option<&str>,
    ) -> Result<Page<CheckoutSession>, StripeError> {
        let query = Query {
            expand: &["data.payment_intent.latest_charge"],
            ..Query::new(since, after)
        };
        let page: List<CheckoutSession> = self.list("/checkout/sessions", &query).await?;
        let last = page.data.last().map(|session| session.id.to_string());
        Ok(Page {
            next: last.filter(|_| page.has_more),
            items: page.data,
        })
    }

    /// Events of the types we act on that were made since `since` and that not every endpoint
    /// has taken.
    ///
    /// - `after`: the `next` of the page before.
    ///
    /// # Errors
    ///
    /// [`StripeError`] after the last try.
    ///
    /// Source: <https://docs.stripe.com/webhooks/process-undelivered-events>
    pub async fn list_undelivered_events(
        &self,
        since: OffsetDateTime,
        after: Option<&str>,
    ) -> Result<Page<Event>, StripeError> {
        let query = Query {
            delivery_success: Some(false),
            types: &HANDLED,
            ..Query::new(since, after)
        };
        let page: List<Box<RawValue>> = self.list("/events", &query).await?;
        let event = |body: Box<RawValue>| {
            let Id { id } = serde_json::from_str(body.get()).ok()?;
            Some(Event { id, body })
        };
        let items: Vec<Event> = page.data.into_iter().filter_map(event).collect();
        let last = items.last().map(|event| event.id.clone());
        Ok(Page {
            next: last.filter(|_| page.has_more),
            items,
        })
    }

    /// Where Stripe posts the events of this account and mode.
    ///
    /// # Errors
    ///
    /// [`StripeError`] after the last try.
    ///
    /// Source: <https://docs.stripe.com/api/webhook_endpoints/list>
    pub async fn list_webhook_endpoints(&self) -> Result<Vec<WebhookEndpoint>, StripeError> {
        let query = Query {
            created: None,
            ..Query::new(OffsetDateTime::UNIX_EPOCH, None)
        };
        let list: List<WebhookEndpoint> = self.list("/webhook_endpoints", &query).await?;
        Ok(list.data)
    }

    /// Whether Stripe answers, and takes our key.
    ///
    /// # Errors
    ///
    /// [`StripeError`] if it does not. That the session asked for does not exist is no error.
    pub async fn probe(&self) -> Result<(), StripeError> {
        let nobody = "cs_test_thisSessionNeverWas".parse::<CheckoutSessionId>();
        let Ok(nobody) = nobody else { return Ok(()) };
        match self.retrieve_checkout_session(&nobody).await {
            Ok(_) | Err(StripeError::NotFound | StripeError::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn list<T: DeserializeOwned>(
        &self,
        path: &str,
        query: &Query<'_>,
    ) -> Result<T, StripeError> {
        self.read(|| RequestBuilder::new(StripeMethod::Get, path).query(query))
            .await
    }
}
