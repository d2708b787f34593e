//! How a call to Stripe fails, without repeating what was sent.

use stripe::StripeError as ClientError;

/// A call to Stripe did not lead to an answer we can use.
#[derive(Debug, thiserror::Error)]
pub enum StripeError {
    /// Stripe cannot be reached, answers 5xx, or answers what cannot be read.
    #[error("Stripe is unavailable")]
    Unavailable(#[source] ClientError),
    /// Stripe asks us to slow down.
    #[error("Stripe limits our rate of requests")]
    RateLimited,
    /// There is no such object in this account and mode.
    #[error("Stripe knows no such object")]
    NotFound,
    /// Stripe does not accept the key.
    #[error("Stripe refuses the secret key")]
    Unauthorized,
    /// The first call with the same idempotency key is still running.
    #[error("Stripe is still at the first call with this idempotency key")]
    InProgress,
    /// Stripe refuses the request for good.
    #[error("Stripe refused the request with status {status}, code {code:?}, param {param:?}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Stripe's code.
        code: Option<String>,
        /// The parameter it is about.
        param: Option<String>,
    },
}

impl StripeError {
    /// Whether the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        // A refused key is an operator's mistake in progress (a rotation, say), not the
        // message's fault.
        !matches!(self, Self::NotFound | Self::Refused { .. })
    }

    /// A stable code for headers and logs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unavailable(_) => "stripe_unavailable",
            Self::RateLimited => "stripe_rate_limited",
            Self::NotFound => "stripe_not_found",
            Self::Unauthorized => "stripe_unauthorized",
            Self::InProgress => "stripe_in_progress",
            Self::Refused { .. } => "stripe_refused",
        }
    }
}

/// Stripe's own message would repeat what we sent, e-mail included: it is not kept.
impl From<ClientError> for StripeError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Stripe(_, 429) => Self::RateLimited,
            ClientError::Stripe(_, 404) => Self::NotFound,
            ClientError::Stripe(_, 401 | 403) => Self::Unauthorized,
            ClientError::Stripe(_, 409) => Self::InProgress,
            ClientError::Stripe(error, status) if status < 500 => Self::Refused {
                status,
                code: error.code.map(|code| code.to_string()),
                param: error.param,
            },
            ClientError::Stripe(_, status) => {
                Self::Unavailable(ClientError::ClientError(format!("status {status}")))
            }
            other => Self::Unavailable(other),
        }
    }
}
