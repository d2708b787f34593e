//! The pages of the console: files inside the binary, no build step, nothing from elsewhere.

use axum::{
    Router,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::get,
};
use tower_http::set_header::SetResponseHeaderLayer;

/// Nothing from elsewhere, nothing inline.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
     img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'";

/// Every page is this one; its script reads the address.
const PAGE: &str = include_str!("../../console/console.html");

macro_rules! asset {
    ($kind:literal, $file:literal) => {
        (
            concat!("/console/assets/", $file),
            concat!($kind, "; charset=utf-8"),
            include_str!(concat!("../../console/", $file)),
        )
    };
}

/// What it loads.
const ASSETS: [(&str, &str, &str); 12] = [
    asset!("text/css", "console.css"),
    asset!("image/svg+xml", "icon.svg"),
    asset!("text/javascript", "api.js"),
    asset!("text/javascript", "booking.js"),
    asset!("text/javascript", "bookings.js"),
    asset!("text/javascript", "checks.js"),
    asset!("text/javascript", "console.js"),
    asset!("text/javascript", "dead-letters.js"),
    asset!("text/javascript", "dom.js"),
    asset!("text/javascript", "events.js"),
    asset!("text/javascript", "overview.js"),
    asset!("text/javascript", "slots.js"),
];

/// The pages and what they load.
pub fn router<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let mut router = Router::new()
        .route("/console", get(page))
        .route("/console/{*page}", get(page));
    for (path, kind, content) in ASSETS {
        router = router.route(path, get(async move || file(kind, content)));
    }
    router.layer(SetResponseHeaderLayer::overriding(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(CONTENT_SECURITY_POLICY),
    ))
}

async fn page() -> Response {
    file("text/html; charset=utf-8", PAGE)
}

fn file(kind: &'static str, content: &'static str) -> Response {
    // Fetched anew every time: after a new release no browser runs the old script.
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-cache"),
    ];
    (headers, content).into_response()
}
