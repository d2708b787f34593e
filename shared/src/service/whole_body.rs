//! The body of a request: in one piece, and in time.
//!
//! It comes in as many pieces as its sender likes, and each keeps the buffer that it was read into. Collected
//! as they come, one byte a piece takes kilobytes of memory a byte.

use std::{error::Error, time::Duration};

use axum::body::{Body, Bytes};
use bytes::BytesMut;
use http_body_util::{BodyExt, LengthLimitError};
use tokio::sync::Semaphore;

use crate::retry;

/// The longest from the head of a request to the end of its body.
const DEADLINE: Duration = Duration::from_secs(10);

/// What each body may take without asking: most are smaller.
const FREE: usize = 16 * 1024;
/// What those that are larger take in all, in steps; more wait, so that thousands of them do not take all memory.
static LARGE: Semaphore = Semaphore::const_new(128 * 1024 * 1024 / FREE);

/// Why there is no body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Longer than the limit of its route.
    #[error("the body is too large")]
    TooLarge,
    /// It did not come to its end.
    #[error("the body did not come in time")]
    TimedOut,
    /// It is not what its head says.
    #[error("the body is broken off or malformed")]
    Malformed,
}

/// All of `body`, whose length the caller has limited.
///
/// # Errors
///
/// [`BodyError`]
pub async fn whole_body(body: Body) -> Result<Bytes, BodyError> {
    tokio::time::timeout(retry::spread_down(DEADLINE), read(body))
        .await
        .unwrap_or(Err(BodyError::TimedOut))
}

async fn read(mut body: Body) -> Result<Bytes, BodyError> {
    let mut whole = BytesMut::new();
    let (mut room, mut steps) = (FREE, Vec::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| refused(&error))?;
        if let Some(piece) = frame.data_ref() {
            whole.extend_from_slice(piece);
        }
        while whole.len() > room {
            steps.extend(LARGE.acquire().await.ok());
            room = room.saturating_add(FREE);
        }
    }
    Ok(whole.freeze())
}

fn refused(error: &axum::Error) -> BodyError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return BodyError::TooLarge;
        }
        cause = error.source();
    }
    BodyError::Malformed
}
