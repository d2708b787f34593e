//! What a Checkout Session tells of the order behind it: what a hold is made of anew that was lost.

use std::collections::BTreeMap;

use serde::Deserialize;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::stripe::{checkout_session::CheckoutSession, lenient, metadata};

/// A session with what only the order needs to know.
///
/// Source: <https://docs.stripe.com/api/checkout/sessions/object>
#[derive(Debug, Clone, Deserialize)]
pub struct SessionDetails {
    /// The rest.
    #[serde(flatten)]
    pub session: CheckoutSession,
    /// In seconds since the Unix epoch.
    created: Option<i64>,
    expires_at: Option<i64>,
    success_url: Option<String>,
    /// As we gave it; gone once the buyer has given another.
    customer_email: Option<String>,
    #[serde(default, deserialize_with = "lenient::null_as_default")]
    customer_details: CustomerDetails,
}

#[derive(Debug, Clone, Default, Deserialize)]
struct CustomerDetails {
    email: Option<String>,
    name: Option<String>,
}

impl SessionDetails {
    /// The hold's id, which our sessions have in their metadata.
    pub fn checkout_id(&self) -> Option<Uuid> {
        let id = self.session.metadata.get(metadata::CHECKOUT_ID)?;
        Uuid::parse_str(id).ok()
    }

    /// What is held, and how many seats of it. `None` if that cannot be read.
    pub fn seats(&self) -> Option<(Option<Uuid>, i32)> {
        let metadata = &self.session.metadata;
        let Some(slot_id) = metadata.get(metadata::SLOT_ID) else {
            return Some((None, 1));
        };
        let quantity = metadata.get(metadata::QUANTITY)?.parse().ok()?;
        Some((Some(Uuid::parse_str(slot_id).ok()?), quantity))
    }

    /// What the site calls the order.
    pub fn client_reference(&self) -> Option<&str> {
        let reference = self.session.client_reference_id.as_deref()?;
        let ours = self.session.metadata.get(metadata::CHECKOUT_ID);
        (ours.map(String::as_str) != Some(reference)).then_some(reference)
    }

    /// What the site gave along.
    pub fn site_metadata(&self) -> BTreeMap<&str, &str> {
        let all = self.session.metadata.iter();
        let of_the_site = all.filter(|(key, _)| !metadata::RESERVED.contains(&key.as_str()));
        of_the_site
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect()
    }

    /// Where its buyer goes back to.
    pub fn success_url(&self) -> Option<&str> {
        self.success_url.as_deref()
    }

    /// Who pays.
    pub fn email(&self) -> Option<&str> {
        let given = self.customer_details.email.as_deref();
        given.or(self.customer_email.as_deref())
    }

    /// What they are called, if the page asked.
    pub fn name(&self) -> Option<&str> {
        self.customer_details.name.as_deref()
    }

    /// When it was made.
    pub fn created_at(&self) -> Option<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp(self.created?).ok()
    }

    /// Until when it can be paid.
    pub fn expires_at(&self) -> Option<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp(self.expires_at?).ok()
    }
}
