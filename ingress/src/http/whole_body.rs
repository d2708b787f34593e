//! The body of a request: in one piece, of a bounded length, and in time.
//!
//! It comes in as many pieces as its sender likes, and each keeps the buffer that it was read into. Collected
//! as they come, one byte a piece takes kilobytes of memory a byte.

use std::{error::Error, time::Duration};

use axum::{
    RequestExt,
    body::{Body, Bytes},
    extract::{FromRequest, Request},
};
use bytes::BytesMut;
use http_body_util::{BodyExt, LengthLimitError};

use crate::http::error::ApiError;

/// From the head of a request to the end of its body.
const DEADLINE: Duration = Duration::from_secs(10);

/// All of it, up to the limit of its route.
pub struct WholeBody(pub Bytes);

impl<S: Send + Sync> FromRequest<S> for WholeBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let read = tokio::time::timeout(DEADLINE, read(request.into_limited_body())).await;
        read.unwrap_or(Err(ApiError::RequestTimedOut)).map(Self)
    }
}

async fn read(mut body: Body) -> Result<Bytes, ApiError> {
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| refused(&error))?;
        if let Some(piece) = frame.data_ref() {
            whole.extend_from_slice(piece);
        }
    }
    Ok(whole.freeze())
}

fn refused(error: &axum::Error) -> ApiError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return ApiError::PayloadTooLarge;
        }
        cause = error.source();
    }
    ApiError::MalformedRequest(None)
}
