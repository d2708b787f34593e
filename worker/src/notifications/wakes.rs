//! Waking those who hand on and deliver, so that they need not look often.

use std::{sync::Arc, time::Duration};

use shared::retry;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::notifications::fresh::Fresh;

/// Between two looks for what other workers wrote, or what has to be tried again.
const LOOK: Duration = Duration::from_millis(400);

/// Says that there is something to do. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Wakes {
    /// Something was written into the outbox, and this process publishes it.
    pub fresh: Fresh,
    /// Something was written into the outbox for the relay to find.
    pub outbox: Arc<Notify>,
    /// Something was handed on.
    pub deliveries: Arc<Notify>,
}

/// Returns when `wake` says that there is something to do, or it is time to look; `false` at the end.
pub async fn next_look(wake: &Notify, shutdown: &CancellationToken) -> bool {
    let look = async {
        tokio::select! {
            () = wake.notified() => {}
            () = tokio::time::sleep(retry::spread(LOOK)) => {}
        }
    };
    shutdown.run_until_cancelled(look).await.is_some()
}
