//! A failed request is answered here, once: as `application/problem+json` (RFC 9457).

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::error::{ApiError, FieldError, ProblemKind};

/// An error answer (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub struct Problem {
    /// Where the error is explained.
    #[serde(rename = "type")]
    #[schema(example = "/docs#slot_full")]
    kind: String,
    /// The error in few words.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// The error in a sentence.
    detail: &'static str,
    /// For programs; never changes.
    code: &'static str,
    /// With `validation_failed` every field that is wrong; with `malformed_request` the first one,
    /// if the body is JSON.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let ProblemKind {
            status,
            code,
            title,
            detail,
        } = self.kind();
        self.log(status);
        let retry_after = self.retry_after(status);
        let errors = match self {
            Self::Validation(errors) => errors,
            Self::MalformedRequest(error) => error.into_iter().collect(),
            _ => Vec::new(),
        };
        let kind = format!("/docs#{code}");
        let problem = Problem {
            kind,
            title,
            status: status.as_u16(),
            detail,
            code,
            errors,
        };
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            headers.insert(header::WWW_AUTHENTICATE, bearer);
        }
        if let Some(seconds) = retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}
