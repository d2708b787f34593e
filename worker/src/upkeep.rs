//! What has to be done without anybody asking: overdue holds, promised refunds, reconcile.

use std::time::Duration;

use shared::{metrics, queue::Publisher, retry};
use tokio_util::sync::CancellationToken;

use crate::{
    Context, dead_letters, keep_reconciling::keep_reconciling, refund_payment::refund_payments,
    sweep_holds::sweep_holds,
};

/// Between two rounds. Each is two queries over an index that usually find nothing.
const INTERVAL: Duration = Duration::from_secs(5);

/// Does rounds until `shutdown`, which may come in the middle of one: what is promised is
/// written down, and another worker goes on. Any number of workers may: they share the work.
pub async fn keep_up(context: &Context, publisher: &Publisher, shutdown: &CancellationToken) {
    let holds = async {
        loop {
            pause().await;
            match sweep_holds(context, publisher).await {
                Ok(0) => {}
                Ok(holds) => tracing::info!(holds, "Looking into overdue holds"),
                Err(error) => tracing::warn!(error = error.chain(), "Cannot sweep holds"),
            }
        }
    };
    let refunds = async {
        loop {
            pause().await;
            match refund_payments(context).await {
                Ok(0) => {}
                Ok(refunds) => tracing::info!(refunds, "Gave payments back"),
                Err(error) => tracing::warn!(error = error.chain(), "Cannot give payments back"),
            }
        }
    };
    let dead_letters = async {
        loop {
            if let Ok(open) = dead_letters::count_open(&context.db).await {
                metrics::dead_letters(open);
            }
            pause().await;
        }
    };
    let reconcile = keep_reconciling(context, publisher);
    // Apart from each other: a slow Stripe must not keep seats from being freed.
    let all = Box::pin(async { tokio::join!(holds, refunds, reconcile, dead_letters) });
    shutdown.run_until_cancelled(all).await;
}

async fn pause() {
    tokio::time::sleep(retry::spread(INTERVAL)).await;
}
