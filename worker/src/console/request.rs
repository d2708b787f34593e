//! What a request brings along, with our own errors in place of axum's.

use axum::{
    Json,
    extract::{FromRequest, FromRequestParts, Path, Query, Request},
    http::request::Parts,
};
use serde::de::DeserializeOwned;
use time::OffsetDateTime;

use crate::{console::problem::AdminError, operator::command_line::ago};

/// A JSON body.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = AdminError;

    async fn from_request(request: Request, state: &S) -> Result<Self, AdminError> {
        let body = Json::from_request(request, state).await;
        body.map(|Json(body)| Self(body))
            .map_err(|rejection| AdminError::Malformed(rejection.body_text()))
    }
}

/// What stands behind the `?`.
pub struct Asked<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AdminError> {
        let query = Query::from_request_parts(parts, state).await;
        query
            .map(|Query(query)| Self(query))
            .map_err(|rejection| AdminError::Malformed(rejection.body_text()))
    }
}

/// What the path names.
pub struct Named<T>(pub T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Named<T> {
    type Rejection = AdminError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, AdminError> {
        let path = Path::from_request_parts(parts, state).await;
        path.map(|Path(name)| Self(name))
            .map_err(|rejection| AdminError::Malformed(rejection.body_text()))
    }
}

/// The end of the command line; who and why are kept, so they have to be said.
pub fn said<'a>(by: &'a str, why: &'a str) -> Result<[&'a str; 4], AdminError> {
    let is_said = |text: &str, most: usize| {
        !text.trim().is_empty() && text.chars().count() <= most && !text.contains('\0')
    };
    if !is_said(by, 200) || !is_said(why, 2000) {
        let problem = "by and why: expected at most 200 and 2000 characters, and not nothing";
        return Err(AdminError::Malformed(problem.to_owned()));
    }
    Ok(["--by", by, "--why", why])
}

/// How far back, such as `72h`.
pub fn since(text: &str) -> Result<OffsetDateTime, AdminError> {
    ago(text).map_err(|problem| AdminError::Malformed(format!("since: {problem}")))
}

/// The options of a command line that were given.
pub fn options<'a>(
    all: impl IntoIterator<Item = (&'a str, Option<&'a str>)>,
) -> impl Iterator<Item = &'a str> {
    all.into_iter()
        .filter_map(|(name, value)| value.map(|value| [name, value]))
        .flatten()
}
