//! Stripe's lists, for those who compare its books with ours.

use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;
use stripe_client_core::{RequestBuilder, StripeMethod};
use time::OffsetDateTime;

use crate::stripe::{
    checkout_session::CheckoutSession, client::StripeClient, dispute::Dispute, error::StripeError,
    event::Event, event_type::HANDLED, id::CheckoutSessionId, lenient, refund::Refund,
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

/// What of a list can be read; one object that cannot shall not hide the others.
#[derive(Deserialize)]
#[serde(bound(deserialize = "T: DeserializeOwned"))]
pub(super) struct List<T> {
    #[serde(deserialize_with = "readable")]
    pub data: Vec<T>,
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    has_more: bool,
}

fn readable<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let all = Vec::<Box<RawValue>>::deserialize(deserializer)?;
    let read = |raw: Box<RawValue>| {
        serde_json::from_str(raw.get())
            .inspect_err(|error: &serde_json::Error| {
                let (kind, column) = (error.classify(), error.column());
                tracing::warn!(?kind, column, "An object in a list of Stripe's is left out");
            })
            .ok()
    };
    Ok(all.into_iter().filter_map(read).collect())
}

impl<T> List<T> {
    fn page(self, id: impl Fn(&T) -> &str) -> Page<T> {
        let last = self.data.last().map(|it| id(it).to_owned());
        Page {
            next: last.filter(|_| self.has_more),
            items: self.data,
        }
    }
}

#[derive(Serialize)]
struct Query<'a> {
    limit: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<Since>,
    #[serde(skip_serializing_if = "Option::is_none")]
    starting_after: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_intent: Option<&'a str>,
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
            payment_intent: None,
            types: &[],
            expand: &[],
        }
    }

    /// What belongs to one payment.
    fn of(payment_intent: &'a str) -> Self {
        Self {
            created: None,
            payment_intent: Some(payment_intent),
            ..Self::new(OffsetDateTime::UNIX_EPOCH, None)
        }
    }
}

impl StripeClient {
    /// Checkout Sessions made since `since`, with what was paid and what went back.
    ///
    /// - `after`: the `next` of the page before.
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
        let list: List<CheckoutSession> = self.list("/checkout/sessions", &query).await?;
        Ok(list.page(|session| &session.id))
    }

    /// Refunds made since `since`.
    ///
    /// - `after`: the `next` of the page before.
    ///
    /// Source: <https://docs.stripe.com/api/refunds/list>
    pub async fn list_refunds(
        &self,
        since: OffsetDateTime,
        after: Option<&str>,
    ) -> Result<Page<Refund>, StripeError> {
        let list: List<Refund> = self.list("/refunds", &Query::new(since, after)).await?;
        Ok(list.page(|refund| &refund.id))
    }

    /// Disputes opened since `since`.
    ///
    /// - `after`: the `next` of the page before.
    ///
    /// Source: <https://docs.stripe.com/api/disputes/list>
    pub async fn list_disputes(
        &self,
        since: OffsetDateTime,
        after: Option<&str>,
    ) -> Result<Page<Dispute>, StripeError> {
        let list: List<Dispute> = self.list("/disputes", &Query::new(since, after)).await?;
        Ok(list.page(|dispute| &dispute.id))
    }

    /// All refunds of a payment: one page, since no merchant makes more than 100 of one.
    pub async fn refunds_of(&self, payment_intent: &str) -> Result<Vec<Refund>, StripeError> {
        let list: List<Refund> = self.list("/refunds", &Query::of(payment_intent)).await?;
        Ok(list.data)
    }

    /// All disputes about a payment.
    pub async fn disputes_of(&self, payment_intent: &str) -> Result<Vec<Dispute>, StripeError> {
        let list: List<Dispute> = self.list("/disputes", &Query::of(payment_intent)).await?;
        Ok(list.data)
    }

    /// Events of the types we act on that were made since `since`, delivered or not.
    ///
    /// - `after`: the `next` of the page before.
    ///
    /// Source: <https://docs.stripe.com/api/events/list>
    pub async fn list_events(
        &self,
        since: OffsetDateTime,
        after: Option<&str>,
    ) -> Result<Page<Event>, StripeError> {
        let query = Query {
            types: &HANDLED,
            ..Query::new(since, after)
        };
        let list: List<Event> = self.list("/events", &query).await?;
        Ok(list.page(|event| &event.id))
    }

    /// Whether Stripe answers, and takes our key.
    ///
    /// # Errors
    ///
    /// [`StripeError`] if it does not. That the session asked for does not exist is no error.
    pub async fn probe(&self) -> Result<(), StripeError> {
        let unknown = "cs_test_thisSessionNeverWas".parse::<CheckoutSessionId>();
        let Ok(unknown) = unknown else { return Ok(()) };
        match self.retrieve_checkout_session(&unknown).await {
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
