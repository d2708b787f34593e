//! What a site sells at its own price, as it comes from outside, and the check of every field.

mod held;
mod priced;
mod replaced;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use shared::checkout_options::CheckoutOptions;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    check_options::check_options,
    config::Config,
    hold::{NewHold, Once, Pricing},
    hold_seats,
    http::error::{ApiError, FieldError},
    order::{customer::Customer, locale, session_life::end_of_hold, whole_number},
    return_url,
    site_data::{self, SiteData},
    site_order::{
        held::{Wanted, check_place},
        priced::{Item, check_pricing},
    },
};

const NOT_YOURS: &str =
    "Use an address of at most 2000 characters at PUBLIC_URL or one of RETURN_ORIGINS.";
/// In minutes, as `HOLD_MINUTES`.
const HOLD: std::ops::RangeInclusive<i64> = 30..=1439;

/// What a site sells, for how much, and to whom.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SiteOrder {
    /// ISO 4217.
    #[schema(required, value_type = String, example = "eur", pattern = "^[A-Za-z]{3}$")]
    currency: Option<String>,
    /// 1 to 20.
    #[schema(required, value_type = Vec<Item>, min_items = 1, max_items = 20)]
    line_items: Option<Vec<Item>>,
    #[schema(required, value_type = Customer)]
    customer: Option<Customer>,
    /// What else the session may do; `CHECKOUT_OPTIONS` if left out.
    #[serde(default)]
    checkout_options: Option<CheckoutOptions>,
    /// What your site calls this order, such as the id of a row of yours. It stands at the session
    /// in Stripe as `client_reference_id`, and confirm returns it.
    #[serde(default)]
    #[schema(example = "order-1042", min_length = 1, max_length = 200)]
    client_reference: Option<String>,
    /// Whether one paid checkout of this `client_reference` is enough: when one is paid, the others that
    /// say so end, a second payment goes back, and a new order is `checkout_completed`.
    #[serde(default)]
    once_per_reference: bool,
    /// Data of the site's own.
    #[serde(default)]
    #[schema(schema_with = site_data::metadata_schema)]
    metadata: Option<BTreeMap<String, String>>,
    /// Where Stripe sends a buyer who paid: an address at one of `RETURN_ORIGINS`. Stripe replaces
    /// `{CHECKOUT_SESSION_ID}` in it, which is what confirm asks for. Our own page if left out.
    #[serde(default)]
    #[schema(
        example = "https://shop.example.com/done?session_id={CHECKOUT_SESSION_ID}",
        max_length = 2000
    )]
    success_url: Option<String>,
    /// Where Stripe sends a buyer who turned back.
    #[serde(default)]
    #[schema(example = "https://shop.example.com/cart", max_length = 2000)]
    cancel_url: Option<String>,
    /// How long the buyer may take to pay; `HOLD_MINUTES` if left out.
    #[serde(default, deserialize_with = "whole_number::optional")]
    #[schema(minimum = 30, maximum = 1439)]
    hold_minutes: Option<i64>,
    /// A slot of `GET /api/offerings` whose seats are held.
    #[serde(default)]
    #[schema(value_type = Option<Uuid>)]
    slot_id: Option<String>,
    /// In its place: what of yours is held, by a key of yours. Times of one resource may overlap; no
    /// more than `capacity` seats are held at any moment.
    #[serde(default)]
    #[schema(example = "room-7", min_length = 1, max_length = 200)]
    resource: Option<String>,
    /// Seats of the resource, 1 to 100000. What the last order that was taken said
    /// holds for all its times.
    #[serde(default, deserialize_with = "whole_number::optional")]
    #[schema(minimum = 1, maximum = 100_000)]
    capacity: Option<i64>,
    /// From when the resource is held, in whole seconds. The hold ends by then.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = "date-time", example = "2027-05-01T15:00:00Z")]
    starts_at: Option<String>,
    /// Until when, at most 366 days later.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = "date-time", example = "2027-05-03T11:00:00Z")]
    ends_at: Option<String>,
    /// Seats of the slot or resource, 1 to 1000.
    #[serde(default, deserialize_with = "whole_number::optional")]
    #[schema(default = 1, minimum = 1, maximum = 1000)]
    quantity: Option<i64>,
    /// The buyer's language, for mails: a tag such as `de` or `de-AT`.
    #[serde(default)]
    #[schema(
        example = "de-AT",
        max_length = 48,
        pattern = "^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,4}$"
    )]
    locale: Option<String>,
    /// The Checkout Session of an earlier order that this one takes the place of: if it is
    /// still open it is ended, and its seats are free before these are held.
    #[serde(default)]
    #[schema(
        example = "cs_test_a1B2c3D4e5",
        pattern = "^cs_(test|live)_[A-Za-z0-9]{10,230}$"
    )]
    replaces: Option<String>,
    /// The `Idempotency-Key` of that earlier order. Leave it out only if a record of yours says that the session
    /// is this buyer's: a browser may name another's.
    #[serde(default)]
    #[schema(pattern = "^[ -~]{1,255}$")]
    replaces_key: Option<String>,
}

impl SiteOrder {
    /// Checks every field.
    pub fn into_hold(
        mut self,
        idempotency_key: Option<String>,
        now: OffsetDateTime,
        config: &Config,
    ) -> Result<NewHold, ApiError> {
        let mut errors = Vec::new();
        let pricing = check_pricing(
            self.currency.as_deref(),
            self.line_items.take(),
            &mut errors,
        );
        let locale = locale::check(self.locale.take(), &mut errors);
        let customer = self.customer.take().unwrap_or_default();
        let (customer_name, customer_email) = customer.check(&mut errors);
        let site_data = SiteData::check(
            self.client_reference.take(),
            self.metadata.take(),
            &mut errors,
        );
        let wanted = Wanted {
            slot_id: self.slot_id.as_deref(),
            resource: self.resource.as_deref(),
            capacity: self.capacity,
            starts_at: self.starts_at.as_deref(),
            ends_at: self.ends_at.as_deref(),
            quantity: self.quantity,
        };
        let place = check_place(&wanted, &mut errors);
        let replaces = replaced::check(
            self.replaces.as_deref(),
            self.replaces_key.take(),
            &mut errors,
        );
        self.check_return_urls(config, &mut errors);
        let hold = match self.hold_minutes {
            Some(minutes) if HOLD.contains(&minutes) => time::Duration::minutes(minutes),
            Some(_) => {
                let message = "Use 30 to 1439 minutes.";
                errors.push(FieldError::new("hold_minutes", message));
                config.hold
            }
            None => config.hold,
        };
        if self.once_per_reference && site_data.client_reference.is_none() {
            let message = "once_per_reference goes with a client_reference.";
            errors.push(FieldError::new("client_reference", message));
        }
        let options = self.checkout_options.take();
        if let Some(options) = &options {
            check_options(options, &mut errors);
        }
        let (Some(pricing), Some((place, quantity)), true) = (pricing, place, errors.is_empty())
        else {
            return Err(ApiError::Validation(errors));
        };
        if let Pricing::Site {
            line_items,
            currency,
        } = &pricing
        {
            // Here as well, before anything is ended that this takes the place of.
            hold_seats::total(&pricing, line_items, currency.clone())?;
        }
        let reference = site_data.client_reference.clone();
        let once = reference
            .filter(|_| self.once_per_reference)
            .map(Once::Reference);
        // What it replaces is not part of it, as for an order of the shop's.
        let mut canonical = vec![json!([
            "site",
            pricing,
            place,
            quantity,
            [&customer_name, &customer_email],
            site_data,
            [&self.success_url, &self.cancel_url],
            self.hold_minutes,
            options,
            self.once_per_reference,
        ])];
        // An order without it has the hash that earlier releases gave it.
        canonical.extend(locale.as_deref().map(Value::from));
        let canonical: Vec<String> = canonical.iter().map(Value::to_string).collect();
        Ok(NewHold {
            id: Uuid::now_v7(),
            request_hash: hex::encode(Sha256::digest(canonical.join("\n"))),
            place,
            quantity,
            pricing,
            options: options.unwrap_or_else(|| config.checkout_options.clone()),
            customer_name,
            customer_email,
            locale,
            client_reference: site_data.client_reference,
            metadata: site_data.metadata,
            idempotency_key: idempotency_key.map(replaced::of_the_site),
            holder: None,
            once,
            replaces,
            expires_at: end_of_hold(now, hold),
            success_url: self.success_url,
            cancel_url: self.cancel_url,
        })
    }

    fn check_return_urls(&self, config: &Config, errors: &mut Vec<FieldError>) {
        let allowed = |url: &String| return_url::is_allowed(url, &config.return_origins);
        for (field, url) in [
            ("success_url", &self.success_url),
            ("cancel_url", &self.cancel_url),
        ] {
            if !url.as_ref().is_none_or(allowed) {
                errors.push(FieldError::new(field, NOT_YOURS));
            }
        }
    }
}
