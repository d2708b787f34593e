//! Telling others what happened: what transactions wrote into `outbox` is handed on to the broker's
//! exchange and to every destination, and delivered there. At least once, each with one id, and those
//! of a checkout in their order.

mod address_guard;
pub(crate) mod backlog;
mod delivery;
mod destination;
pub(crate) mod failure;
pub(crate) mod fresh;
pub(crate) mod handover;
mod heads;
mod lanes;
mod publish;
mod relay;
pub(crate) mod wakes;
pub(crate) mod webhook;

use shared::queue::Publisher;
use tokio_util::sync::CancellationToken;

use crate::Context;

pub use self::address_guard::AddressGuard;

/// Tells others until `shutdown`, then ends what is on its way.
///
/// - `written`: when this process has done the last of its jobs.
pub async fn keep_notifying(
    context: &Context,
    publisher: &Publisher,
    shutdown: &CancellationToken,
    written: &CancellationToken,
) {
    tokio::join!(
        publish::keep_publishing(context, publisher, written),
        relay::keep_relaying(context, publisher, shutdown),
        lanes::keep_delivering(context, shutdown),
    );
}
