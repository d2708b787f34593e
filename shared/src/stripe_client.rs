//! Our calls to Stripe's API, through async-stripe.

use std::{collections::HashMap, time::Duration};

use secrecy::ExposeSecret;
use stripe::{
    Client, ClientBuilder, IdempotencyKey, RequestStrategy, StripeError as ClientError,
    StripeRequest,
};
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionLineItems, CreateCheckoutSessionLineItemsPriceData,
    CreateCheckoutSessionPaymentIntentData, ProductData, RetrieveCheckoutSession,
};
use stripe_shared::{CheckoutSessionMode, CheckoutSessionPaymentStatus, CheckoutSessionStatus};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{
    checkout_session::{CheckoutSession, Expandable, METADATA_CHECKOUT_ID, PaymentStatus, Status},
    money::Amount,
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
        let key = IdempotencyKey::new(new.checkout_id.to_string()).map_err(|error| {
            StripeError::Unavailable(ClientError::ConfigError(error.to_string()))
        })?;
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
        let request = RetrieveCheckoutSession::new(id.as_str());
        retry::retry(PATIENCE, StripeError::is_transient, || async {
            session(request.send(&self.client).await?)
        })
        .await
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
        payment_intent: session
            .payment_intent
            .map(|intent| Expandable::Id(intent.id().to_string())),
        client_reference_id: session.client_reference_id,
        metadata: session.metadata,
        livemode: session.livemode,
    })
}

fn unreadable(what: &str) -> StripeError {
    StripeError::Unavailable(ClientError::JSONDeserialize(what.to_owned()))
}
