//! Telling others what happened: what transactions wrote into `outbox` is handed on to the broker's
//! exchange and to every destination, and delivered there. At least once, each with one id, and those
//! of a checkout in their order.

mod address_guard;
pub(crate) mod backlog;
pub(crate) mod delivery;
pub(crate) mod destination;
mod lanes;
mod relay;
pub(crate) mod webhook;

use std::{sync::Arc, time::Duration};

use shared::{queue::Publisher, retry};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::Context;

pub use self::address_guard::AddressGuard;

/// Between two looks for what other workers wrote, or what has to be tried again.
const LOOK: Duration = Duration::from_millis(400);

/// Wakes whoever hands on and delivers, so that they need not look often.
#[derive(Clone, Default)]
pub struct Wakes {
    /// Something was written into the outbox.
    pub outbox: Arc<Notify>,
    /// Something was handed on.
    pub deliveries: Arc<Notify>,
}

/// Tells others until `shutdown`, then ends what is on its way.
pub async fn keep_notifying(
    context: &Context,
    publisher: &Publisher,
    shutdown: &CancellationToken,
) {
    tokio::join!(
        relay::keep_relaying(context, publisher, shutdown),
        lanes::keep_delivering(context, shutdown),
    );
}

/// Returns when `wake` says that there is something to do, or it is time to look; `false` at the end.
async fn next_look(wake: &Notify, shutdown: &CancellationToken) -> bool {
    let look = async {
        tokio::select! {
            () = wake.notified() => {}
            () = tokio::time::sleep(retry::spread(LOOK)) => {}
        }
    };
    shutdown.run_until_cancelled(look).await.is_some()
}
