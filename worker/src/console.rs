//! The console: pages on the worker's admin address for support and for who is on call, and the Admin HTTP
//! API they use. Both do what the commands do, by the same functions.

mod access;
mod bookings;
mod checks;
mod dead_letters;
mod decisions;
mod events;
mod openapi;
mod overview;
mod pages;
mod problem;
mod request;
mod runs;
mod session;
mod slots;
mod state;

use std::time::Duration;

use axum::{
    RequestExt, Router,
    extract::{DefaultBodyLimit, Request},
    http::{HeaderValue, header},
    middleware::{self, Next},
    response::{Redirect, Response},
    routing::{get, post},
};
use shared::service::whole_body::whole_body;
use tower_http::set_header::SetResponseHeaderLayer;

use self::problem::AdminError;
pub use self::state::Console;

/// Nothing that an operator sends is larger.
const LIMIT_BYTES: usize = 16 * 1024;
/// For one request. What takes longer runs on its own, and is looked at.
const TIMEOUT: Duration = Duration::from_secs(30);

/// `/console`, `/api/admin/…`, and the way to the first.
pub fn router(console: Console) -> Router {
    let header =
        |name, value| SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value));
    let api = Router::new()
        .route("/overview", get(overview::overview))
        .route("/events", get(events::events))
        .route("/bookings", get(bookings::list))
        .route("/bookings/search", post(bookings::search))
        .route("/bookings/{name}", get(bookings::show))
        .route("/bookings/{name}/cancel", post(decisions::cancel))
        .route("/bookings/{name}/move", post(decisions::move_to))
        .route("/bookings/{name}/resolve", post(decisions::resolve))
        .route("/dead-letters", get(dead_letters::list))
        .route("/dead-letters/replay", post(dead_letters::replay))
        .route("/dead-letters/discard", post(dead_letters::discard))
        .route("/dead-letters/{id}", get(dead_letters::show))
        .route("/slots", get(slots::slots))
        .route("/doctor", get(checks::doctor))
        .route("/runs", get(checks::list))
        .route("/reconcile", post(checks::reconcile))
        .route("/audit", post(checks::audit))
        .route("/openapi.json", get(openapi::openapi))
        .layer(middleware::from_fn_with_state(
            console.clone(),
            session::authorize,
        ))
        // Who may not come in yet asks here.
        .route(
            "/session",
            get(session::session)
                .post(session::sign_in)
                .delete(session::sign_out),
        )
        .fallback(async || AdminError::not_found("there is nothing here"))
        .method_not_allowed_fallback(async || AdminError::MethodNotAllowed)
        .layer(middleware::from_fn(read_whole))
        .layer(DefaultBodyLimit::max(LIMIT_BYTES))
        .layer(middleware::from_fn(time_limit))
        .layer(header(header::CACHE_CONTROL, "no-store"));
    Router::new()
        .nest("/api/admin", api)
        .merge(pages::router())
        .route("/", get(async || Redirect::to("/console")))
        .layer(header(header::REFERRER_POLICY, "no-referrer"))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .with_state(console)
}

/// What comes in thousands of pieces costs no more than what comes in one, before anyone has signed in.
async fn read_whole(request: Request, next: Next) -> Result<Response, AdminError> {
    let (head, body) = request.with_limited_body().into_parts();
    let body = whole_body(body).await;
    let body = body.map_err(|error| AdminError::Malformed(error.to_string()))?;
    Ok(next.run(Request::from_parts(head, body.into())).await)
}

async fn time_limit(request: Request, next: Next) -> Result<Response, AdminError> {
    tokio::time::timeout(TIMEOUT, next.run(request))
        .await
        .map_err(|_| AdminError::Unavailable)
}
