//! Our calls to Stripe's API, through async-stripe. Their [`StripeError`] is that of the last try.

#![expect(clippy::missing_errors_doc, reason = "said once, above")]

mod create_session;
mod lists;
mod permissions;
mod webhook_endpoints;

use std::collections::HashMap;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde::{Serialize, de::DeserializeOwned};
use stripe::{
    Client, ClientBuilder, IdempotencyKey, RequestStrategy, StripeError as ClientError,
    StripeRequest,
};
use stripe_checkout::checkout_session::{ExpireCheckoutSession, RetrieveCheckoutSession};
use stripe_client_core::{RequestBuilder, StripeMethod};

pub use self::{
    create_session::{CreatedCheckoutSession, NewCheckoutSession},
    lists::Page,
    permissions::Permission,
    webhook_endpoints::{NewWebhookEndpoint, WebhookEndpoint},
};
use crate::{
    config::StripeSettings,
    retry,
    stripe::{
        charge::Charge,
        checkout_session::{CheckoutSession, Expandable},
        dispute::Dispute,
        error::StripeError,
        id::CheckoutSessionId,
        refund::{OWED, Refund},
        session_details::SessionDetails,
    },
};

/// For one call. Stripe usually answers within one second.
const TIMEOUT: Duration = Duration::from_secs(8);
/// Pauses between the tries of one call, before the caller is told: short of any deadline.
const PAUSES: usize = 2;
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Stripe's API with our key.
#[derive(Clone)]
pub struct StripeClient {
    client: Client,
}

impl StripeClient {
    /// # Errors
    ///
    /// async-stripe's, if it cannot use the settings.
    pub fn new(settings: &StripeSettings) -> Result<Self, ClientError> {
        let mut builder = ClientBuilder::new(settings.secret_key.expose_secret())
            .timeout(TIMEOUT)
            .app_info("bookonce", Some(env!("CARGO_PKG_VERSION").to_owned()), None);
        if let Some(base) = &settings.api_base {
            builder = builder.url(base.as_str());
        }
        Ok(Self {
            client: builder.build()?,
        })
    }

    /// Asks for a session.
    ///
    /// Source: <https://docs.stripe.com/api/checkout/sessions/retrieve>
    pub async fn retrieve_checkout_session(
        &self,
        id: &CheckoutSessionId,
    ) -> Result<CheckoutSession, StripeError> {
        let request = RetrieveCheckoutSession::new(id.as_str())
            .expand(vec!["payment_intent.latest_charge".to_owned()]);
        self.read(|| request.build()).await
    }

    /// The same, with what it tells of the order.
    ///
    /// Source: <https://docs.stripe.com/api/checkout/sessions/retrieve>
    pub async fn checkout_session_details(
        &self,
        id: &CheckoutSessionId,
    ) -> Result<SessionDetails, StripeError> {
        let request = RetrieveCheckoutSession::new(id.as_str());
        self.read(|| request.build()).await
    }

    /// Ends an open session, so that it cannot be paid any more. Stripe refuses if the session
    /// is not open.
    ///
    /// Source: <https://docs.stripe.com/api/checkout/sessions/expire>
    pub async fn expire_checkout_session(
        &self,
        id: &CheckoutSessionId,
    ) -> Result<CheckoutSession, StripeError> {
        let request = ExpireCheckoutSession::new(id.as_str());
        self.read(|| request.build()).await
    }

    /// A PaymentIntent, whose metadata tells whose it is.
    ///
    /// Source: <https://docs.stripe.com/api/payment_intents/retrieve>
    pub async fn payment_intent(&self, id: &str) -> Result<Expandable, StripeError> {
        self.retrieve("payment_intents", id).await
    }

    /// A charge.
    ///
    /// Source: <https://docs.stripe.com/api/charges/retrieve>
    pub async fn charge(&self, id: &str) -> Result<Charge, StripeError> {
        self.retrieve("charges", id).await
    }

    /// A refund.
    ///
    /// Source: <https://docs.stripe.com/api/refunds/retrieve>
    pub async fn retrieve_refund(&self, id: &str) -> Result<Refund, StripeError> {
        self.retrieve("refunds", id).await
    }

    /// A dispute.
    ///
    /// Source: <https://docs.stripe.com/api/disputes/retrieve>
    pub async fn retrieve_dispute(&self, id: &str) -> Result<Dispute, StripeError> {
        self.retrieve("disputes", id).await
    }

    /// Gives back what is left of a payment. Calling it again with the same key changes nothing.
    ///
    /// # Errors
    ///
    /// [`StripeError::Refused`] with the code `charge_already_refunded` if nothing is left.
    ///
    /// Source: <https://docs.stripe.com/api/refunds/create>
    pub async fn refund(&self, payment_intent: &str, key: &str) -> Result<Refund, StripeError> {
        #[derive(Serialize)]
        struct Form<'a> {
            payment_intent: &'a str,
        }
        self.post_refund(&Form { payment_intent }, key).await
    }

    /// Gives back a part of a payment.
    ///
    /// - `owed`: what it is known by, see [`OWED`].
    ///
    /// # Errors
    ///
    /// [`StripeError`]
    pub async fn refund_part(
        &self,
        payment_intent: &str,
        amount: i64,
        owed: &str,
        key: &str,
    ) -> Result<Refund, StripeError> {
        #[derive(Serialize)]
        struct Form<'a> {
            payment_intent: &'a str,
            amount: i64,
            metadata: HashMap<&'a str, &'a str>,
        }
        let form = Form {
            payment_intent,
            amount,
            metadata: HashMap::from([(OWED, owed)]),
        };
        self.post_refund(&form, key).await
    }

    async fn post_refund(
        &self,
        form: &(impl Serialize + Sync),
        key: &str,
    ) -> Result<Refund, StripeError> {
        let strategy = RequestStrategy::Idempotent(idempotency_key(key)?);
        let request = || RequestBuilder::new(StripeMethod::Post, "/refunds").form(form);
        self.patiently(|| self.send(request(), strategy.clone()))
            .await
    }
}

impl StripeClient {
    /// - `id`: checked before, see [`crate::stripe::id::is_plausible_id`].
    async fn retrieve<T: DeserializeOwned>(&self, kind: &str, id: &str) -> Result<T, StripeError> {
        self.read(|| RequestBuilder::new(StripeMethod::Get, format!("/{kind}/{id}")))
            .await
    }

    /// Sends a request that may be sent again.
    async fn read<T: DeserializeOwned>(
        &self,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<T, StripeError> {
        self.patiently(|| self.send(request(), RequestStrategy::Once))
            .await
    }

    async fn patiently<T, F>(&self, send: impl Fn() -> F) -> Result<T, StripeError>
    where
        F: Future<Output = Result<T, StripeError>>,
    {
        let pauses = retry::endless(FIRST_PAUSE, LONGEST_PAUSE).take(PAUSES);
        retry::retry(pauses, StripeError::is_transient, send).await
    }

    /// Sends a request and reads the answer leniently, as our own types do: async-stripe's
    /// know every field, and refuse an object for the lack of one that we do not need.
    async fn send<T: DeserializeOwned>(
        &self,
        request: RequestBuilder,
        strategy: RequestStrategy,
    ) -> Result<T, StripeError> {
        let request = request.customize::<miniserde::json::Value>();
        let answer = request
            .request_strategy(strategy)
            .send(&self.client)
            .await?;
        serde_json::from_str(&miniserde::json::to_string(&answer))
            .map_err(|error| StripeError::MalformedAnswer(error.into()))
    }
}

fn idempotency_key(key: &str) -> Result<IdempotencyKey, StripeError> {
    IdempotencyKey::new(key)
        .map_err(|error| StripeError::Unavailable(ClientError::ConfigError(error.to_string())))
}
