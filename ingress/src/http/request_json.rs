//! JSON bodies, with our own errors in place of axum's.

use std::error::Error;

use axum::{
    Json,
    body::Body,
    extract::{FromRequest, Request, rejection::JsonRejection},
};
use serde::de::DeserializeOwned;

use crate::http::{
    error::{ApiError, FieldError},
    whole_body::WholeBody,
};

/// A JSON body.
pub struct RequestJson<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for RequestJson<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let headers = request.headers().clone();
        let WholeBody(body) = WholeBody::from_request(request, state).await?;
        let mut request = Request::new(Body::from(body));
        *request.headers_mut() = headers;
        match Json::from_request(request, state).await {
            Ok(Json(body)) => Ok(Self(body)),
            Err(JsonRejection::MissingJsonContentType(_)) => Err(ApiError::UnsupportedMediaType),
            Err(rejection) => Err(ApiError::MalformedRequest(wrong_field(&rejection))),
        }
    }
}

/// Where a body that is JSON is not the JSON that was expected. What stands there is not repeated.
fn wrong_field(rejection: &JsonRejection) -> Option<FieldError> {
    const LONGEST: usize = 200;
    let mut cause = rejection.source();
    let error = loop {
        let error = cause?;
        match error.downcast_ref::<serde_path_to_error::Error<serde_json::Error>>() {
            Some(error) => break error,
            None => cause = error.source(),
        }
    };
    let path = error.path().to_string();
    // The whole body, which has no name.
    if !error.inner().is_data() || path == "." {
        return None;
    }
    let said = error.inner().to_string();
    let message = match said.split_once("expected ") {
        _ if said.starts_with("unknown field") => "There is no such field.".to_owned(),
        _ if said.starts_with("missing field") => "Something in it is missing.".to_owned(),
        // Behind it stands the place in the body, before it what was there.
        Some((_, expected)) => format!("Expected {}.", before_the_place(expected)),
        None => "It is not what is expected here.".to_owned(),
    };
    let path: String = path.chars().take(LONGEST).collect();
    Some(FieldError::new(path, message))
}

fn before_the_place(said: &str) -> &str {
    said.split_once(" at line ").map_or(said, |(said, _)| said)
}
