//! Errors in Stripe's shape.
//!
//! Source: <https://docs.stripe.com/api/errors>

use std::fmt;

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// An error response.
#[derive(Debug, Clone)]
pub struct ApiError {
    pub status: StatusCode,
    pub kind: &'static str,
    pub code: Option<String>,
    pub param: Option<String>,
    pub message: String,
}

impl ApiError {
    pub fn invalid(param: &str, message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "invalid_request_error",
            code: None,
            param: Some(param.to_owned()),
            message: message.into(),
        }
    }

    /// A refusal for good, with one of Stripe's codes.
    pub fn refused(code: &str, param: &str, message: impl Into<String>) -> Self {
        Self {
            code: Some(code.to_owned()),
            ..Self::invalid(param, message)
        }
    }

    pub fn missing(param: &str) -> Self {
        let message = format!("Missing required param: {param}.");
        Self {
            code: Some("parameter_missing".to_owned()),
            ..Self::invalid(param, message)
        }
    }

    pub fn no_such(what: &str, id: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            code: Some("resource_missing".to_owned()),
            ..Self::invalid("id", format!("No such {what}: '{id}'"))
        }
    }

    /// A parameter that names what there is not.
    pub fn unknown(param: &str, what: &str, id: &str) -> Self {
        Self::refused("resource_missing", param, format!("No such {what}: '{id}'"))
    }

    pub fn unauthorized(message: &str) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            kind: "invalid_request_error",
            code: None,
            param: None,
            message: message.to_owned(),
        }
    }

    /// The answer to a restricted key that lacks `permission`.
    ///
    /// Source: <https://docs.stripe.com/keys#limit-access>
    pub fn forbidden(permission: &str) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            kind: "invalid_request_error",
            code: Some("more_permissions_required_for_application".to_owned()),
            param: None,
            message: format!(
                "The provided key 'rk_test_*' does not have the required permissions for this \
                 endpoint. Having the '{permission}' permission would allow this request to \
                 continue."
            ),
        }
    }

    pub fn fault(status: StatusCode) -> Self {
        let rate_limited = status == StatusCode::TOO_MANY_REQUESTS;
        Self {
            status,
            kind: if rate_limited {
                "invalid_request_error"
            } else {
                "api_error"
            },
            code: rate_limited.then(|| "rate_limit".to_owned()),
            param: None,
            message: "The stand-in was told to fail.".to_owned(),
        }
    }

    pub fn body(&self) -> Value {
        json!({ "error": {
            "type": self.kind,
            "code": self.code,
            "param": self.param,
            "message": self.message,
        } })
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for ApiError {}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        (self.status, Json(self.body())).into_response()
    }
}
