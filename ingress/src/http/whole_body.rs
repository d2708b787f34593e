//! The body of a request, up to the limit of its route.

use axum::{
    RequestExt,
    body::Bytes,
    extract::{FromRequest, Request},
};
use shared::service::whole_body::{BodyError, whole_body};

use crate::http::error::ApiError;

/// All of it, in one piece.
pub struct WholeBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for WholeBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let body = whole_body(request.into_limited_body()).await;
        body.map(Self).map_err(|error| match error {
            BodyError::TooLarge => ApiError::PayloadTooLarge,
            BodyError::TimedOut => ApiError::RequestTimedOut,
            BodyError::Malformed => ApiError::MalformedRequest(None),
        })
    }
}
