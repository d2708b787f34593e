//! What the worker does unasked: overdue holds, owed refunds, reconcile, and erasing what is old.

mod call_refund;
pub(crate) mod reconcile_schedule;
pub(crate) mod refund_payments;
pub(crate) mod retention;
pub(crate) mod sweep_holds;

use std::time::Duration;

use sea_orm::{DbErr, EntityTrait};
use shared::{db::recurring_job, queue::Publisher, retry, service::metrics};
use tokio_util::sync::CancellationToken;

use crate::{
    Context,
    maintenance::{
        reconcile_schedule::keep_reconciling, refund_payments::refund_payments,
        retention::keep_erasing, sweep_holds::sweep_holds,
    },
    notifications::backlog,
    operator::dead_letters,
};

/// Between two rounds. Each is two queries over an index that usually find nothing.
const INTERVAL: Duration = Duration::from_secs(5);
/// For one round; longer than all that is due at once should take.
const LIMIT: Duration = Duration::from_mins(5);

/// Does rounds until `shutdown`, which may come in the middle of one: what is owed is
/// written down, and another worker goes on. Any number of workers may: they share the work.
pub async fn keep_up(context: &Context, publisher: &Publisher, shutdown: &CancellationToken) {
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
        loop {
            let read = tokio::time::timeout(LIMIT, read_gauges(context)).await;
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

/// What only the database knows.
async fn read_gauges(context: &Context) -> Result<(), DbErr> {
    metrics::dead_letters(dead_letters::count_open(&context.db).await?);
    let now = (context.clock)();
    let (number, oldest) = backlog::outbox(&context.db, now).await?;
    metrics::outbox_waiting(number, oldest);
    let (number, oldest) = backlog::deliveries(&context.db, context.mailer.is_some(), now).await?;
    metrics::deliveries_waiting(number, oldest);
    let job = recurring_job::Entity::find_by_id(recurring_job::RECONCILE);
    let job = job.one(&context.db).await?;
    if let Some(at) = job.and_then(|job| job.last_success_at) {
        metrics::reconcile_succeeded(at);
    }
    Ok(())
}

async fn pause() {
    tokio::time::sleep(retry::spread(INTERVAL)).await;
}
