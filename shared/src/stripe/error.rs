//! How a call to Stripe fails, without repeating what was sent.

use stripe::StripeError as ClientError;

use crate::unreadable::Unreadable;

/// A call to Stripe did not lead to an answer we can use.
#[derive(Debug, thiserror::Error)]
pub enum StripeError {
    /// Stripe cannot be reached, answers 5xx, or something between us answers in its place.
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
    /// The key is a restricted one that may not do this.
    #[error("the secret key lacks the permission {}", permission.as_deref().unwrap_or("for this"))]
    Forbidden {
        /// Stripe's name of it, such as `rak_payment_intent_read`, if the answer had it.
        permission: Option<String>,
    },
    /// Stripe answered with an object that lacks what we cannot do without.
    #[error("Stripe's answer cannot be read")]
    MalformedAnswer(#[source] Unreadable),
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
    pub fn is_transient(&self) -> bool {
        // A refused key is an operator's mistake in progress (a rotation, say), not the
        // message's fault.
        !matches!(
            self,
            Self::NotFound | Self::Refused { .. } | Self::MalformedAnswer(_)
        )
    }

    /// Whether every call would fail like this one.
    pub fn is_outage(&self) -> bool {
        matches!(
            self,
            Self::Unavailable(_) | Self::RateLimited | Self::Unauthorized
        )
    }
}

/// The permission that Stripe's message names: `rak_` and what it is for.
fn permission(message: Option<&str>) -> Option<String> {
    let mut words = message?.split(|it: char| !it.is_ascii_alphanumeric() && it != '_');
    let name = words.find(|word| word.starts_with("rak_"))?;
    Some(name.chars().take(80).collect())
}

/// Stripe's own message would repeat what we sent, e-mail included: it is not kept.
impl From<ClientError> for StripeError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Stripe(_, 429) => Self::RateLimited,
            ClientError::Stripe(_, 404) => Self::NotFound,
            ClientError::Stripe(_, 401) => Self::Unauthorized,
            ClientError::Stripe(error, 403) => Self::Forbidden {
                permission: permission(error.message.as_deref()),
            },
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
