//! What has to be done without anybody asking: overdue holds, promised refunds.

use std::time::Duration;

use shared::{queue::Publisher, retry};
use tokio_util::sync::CancellationToken;

use crate::{Context, refund_payment::refund_payments, sweep_holds::sweep_holds};

/// Between two rounds. Each is two queries over an index that usually find nothing.
const INTERVAL: Duration = Duration::from_secs(5);

/// Does rounds until `shutdown`. Any number of workers may: they share what there is to do.
pub async fn keep_up(context: &Context, publisher: &Publisher, shutdown: &CancellationToken) {
    let pause = || shutdown.run_until_cancelled(tokio::time::sleep(retry::spread(INTERVAL)));
    while pause().await.is_some() {
        round(context, publisher).await;
    }
}

async fn round(context: &Context, publisher: &Publisher) {
    let (holds, refunds) = (
        sweep_holds(context, publisher).await,
        refund_payments(context).await,
    );
    match holds {
        Ok(0) => {}
        Ok(holds) => tracing::info!(holds, "Looking into overdue holds"),
        Err(error) => tracing::warn!(error = error.chain(), "Cannot sweep holds"),
    }
    match refunds {
        Ok(0) => {}
        Ok(refunds) => tracing::info!(refunds, "Gave payments back"),
        Err(error) => tracing::warn!(error = error.chain(), "Cannot give payments back"),
    }
}
