//! A failed request of the Admin API, as `application/problem+json` (RFC 9457). Operators read what went
//! wrong; it is nothing about a buyer.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use sea_orm::DbErr;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    fulfill_checkout::fulfill_error::FulfillError, job_error::JobError, operator::words::NotFound,
};

/// An error answer (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Always the same: `code` tells problems apart.
    #[serde(rename = "type")]
    #[schema(example = "about:blank")]
    kind: &'static str,
    /// The error in few words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// The error in a sentence.
    detail: String,
    /// For programs; never changes.
    code: &'static str,
}

/// Why a request of the Admin API fails.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    #[error("the console is off: set ADMIN_TOKEN, or have ADMIN_ADDR on a loopback address")]
    Off,
    #[error(
        "without ADMIN_TOKEN the console is for 127.0.0.1 and localhost alone, by no proxy and from no other site"
    )]
    WrongHost,
    #[error("sign in, or send Authorization: Bearer with ADMIN_TOKEN")]
    Unauthorized,
    #[error("the header X-CSRF-Token is not that of the session")]
    Forged,
    #[error("{0}")]
    Malformed(String),
    #[error("{0}")]
    NotFound(String),
    #[error("this method is not for this address")]
    MethodNotAllowed,
    #[error("{0}")]
    Refused(String),
    #[error("one of the kind is running; wait for its end")]
    Busy,
    #[error("the database, the queue or Stripe does not answer; try again, and see worker doctor")]
    Unavailable,
}

impl AdminError {
    pub fn not_found(what: impl Into<String>) -> Self {
        Self::NotFound(what.into())
    }

    fn kind(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::Off => (StatusCode::FORBIDDEN, "console_off", "The console is off"),
            Self::WrongHost => (StatusCode::FORBIDDEN, "wrong_host", "Not from here"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "unauthorized", "Not signed in"),
            Self::Forged => (
                StatusCode::FORBIDDEN,
                "csrf_token_invalid",
                "Not from our page",
            ),
            Self::Malformed(_) => (StatusCode::BAD_REQUEST, "malformed_request", "Malformed"),
            Self::NotFound(_) => (StatusCode::NOT_FOUND, "not_found", "Not here"),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "Method not allowed",
            ),
            Self::Refused(_) => (StatusCode::CONFLICT, "refused", "It cannot be"),
            Self::Busy => (StatusCode::CONFLICT, "busy", "Busy"),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "unavailable",
                "Unavailable",
            ),
        }
    }
}

/// What the commands fail with: what is not here, what cannot be, and what does not answer.
impl From<anyhow::Error> for AdminError {
    fn from(error: anyhow::Error) -> Self {
        let is_outage = error.chain().any(|it| {
            it.is::<DbErr>()
                || it.is::<JobError>()
                || matches!(
                    it.downcast_ref::<FulfillError>(),
                    Some(FulfillError::Database(_))
                )
        });
        if is_outage {
            let error: &dyn std::error::Error = error.as_ref();
            tracing::warn!(error, "The console cannot answer");
            return Self::Unavailable;
        }
        match error.downcast::<NotFound>() {
            Ok(NotFound(what)) => Self::NotFound(what),
            Err(error) => Self::Refused(format!("{error:#}")),
        }
    }
}

impl From<DbErr> for AdminError {
    fn from(error: DbErr) -> Self {
        anyhow::Error::from(error).into()
    }
}

impl IntoResponse for AdminError {
    fn into_response(self) -> Response {
        let (status, code, title) = self.kind();
        let problem = Problem {
            kind: "about:blank",
            title,
            status: status.as_u16(),
            detail: self.to_string(),
            code,
        };
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        let json = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, json);
        if status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, bearer);
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}
