//! Making a Checkout Session for a hold.

use std::collections::HashMap;

use stripe::{RequestStrategy, StripeRequest};
use stripe_checkout::checkout_session::{
    CreateCheckoutSession, CreateCheckoutSessionLineItems, CreateCheckoutSessionLineItemsPriceData,
    CreateCheckoutSessionPaymentIntentData, ProductData,
};
use stripe_shared::CheckoutSessionMode;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{PATIENCE, StripeClient, idempotency_key, unreadable};
use crate::{
    checkout_session::METADATA_CHECKOUT_ID, money::Amount, retry, stripe_error::StripeError,
    stripe_id::CheckoutSessionId,
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

impl StripeClient {
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
