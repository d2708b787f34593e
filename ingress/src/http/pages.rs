//! The shop's pages: files inside the binary, no build step.

use axum::{
    Router,
    extract::Request,
    http::{HeaderName, HeaderValue, Method, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tower_http::set_header::SetResponseHeaderLayer;

use crate::{Ingress, http::error::ApiError};

/// Nothing from elsewhere, nothing inline.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SVG: &str = "image/svg+xml";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! page {
    ($kind:expr, $file:literal) => {
        get(|| async { file($kind, include_str!(concat!("../../pages/", $file))) })
    };
}

/// The pages and what they load.
pub fn router() -> Router<Ingress> {
    Router::new()
        .route("/", page!(HTML, "shop.html"))
        .route("/payment-success", page!(HTML, "payment-success.html"))
        .route("/payment-cancelled", page!(HTML, "payment-cancelled.html"))
        .route("/booking", page!(HTML, "booking.html"))
        .route("/docs", page!(HTML, "docs.html"))
        .route("/assets/bookonce.css", page!(CSS, "bookonce.css"))
        .route("/assets/icon.svg", page!(SVG, "icon.svg"))
        .route("/assets/booking.js", page!(JAVASCRIPT, "booking.js"))
        .route("/assets/confirm.js", page!(JAVASCRIPT, "confirm.js"))
        .route("/assets/offerings.js", page!(JAVASCRIPT, "offerings.js"))
        .route("/assets/docs.js", page!(JAVASCRIPT, "docs.js"))
        .route("/assets/format.js", page!(JAVASCRIPT, "format.js"))
        .route("/assets/language.js", page!(JAVASCRIPT, "language.js"))
        .route(
            "/assets/open-checkout.js",
            page!(JAVASCRIPT, "open-checkout.js"),
        )
        .route("/assets/order.js", page!(JAVASCRIPT, "order.js"))
        .route(
            "/assets/payment-cancelled.js",
            page!(JAVASCRIPT, "payment-cancelled.js"),
        )
        .route(
            "/assets/payment-success.js",
            page!(JAVASCRIPT, "payment-success.js"),
        )
        .route("/assets/shop.js", page!(JAVASCRIPT, "shop.js"))
        .route("/assets/words/de.js", page!(JAVASCRIPT, "words/de.js"))
        .route("/assets/words/en.js", page!(JAVASCRIPT, "words/en.js"))
        .route("/assets/words/es.js", page!(JAVASCRIPT, "words/es.js"))
        .route("/assets/words/fr.js", page!(JAVASCRIPT, "words/fr.js"))
        .layer(SetResponseHeaderLayer::overriding(
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(CONTENT_SECURITY_POLICY),
        ))
}

/// What is at no address: a page for a person in a browser, a problem for a program.
pub async fn not_found(request: Request) -> Response {
    let accepts = request.headers().get(header::ACCEPT);
    let accepts = accepts.and_then(|it| it.to_str().ok()).unwrap_or_default();
    let is_api = request.uri().path().starts_with("/api");
    if request.method() != Method::GET || is_api || !accepts.contains("text/html") {
        return ApiError::NotFound.into_response();
    }
    let page = file(HTML, include_str!("../../pages/not-found.html"));
    let policy = HeaderValue::from_static(CONTENT_SECURITY_POLICY);
    let policy = [(header::CONTENT_SECURITY_POLICY, policy)];
    (StatusCode::NOT_FOUND, policy, page).into_response()
}

fn file(kind: &'static str, content: &'static str) -> Response {
    // Fetched anew every time: after a new release no browser runs the old script.
    const NO_CACHE: (HeaderName, &str) = (header::CACHE_CONTROL, "no-cache");
    ([(header::CONTENT_TYPE, kind), NO_CACHE], content).into_response()
}
