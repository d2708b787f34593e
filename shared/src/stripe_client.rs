//! Our calls to Stripe's API, through async-stripe.

use std::{collections::HashMap, time::Duration};

use secrecy::ExposeSecret;
use stripe::{
    Client, ClientBuilder, IdempotencyKey, RequestStrategy, StripeError as ClientError,
    StripeRequest,
};
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionLineItems, CreateCheckoutSessionLineItemsPriceData,
    CreateCheckoutSessionPaymentIntentData, ExpireCheckoutSession, ProductData,
    RetrieveCheckoutSession,
};
use stripe_core::{
    payment_intent::RetrievePaymentIntent,
    refund::{CreateRefund, ListRefund},
};
use stripe_shared::{CheckoutSessionMode, CheckoutSessionPaymentStatus, CheckoutSessionStatus};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    checkout_session::{
        CheckoutSession, Expandable, METADATA_CHECKOUT_ID, Mode, PaymentStatus, Status,
    },
    money::Amount,
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

/// A Checkout Session to create.
#[derive(Debug)]
pub struct NewCheckoutSession {
    /// The hold; also the idempotency key.
    pub checkout_id: Uuid,
    /// What is booked.
    pub slot_id: Uuid,
    /// How the line item is called.
    pub product_name: String,
    /// Price of one seat.
    pub unit_amount: Amount,
    /// Seats.
    pub quantity: u32,
    /// Prefilled on Stripe's page.
    pub customer_email: String,
    /// End of the hold.
    pub expires_at: OffsetDateTime,
    /// Where Stripe sends a buyer who paid.
    pub success_url: String,
    /// Where Stripe sends a buyer who turned back.
    pub cancel_url: String,
}

/// What Stripe answers to a new session.
#[derive(Debug)]
pub struct CreatedCheckoutSession {
    /// `cs_…`
    pub id: CheckoutSessionId,
    /// Where the buyer pays.
    pub url: String,
}

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

    /// Creates a session. Calling it again for the same checkout returns the same session.
    ///
    /// # Errors
    ///
    /// [`StripeError`] after the last try.
    ///
    /// Source: <https://docs.stripe.com/api/checkout/sessions/create>
    pub async fn create_checkout_session(
        &self,
        new: &NewCheckoutSession,
    ) -> Result<CreatedCheckoutSession, StripeError> {
        let request = create_request(new);
        let key = idempotency_key(&new.checkout_id.to_string())?;
        retry::retry(PATIENCE, StripeError::is_transient, || async {
            let strategy = RequestStrategy::Idempotent(key.clone());
            let session = request
                .customize()
                .request_strategy(strategy)
                .send(&self.client)
                .await?;
            match (session.id.as_str().parse(), session.url) {
                (Ok(id), Some(url)) => Ok(CreatedCheckoutSession { id, url }),
                _ => Err(unreadable("a new session without a usable id and url")),
            }
        })
        .await
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
        let request =
            RetrieveCheckoutSession::new(id.as_str()).expand(vec!["payment_intent".to_owned()]);
        retry::retry(PATIENCE, StripeError::is_transient, || async {
            session(request.send(&self.client).await?)
        })
        .await
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
        retry::retry(PATIENCE, StripeError::is_transient, || async {
            session(request.send(&self.client).await?)
        })
        .await
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

fn create_request(new: &NewCheckoutSession) -> CreateCheckoutSession {
    let Ok(currency) = new
        .unit_amount
        .currency
        .as_str()
        .parse::<stripe_types::Currency>();
    let mut price = CreateCheckoutSessionLineItemsPriceData::new(currency);
    price.unit_amount = Some(new.unit_amount.minor_units);
    price.product_data = Some(ProductData::new(new.product_name.as_str()));
    let mut item = CreateCheckoutSessionLineItems::new();
    item.price_data = Some(price);
    item.quantity = Some(new.quantity.into());

    let metadata = HashMap::from([
        (METADATA_CHECKOUT_ID.to_owned(), new.checkout_id.to_string()),
        ("slot_id".to_owned(), new.slot_id.to_string()),
        ("quantity".to_owned(), new.quantity.to_string()),
    ]);
    // Stripe does not copy the session's metadata to the PaymentIntent.
    let mut payment_intent = CreateCheckoutSessionPaymentIntentData::new();
    payment_intent.metadata = Some(metadata.clone());

    CreateCheckoutSession::new()
        .mode(CheckoutSessionMode::Payment)
        .line_items(vec![item])
        .client_reference_id(new.checkout_id.to_string())
        .metadata(metadata)
        .payment_intent_data(payment_intent)
        .customer_email(new.customer_email.as_str())
        .expires_at(new.expires_at.unix_timestamp())
        .success_url(new.success_url.as_str())
        .cancel_url(new.cancel_url.as_str())
}

fn session(session: stripe_shared::CheckoutSession) -> Result<CheckoutSession, StripeError> {
    Ok(CheckoutSession {
        id: session
            .id
            .as_str()
            .parse()
            .map_err(|_| unreadable("a session whose id is none"))?,
        payment_status: match session.payment_status {
            CheckoutSessionPaymentStatus::Paid => PaymentStatus::Paid,
            CheckoutSessionPaymentStatus::Unpaid => PaymentStatus::Unpaid,
            CheckoutSessionPaymentStatus::NoPaymentRequired => PaymentStatus::NoPaymentRequired,
            _ => PaymentStatus::Unknown,
        },
        status: session.status.map(|status| match status {
            CheckoutSessionStatus::Open => Status::Open,
            CheckoutSessionStatus::Complete => Status::Complete,
            CheckoutSessionStatus::Expired => Status::Expired,
            _ => Status::Unknown,
        }),
        amount_total: session.amount_total,
        currency: session.currency.map(|currency| currency.to_string()),
        payment_intent: session.payment_intent.map(|intent| match intent {
            stripe_types::Expandable::Id(id) => Expandable::Id(id.to_string()),
            stripe_types::Expandable::Object(intent) => Expandable::Object {
                id: intent.id.to_string(),
                status: Some(intent.status.to_string()),
            },
        }),
        client_reference_id: session.client_reference_id,
        metadata: session.metadata,
        mode: Some(match session.mode {
            CheckoutSessionMode::Payment => Mode::Payment,
            _ => Mode::Other,
        }),
        livemode: session.livemode,
    })
}

fn unreadable(what: &str) -> StripeError {
    StripeError::Unavailable(ClientError::JSONDeserialize(what.to_owned()))
}
