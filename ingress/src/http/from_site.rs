//! Requests that only the site may make.

use axum::{
    extract::FromRequestParts,
    http::{header, request::Parts},
};

use crate::{Ingress, http::error::ApiError};

/// The request comes from the site: it has `Authorization: Bearer` and one of the keys.
pub struct FromSite;

impl FromRequestParts<Ingress> for FromSite {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Ingress) -> Result<Self, ApiError> {
        let keys = &app.config.site_keys;
        if keys.is_empty() {
            return Err(ApiError::SiteApiOff);
        }
        let header = parts.headers.get(header::AUTHORIZATION);
        let given = header
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, key)| key.trim());
        match given {
            Some(key) if keys.has(key) => Ok(Self),
            _ => Err(ApiError::Unauthorized),
        }
    }
}
