//! Signing in and out, and the door that every other request goes through.

use axum::{
    Json,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, uri::PathAndQuery},
    middleware::Next,
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::console::{
    access::{Access, COOKIE, LIFE_SECONDS},
    problem::{AdminError, Problem},
    request::Body,
    state::Console,
};

/// Lets a request through, or answers why not.
pub async fn authorize(
    State(console): State<Console>,
    request: Request,
    next: Next,
) -> Result<Response, AdminError> {
    console.access.check(request.method(), request.headers())?;
    // PostgreSQL keeps no text with it.
    let address = request.uri().path_and_query().map(PathAndQuery::as_str);
    if address.is_some_and(|it| it.contains("%00")) {
        let problem = "a NUL in the address";
        return Err(AdminError::Malformed(problem.to_owned()));
    }
    Ok(next.run(request).await)
}

/// A session of the console.
#[derive(Debug, Serialize, ToSchema)]
pub struct Session {
    /// For the header `X-CSRF-Token` of every request that changes something.
    csrf_token: String,
}

/// What opens it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SignIn {
    /// `ADMIN_TOKEN`
    token: String,
}

/// The session of the cookie. On a loopback address without `ADMIN_TOKEN`, a new one.
#[utoipa::path(get, path = "/api/admin/session", tag = "session", security(()), responses(
    (status = 200, body = Session),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
))]
pub async fn session(
    State(console): State<Console>,
    headers: HeaderMap,
) -> Result<Response, AdminError> {
    let access = &console.access;
    access.check_host(&headers)?;
    match access.session_in(&headers) {
        Some(session) => {
            let csrf_token = access.csrf_token(session);
            Ok(Json(Session { csrf_token }).into_response())
        }
        None if access.needs_token() => Err(AdminError::Unauthorized),
        None => Ok(begin(access, &headers)),
    }
}

/// Signs in.
#[utoipa::path(post, path = "/api/admin/session", tag = "session", security(()),
    request_body = SignIn, responses(
    (status = 200, body = Session, description = "With the cookie `bookonce_console`, for twelve hours."),
    (status = 400, body = Problem, content_type = "application/problem+json"),
    (status = 401, body = Problem, content_type = "application/problem+json"),
    (status = 403, body = Problem, content_type = "application/problem+json"),
))]
pub async fn sign_in(
    State(console): State<Console>,
    headers: HeaderMap,
    Body(sign_in): Body<SignIn>,
) -> Result<Response, AdminError> {
    let access = &console.access;
    access.check_host(&headers)?;
    if access.needs_token() && !access.has_token(sign_in.token.trim()) {
        return Err(AdminError::Unauthorized);
    }
    Ok(begin(access, &headers))
}

fn begin(access: &Access, headers: &HeaderMap) -> Response {
    let session = access.new_session();
    let csrf_token = access.csrf_token(&session);
    with_cookie(
        headers,
        &session,
        LIFE_SECONDS,
        Json(Session { csrf_token }),
    )
}

/// Signs out.
#[utoipa::path(delete, path = "/api/admin/session", tag = "session", security(()), responses(
    (status = 204, description = "The cookie is taken back."),
))]
pub async fn sign_out(headers: HeaderMap) -> Response {
    with_cookie(&headers, "", 0, StatusCode::NO_CONTENT)
}

fn with_cookie(
    headers: &HeaderMap,
    value: &str,
    max_age: i64,
    answer: impl IntoResponse,
) -> Response {
    // What terminates TLS in front of us says so.
    let by_tls = headers.get("x-forwarded-proto").map(HeaderValue::as_bytes) == Some(b"https");
    let secure = if by_tls { "; Secure" } else { "" };
    let cookie = format!(
        "{COOKIE}={value}; Path=/api/admin; Max-Age={max_age}; HttpOnly; SameSite=Strict{secure}"
    );
    ([(header::SET_COOKIE, cookie)], answer).into_response()
}
