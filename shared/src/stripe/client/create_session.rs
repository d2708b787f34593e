//! Making a Checkout Session for a hold.

mod options;

use std::{collections::BTreeMap, time::Duration};

use stripe::{RequestStrategy, StripeRequest};
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionLineItems, CreateCheckoutSessionLineItemsPriceData,
    CreateCheckoutSessionPaymentIntentData, ProductData,
};
use stripe_shared::CheckoutSessionMode;
use time::OffsetDateTime;
use tokio::time::Instant;
use uuid::Uuid;

use crate::{
    checkout_options::CheckoutOptions,
    line_item::LineItem,
    retry,
    stripe::{
        checkout_session::CheckoutSession,
        client::{
            FIRST_PAUSE, LONGEST_PAUSE, StripeClient,
            create_session::options::{tax_behavior, with_options},
            idempotency_key,
        },
        error::StripeError,
        id::CheckoutSessionId,
        metadata,
    },
    unreadable::Unreadable,
};

/// For all tries of one session: a slow Stripe gets this long to answer the first of them.
const LIMIT: Duration = Duration::from_secs(22);
/// Tries that Stripe fails, other than by not being done with an earlier one.
const FAILURES: u32 = 3;

/// A Checkout Session to create.
#[derive(Debug)]
pub struct NewCheckoutSession {
    /// The hold; also the idempotency key.
    pub checkout_id: Uuid,
    /// What is held, if anything.
    pub slot_id: Option<Uuid>,
    /// Seats of it.
    pub quantity: i32,
    /// What the buyer pays for.
    pub line_items: Vec<LineItem>,
    /// Of all of them.
    pub currency: String,
    /// What else the session may do.
    pub options: CheckoutOptions,
    /// What the site calls it.
    pub client_reference: Option<String>,
    /// Metadata of the site's own.
    pub metadata: BTreeMap<String, String>,
    /// Prefilled on Stripe's page, unless the options name a customer.
    pub customer_email: String,
    /// End of the session.
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

impl StripeClient {
    /// Creates a session. Calling it again for the same checkout returns the same session.
    ///
    /// A try that takes too long goes on at Stripe, and until it is done Stripe refuses the next
    /// one with the same key: that is our own first try, and worth waiting for.
    ///
    /// Source: <https://docs.stripe.com/api/checkout/sessions/create>
    pub async fn create_checkout_session(
        &self,
        new: &NewCheckoutSession,
    ) -> Result<CreatedCheckoutSession, StripeError> {
        let request = create_request(new);
        let key = idempotency_key(&new.checkout_id.to_string())?;
        let started = Instant::now();
        let mut pauses = retry::endless(FIRST_PAUSE, LONGEST_PAUSE);
        let mut failures: u32 = 0;
        let session: CheckoutSession = loop {
            let strategy = RequestStrategy::Idempotent(key.clone());
            let error = match self.send(request.build(), strategy).await {
                Ok(session) => break session,
                Err(error) => error,
            };
            if !matches!(error, StripeError::InProgress) {
                failures = failures.saturating_add(1);
            }
            let pause = pauses.next().unwrap_or(LONGEST_PAUSE);
            let over = started.elapsed().saturating_add(pause) > LIMIT;
            if over || failures == FAILURES || !error.is_transient() {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
        };
        match (session.id.parse().ok(), session.url) {
            (Some(id), Some(url)) => Ok(CreatedCheckoutSession { id, url }),
            _ => Err(StripeError::MalformedAnswer(Unreadable::Because(
                "a new session without a usable id and url",
            ))),
        }
    }
}

fn line_item(
    item: &LineItem,
    currency: stripe_types::Currency,
    options: &CheckoutOptions,
) -> CreateCheckoutSessionLineItems {
    let mut product = ProductData::new(item.name.as_str());
    product.tax_code.clone_from(&options.tax_code);
    let mut price = CreateCheckoutSessionLineItemsPriceData::new(currency);
    price.unit_amount = Some(item.unit_amount);
    price.product_data = Some(product);
    price.tax_behavior = options.tax_behavior.map(tax_behavior);
    let mut line_item = CreateCheckoutSessionLineItems::new();
    line_item.price_data = Some(price);
    line_item.quantity = u64::try_from(item.quantity).ok();
    line_item
}

fn create_request(new: &NewCheckoutSession) -> CreateCheckoutSession {
    let Ok(currency) = new.currency.parse::<stripe_types::Currency>();
    let line_items: Vec<_> = new
        .line_items
        .iter()
        .map(|item| line_item(item, currency.clone(), &new.options))
        .collect();
    let metadata = metadata::of_hold(&new.metadata, new.checkout_id, new.slot_id, new.quantity);
    // Stripe does not copy the session's metadata to the PaymentIntent.
    let mut payment_intent = CreateCheckoutSessionPaymentIntentData::new();
    payment_intent.metadata = Some(metadata.clone());

    let client_reference = new.client_reference.clone();
    let request = CreateCheckoutSession::new()
        .mode(CheckoutSessionMode::Payment)
        .line_items(line_items)
        .client_reference_id(client_reference.unwrap_or_else(|| new.checkout_id.to_string()))
        .metadata(metadata)
        .payment_intent_data(payment_intent)
        .expires_at(new.expires_at.unix_timestamp())
        .success_url(new.success_url.as_str())
        .cancel_url(new.cancel_url.as_str());
    let request = match new.options.customer {
        Some(_) => request,
        None => request.customer_email(new.customer_email.as_str()),
    };
    with_options(request, &new.options)
}
