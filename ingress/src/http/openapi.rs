//! `GET /api/openapi.json`: the contract of the public API, written from the code.

use axum::Json;
use utoipa::{
    Modify, OpenApi,
    openapi::{
        Content, Ref, RefOr, ResponseBuilder, Schema,
        schema::AdditionalProperties,
        security::{Http, HttpAuthScheme, SecurityScheme},
    },
};

use crate::{
    booking_calendar, confirm_payment, create_checkout_session, create_site_checkout,
    manage_booking, offerings, stripe_webhook,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Bookonce",
        description = "Every paid Stripe Checkout becomes exactly one booking and one payment. \
                       Amounts are integers in the currency's minor unit, times are RFC 3339 in \
                       UTC, errors are application/problem+json with a stable code.",
    ),
    paths(
        offerings::offerings,
        offerings::more_slots,
        create_checkout_session::create_checkout_session,
        create_site_checkout::create_site_checkout,
        confirm_payment::confirm_payment,
        booking_calendar::booking_calendar,
        manage_booking::show_booking,
        manage_booking::cancel_booking,
        stripe_webhook::stripe_webhook,
    ),
    modifiers(&SiteKey, &OneDiscount, &AnyFailure)
)]
struct Document;

/// How a site says that it is the site.
struct SiteKey;

impl Modify for SiteKey {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.description = Some("One of the keys in SITE_API_KEYS.".to_owned());
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("site_key", SecurityScheme::Http(bearer));
    }
}

/// A discount has one key, which the derived schema does not say.
struct OneDiscount;

impl Modify for OneDiscount {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let Some(RefOr::T(Schema::OneOf(discount))) = components.schemas.get_mut("Discount") else {
            return;
        };
        for either in &mut discount.items {
            if let RefOr::T(Schema::Object(either)) = either {
                let none_else = AdditionalProperties::FreeForm(false);
                either.additional_properties = Some(Box::new(none_else));
            }
        }
    }
}

/// What every operation may answer.
struct AnyFailure;

impl Modify for AnyFailure {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let problem = Content::new(Some(Ref::from_schema_name("Problem")));
        let response = ResponseBuilder::new()
            .description("internal_error; the same request may succeed")
            .content("application/problem+json", problem)
            .build();
        for path in document.paths.paths.values_mut() {
            let operations = [&mut path.get, &mut path.post];
            for operation in operations.into_iter().flatten() {
                let responses = &mut operation.responses.responses;
                responses.insert("500".to_owned(), RefOr::T(response.clone()));
            }
        }
    }
}

/// The OpenAPI document.
pub async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}
