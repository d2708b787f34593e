//! What a restricted key may do, found out in ways that change nothing: reads of what does not
//! exist, and writes that Stripe refuses for another reason once the key may make them.
//!
//! Source: <https://docs.stripe.com/keys#limit-access>

use serde::Serialize;
use serde_json::Value;
use stripe::RequestStrategy;
use stripe_client_core::{RequestBuilder, StripeMethod};

use crate::stripe::{client::StripeClient, error::StripeError};

/// Something the key has to be allowed.
#[derive(Debug, Clone, Copy)]
pub struct Permission {
    /// As Stripe's dashboard calls it.
    pub name: &'static str,
    path: &'static str,
    writes: bool,
}

impl Permission {
    /// All that the services need.
    pub const ALL: [Self; 8] = [
        Self::read("Checkout Sessions: read", "/checkout/sessions"),
        Self::write("Checkout Sessions: write", "/checkout/sessions"),
        Self::read("PaymentIntents: read", "/payment_intents"),
        Self::read("Charges: read", "/charges"),
        Self::read("Refunds: read", "/refunds"),
        Self::write("Refunds: write", "/refunds"),
        Self::read("Disputes: read", "/disputes"),
        Self::read("Events: read", "/events"),
    ];

    const fn read(name: &'static str, path: &'static str) -> Self {
        Self {
            name,
            path,
            writes: false,
        }
    }

    const fn write(name: &'static str, path: &'static str) -> Self {
        Self {
            writes: true,
            ..Self::read(name, path)
        }
    }

    /// A read of one object, or a write without its parameters, of which nothing is made.
    fn request(self) -> RequestBuilder {
        #[derive(Serialize)]
        struct One {
            limit: u8,
        }
        if self.writes {
            RequestBuilder::new(StripeMethod::Post, self.path)
        } else {
            RequestBuilder::new(StripeMethod::Get, self.path).query(&One { limit: 1 })
        }
    }
}

impl StripeClient {
    /// Whether the key has `permission`.
    ///
    /// # Errors
    ///
    /// [`StripeError`] if Stripe does not say; [`StripeError::Forbidden`] if the key has it not.
    pub async fn check_permission(&self, permission: Permission) -> Result<(), StripeError> {
        let ask = || self.send::<Value>(permission.request(), RequestStrategy::Once);
        let asked = self.patiently(ask).await;
        match asked {
            Ok(_) | Err(StripeError::NotFound | StripeError::Refused { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
