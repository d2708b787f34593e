//! What the worker does unasked: overdue holds, owed refunds, reconcile, and erasing what is old.

mod call_refund;
mod gauges;
pub(crate) mod reconcile_schedule;
pub(crate) mod refund_payments;
pub(crate) mod retention;
pub(crate) mod samples;
pub(crate) mod sweep_holds;

use std::time::Duration;

use shared::{
    queue::{ConsumerSource, Publisher},
    retry,
};
use tokio_util::sync::CancellationToken;

use crate::{
    Context,
    maintenance::{
        gauges::Gauges, reconcile_schedule::keep_reconciling, refund_payments::refund_payments,
        retention::keep_erasing, sweep_holds::sweep_holds,
    },
};

/// Between two rounds. Each is two queries over an index that usually find nothing.
const INTERVAL: Duration = Duration::from_secs(5);
/// For one round; longer than all that is due at once should take.
const LIMIT: Duration = Duration::from_mins(5);

/// Does rounds until `shutdown`, which may come in the middle of one: what is owed is
/// written down, and another worker goes on. Any number of workers may: they share the work.
pub async fn keep_up(
    context: &Context,
    publisher: &Publisher,
    source: &ConsumerSource,
    shutdown: &CancellationToken,
) {
    let holds = async {
        loop {
            pause().await;
            let swept = tokio::time::timeout(LIMIT, sweep_holds(context, publisher)).await;
            match swept.unwrap_or_else(|elapsed| Err(elapsed.into())) {
                Ok(0) => {}
                Ok(holds) => tracing::info!(holds, "Looking into overdue holds"),
                Err(error) => tracing::warn!(error = error.chain(), "Cannot sweep holds"),
            }
        }
    };
    let refunds = async {
        loop {
            pause().await;
            let refunded = tokio::time::timeout(LIMIT, refund_payments(context)).await;
            match refunded.unwrap_or_else(|elapsed| Err(elapsed.into())) {
                Ok(0) => {}
                Ok(refunds) => tracing::info!(refunds, "Gave payments back"),
                Err(error) => tracing::warn!(error = error.chain(), "Cannot give payments back"),
            }
        }
    };
    let gauges = async {
        let mut gauges = Gauges::new(publisher, source);
        loop {
            let read = tokio::time::timeout(LIMIT, gauges.read(context)).await;
            if !matches!(read, Ok(Ok(()))) {
                tracing::debug!("Cannot read the gauges");
            }
            pause().await;
        }
    };
    let reconcile = keep_reconciling(context, publisher);
    let retention = keep_erasing(context);
    // Apart from each other: a slow Stripe must not keep seats from being freed.
    let all = Box::pin(async { tokio::join!(holds, refunds, reconcile, retention, gauges) });
    shutdown.run_until_cancelled(all).await;
}

async fn pause() {
    tokio::time::sleep(retry::spread(INTERVAL)).await;
}
