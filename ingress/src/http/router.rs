//! Which address leads where, and what holds for every request.

use std::{any::Any, sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, MatchedPath, Request},
    http::{HeaderName, HeaderValue, Method, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use shared::{service::spans, traceparent::Traceparent};
use tower_http::{
    catch_panic::CatchPanicLayer,
    cors::{AllowOrigin, CorsLayer},
    set_header::SetResponseHeaderLayer,
    trace::TraceLayer,
};

use crate::{
    Ingress,
    booking_calendar::booking_calendar,
    confirm_payment::confirm_payment,
    create_checkout_session::create_checkout_session,
    create_site_checkout::create_site_checkout,
    http::{error::ApiError, openapi, pages::Pages},
    manage_booking::{cancel_booking, show_booking},
    offerings::{more_slots, offerings},
    stripe_webhook::stripe_webhook,
};

/// Stripe's events are a few kilobytes; the largest stay far below.
const WEBHOOK_LIMIT_BYTES: usize = 256 * 1024;
const REQUEST_LIMIT_BYTES: usize = 4 * 1024;
/// For 47 keys and values of metadata, were each of their characters escaped as `\uXXXX`.
const ORDER_LIMIT_BYTES: usize = 192 * 1024;
/// And for 20 items as well.
const SITE_ORDER_LIMIT_BYTES: usize = 256 * 1024;
/// How long a browser may remember that it may call us.
const PREFLIGHT_MAX_AGE: Duration = Duration::from_hours(1);
/// For one request: longer than the longest wait a confirm may ask for.
const TIMEOUT: Duration = Duration::from_secs(28);

/// Everything ingress serves to the public.
///
/// # Errors
///
/// A page cannot be filled in.
pub fn router(app: Ingress) -> Result<Router, minijinja::Error> {
    let pages = Arc::new(Pages::new(&app.config.shop)?);
    let webhook = Router::new()
        .route("/api/payment/webhook", post(stripe_webhook))
        .layer(DefaultBodyLimit::max(WEBHOOK_LIMIT_BYTES));
    // For servers: a page of another origin never learns what it would answer.
    let site = Router::new()
        .route("/api/checkout-sessions", post(create_site_checkout))
        .layer(DefaultBodyLimit::max(SITE_ORDER_LIMIT_BYTES));
    let api = Router::new()
        .route("/api/offerings", get(offerings))
        .route("/api/offerings/{offering_id}/slots", get(more_slots))
        .route(
            "/api/create-checkout-session",
            post(create_checkout_session).layer(DefaultBodyLimit::max(ORDER_LIMIT_BYTES)),
        )
        .route("/api/payment/confirm", post(confirm_payment))
        .route("/api/booking", post(show_booking))
        .route("/api/booking/calendar", get(booking_calendar))
        .route("/api/booking/cancel", post(cancel_booking))
        .route("/api/openapi.json", get(openapi::openapi))
        // Inside the CORS layer, which answers the OPTIONS that no route takes.
        .method_not_allowed_fallback(method_not_allowed)
        .layer(DefaultBodyLimit::max(REQUEST_LIMIT_BYTES))
        .layer(cors(&app.config.cors_origins));
    let header =
        |name, value| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
    let router = Router::new()
        .merge(webhook)
        .merge(site)
        .merge(api)
        .merge(pages.router())
        .fallback(async move |request: Request| pages.not_found(&request))
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn(time_limit))
        .layer(CatchPanicLayer::custom(panicked))
        .layer(header(header::REFERRER_POLICY, "no-referrer"))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(
            TraceLayer::new_for_http()
                .make_span_with(span)
                .on_failure(()),
        )
        .layer(middleware::from_fn(trace))
        .with_state(app);
    Ok(router)
}

async fn method_not_allowed() -> ApiError {
    ApiError::MethodNotAllowed
}

/// Lets pages of other sites call the API. No cookie takes part in it, so none is allowed.
fn cors(origins: &[String]) -> CorsLayer {
    let origins = origins.iter().filter_map(|origin| origin.parse().ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(
            ["content-type", "idempotency-key", "prefer", "traceparent"]
                .map(HeaderName::from_static),
        )
        .expose_headers([header::RETRY_AFTER])
        .max_age(PREFLIGHT_MAX_AGE)
}

/// Gives the request its trace, the caller's or a new one: an `Extension` for the handlers.
async fn trace(mut request: Request, next: Next) -> Response {
    let caller = request.headers().get("traceparent");
    let caller = caller
        .and_then(|value| value.to_str().ok())
        .and_then(Traceparent::parse);
    let span = spans::request(request.method().as_str(), route(&request), caller.as_ref());
    let traceparent = spans::trace_of(&span, caller);
    request.extensions_mut().insert(traceparent);
    let response = next.run(request).await;
    spans::answered(&span, response.status().as_u16());
    response
}

/// The path without what is in it, and without its query, which may hold a session id.
fn route(request: &Request) -> &str {
    request
        .extensions()
        .get::<MatchedPath>()
        .map_or("unmatched", MatchedPath::as_str)
}

fn span(request: &Request) -> tracing::Span {
    let route = route(request);
    let traceparent = request.extensions().get::<Traceparent>();
    let traceparent = traceparent.map(Traceparent::as_str);
    tracing::info_span!("request", method = %request.method(), route, traceparent)
}

async fn time_limit(request: Request, next: Next) -> Result<Response, ApiError> {
    tokio::time::timeout(TIMEOUT, next.run(request))
        .await
        .map_err(|_| ApiError::TimedOut)
}

fn panicked(_panic: Box<dyn Any + Send>) -> Response {
    ApiError::Panicked.into_response()
}
