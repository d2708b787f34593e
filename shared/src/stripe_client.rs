//! Our calls to Stripe's API, through async-stripe.

mod create_session;
mod lists;

use std::{collections::HashMap, time::Duration};

use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use stripe::{
    Client, ClientBuilder, IdempotencyKey, RequestStrategy, StripeError as ClientError,
    StripeRequest,
};
use stripe_checkout::checkout_session::{ExpireCheckoutSession, RetrieveCheckoutSession};
use stripe_client_core::RequestBuilder;
use stripe_core::{
    payment_intent::RetrievePaymentIntent,
    refund::{CreateRefund, ListRefund},
};

pub use self::{
    create_session::{CreatedCheckoutSession, NewCheckoutSession},
    lists::{Event, Page, WebhookEndpoint},
};
use crate::{
    checkout_session::{CheckoutSession, Expandable},
    refund::Refund,
    retry::{self, Patience},
    settings::StripeSettings,
    stripe_error::StripeError,
    stripe_id::CheckoutSessionId,
};

/// For one call. Stripe usually answers within one second.
const TIMEOUT: Duration = Duration::from_secs(8);
/// Tries of one call, before the caller is told. The delays leave room under any deadline.
const PATIENCE: Patience = Patience {
    tries: 3,
    first_delay: Duration::from_millis(200),
};

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
    /// # Errors
    ///
    /// [`StripeError`] after the last try.
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

    /// Ends an open session, so that nobody can pay it any more. Stripe refuses if the session
    /// is not open.
    ///
    /// # Errors
    ///
    /// [`StripeError`] after the last try.
    ///
    /// Source: <https://docs.stripe.com/api/checkout/sessions/expire>
    pub async fn expire_checkout_session(
        &self,
        id: &CheckoutSessionId,
    ) -> Result<CheckoutSession, StripeError> {
        let request = ExpireCheckoutSession::new(id.as_str());
        self.read(|| request.build()).await
    }

    /// The metadata of a PaymentIntent, which tells whose it is.
    ///
    /// # Errors
    ///
    /// [`StripeError`] after the last try.
    ///
    /// Source: <https://docs.stripe.com/api/payment_intents/retrieve>
    pub async fn payment_intent_metadata(
        &self,
        id: &str,
    ) -> Result<HashMap<String, String>, StripeError> {
        let request = RetrievePaymentIntent::new(id);
        retry::retry(PATIENCE, StripeError::is_transient, || async {
            Ok(request.send(&self.client).await?.metadata)
        })
        .await
    }

    /// Gives back what is left of a payment. Calling it again with the same key changes nothing.
    ///
    /// # Errors
    ///
    /// [`StripeError`] after the last try; [`StripeError::Refused`] with the code
    /// `charge_already_refunded` if nothing is left.
    ///
    /// Source: <https://docs.stripe.com/api/refunds/create>
    pub async fn refund(&self, payment_intent: &str, key: &str) -> Result<Refund, StripeError> {
        let request = CreateRefund::new().payment_intent(payment_intent);
        let key = idempotency_key(key)?;
        retry::retry(PATIENCE, StripeError::is_transient, || async {
            let strategy = RequestStrategy::Idempotent(key.clone());
            let sent = request.customize().request_strategy(strategy);
            Ok(refund(sent.send(&self.client).await?))
        })
        .await
    }

    /// All refunds of a payment.
    ///
    /// # Errors
    ///
    /// [`StripeError`] after the last try.
    ///
    /// Source: <https://docs.stripe.com/api/refunds/list>
    pub async fn refunds_of(&self, payment_intent: &str) -> Result<Vec<Refund>, StripeError> {
        // More than one page would be more refunds than anybody makes of one payment.
        let request = ListRefund::new().payment_intent(payment_intent).limit(100);
        retry::retry(PATIENCE, StripeError::is_transient, || async {
            let list = request.send(&self.client).await?;
            Ok(list.data.into_iter().map(refund).collect())
        })
        .await
    }
}

impl StripeClient {
    /// Sends a request and reads the answer leniently, as our own types do: async-stripe's
    /// know every field, and refuse an object for the lack of one that we do not need.
    async fn read<T: DeserializeOwned>(
        &self,
        request: impl Fn() -> RequestBuilder,
    ) -> Result<T, StripeError> {
        retry::retry(PATIENCE, StripeError::is_transient, || async {
            let sent = request().customize::<miniserde::json::Value>();
            let answer = sent.send(&self.client).await?;
            serde_json::from_str(&miniserde::json::to_string(&answer))
                .map_err(|_| unreadable("an object of another shape"))
        })
        .await
    }
}

fn idempotency_key(key: &str) -> Result<IdempotencyKey, StripeError> {
    IdempotencyKey::new(key)
        .map_err(|error| StripeError::Unavailable(ClientError::ConfigError(error.to_string())))
}

fn refund(refund: stripe_shared::Refund) -> Refund {
    Refund {
        id: refund.id.to_string(),
        amount: refund.amount,
        currency: refund.currency.to_string(),
        status: refund.status.map(Into::into),
        payment_intent: refund
            .payment_intent
            .map(|intent| Expandable::Id(intent.id().to_string())),
    }
}

fn unreadable(what: &str) -> StripeError {
    StripeError::Unavailable(ClientError::JSONDeserialize(what.to_owned()))
}
