//! `GET /api/admin/openapi.json`: the contract of the Admin API, written from the code.

use axum::Json;
use utoipa::{
    Modify, OpenApi,
    openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme},
};

use crate::console::{bookings, checks, dead_letters, decisions, events, overview, session, slots};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Bookonce Admin API",
        description = "What the worker's commands do, over HTTP, on ADMIN_ADDR. Amounts are integers \
                       in the currency's minor unit, times are RFC 3339 in UTC, errors are \
                       application/problem+json with a stable code. A program sends \
                       `Authorization: Bearer` with ADMIN_TOKEN; a browser has a session, and sends \
                       its token in `X-CSRF-Token` with whatever changes something.",
    ),
    paths(
        session::session,
        session::sign_in,
        session::sign_out,
        overview::overview,
        events::events,
        bookings::list,
        bookings::search,
        bookings::show,
        decisions::cancel,
        decisions::move_to,
        decisions::resolve,
        dead_letters::list,
        dead_letters::show,
        dead_letters::replay,
        dead_letters::discard,
        slots::slots,
        checks::list,
        checks::reconcile,
        checks::audit,
        checks::doctor,
    ),
    security(("admin_token" = []), ("console_session" = [])),
    modifiers(&Ways)
)]
struct Document;

/// How to come in.
struct Ways;

impl Modify for Ways {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let components = document.components.get_or_insert_default();
        let mut bearer = Http::new(HttpAuthScheme::Bearer);
        bearer.description = Some("ADMIN_TOKEN.".to_owned());
        components.add_security_scheme("admin_token", SecurityScheme::Http(bearer));
        let cookie = ApiKeyValue::new("bookonce_console");
        let cookie = SecurityScheme::ApiKey(ApiKey::Cookie(cookie));
        components.add_security_scheme("console_session", cookie);
    }
}

/// The OpenAPI document.
pub async fn openapi() -> Json<utoipa::openapi::OpenApi> {
    Json(Document::openapi())
}
