//! `Idempotency-Key`: the first answer to a key is repeated for later requests.
//!
//! Source: <https://docs.stripe.com/api/idempotent_requests>

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::http::StatusCode;
use serde_json::Value;

use crate::{error::ApiError, form::Form, lock::lock};

/// Answers by key.
#[derive(Default)]
pub struct Keys(Mutex<HashMap<String, Arc<tokio::sync::Mutex<Option<Stored>>>>>);

struct Stored {
    request: Form,
    answer: Result<Value, ApiError>,
}

impl Keys {
    /// Runs `act` unless `key` already has an answer. While the first request runs, others
    /// with its key are refused.
    ///
    /// A client that hangs up does not cancel its request, as at Stripe.
    pub async fn once(
        &self,
        key: Option<&str>,
        request: Form,
        act: impl Future<Output = Result<Value, ApiError>> + Send + 'static,
    ) -> Result<Value, ApiError> {
        let Some(key) = key else {
            return in_any_case(act).await;
        };
        let slot = lock(&self.0).entry(key.to_owned()).or_default().clone();
        in_any_case(Self::once_in(slot, request, act)).await
    }

    async fn once_in(
        slot: Arc<tokio::sync::Mutex<Option<Stored>>>,
        request: Form,
        act: impl Future<Output = Result<Value, ApiError>>,
    ) -> Result<Value, ApiError> {
        let Ok(mut slot) = slot.try_lock() else {
            return Err(ApiError {
                status: StatusCode::CONFLICT,
                kind: "idempotency_error",
                code: Some("idempotency_key_in_use".to_owned()),
                param: None,
                message: "There is currently another in-progress request using this key."
                    .to_owned(),
            });
        };
        if let Some(stored) = slot.as_ref() {
            // The order of the parameters does not matter.
            if stored.request == request {
                return stored.answer.clone();
            }
            return Err(ApiError {
                status: StatusCode::BAD_REQUEST,
                kind: "idempotency_error",
                code: None,
                param: None,
                message: "Keys for idempotent requests can only be used with the same \
                          parameters they were first used with."
                    .to_owned(),
            });
        }
        let answer = act.await;
        // Requests that were never begun (rate limits, validation) are not remembered.
        if answer
            .as_ref()
            .err()
            .is_none_or(|error| error.status.is_server_error())
        {
            *slot = Some(Stored {
                request,
                answer: answer.clone(),
            });
        }
        answer
    }
}

async fn in_any_case(
    act: impl Future<Output = Result<Value, ApiError>> + Send + 'static,
) -> Result<Value, ApiError> {
    let done = tokio::spawn(act).await;
    done.unwrap_or_else(|_| Err(ApiError::fault(StatusCode::INTERNAL_SERVER_ERROR)))
}
