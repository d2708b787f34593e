//! Losses: events that Stripe never posts, and messages that are deleted from the queue.
//! One reconcile has to find them all.

use std::time::Duration;

use anyhow::{Context, ensure};
use shared::{
    clock,
    db::recurring_job,
    queue::{ConsumerSource, Lane},
};
use stripe_sim::Faults;
use tokio_util::sync::CancellationToken;

use crate::{
    buyer::Plan,
    check,
    environment::{Environment, everyday_faults},
    finish::finish,
    load::Load,
    report::Row,
    scale::Scale,
};

pub async fn lose_events(environment: &Environment, scale: Scale) -> anyhow::Result<Row> {
    let (buyers, deleted) = scale.of((150, 20_usize), (3_000, 100));
    environment.stripe.set_faults(Faults {
        drop_percent: 5,
        ..everyday_faults()
    });
    // Not by themselves: what one reconcile finds shall be counted.
    let (now, later) = (
        clock::system(),
        clock::system().saturating_add(time::Duration::WEEK),
    );
    recurring_job::take(&environment.db, recurring_job::RECONCILE, now, now).await?;
    recurring_job::finish(&environment.db, recurring_job::RECONCILE, later, later).await?;
    let enough = CancellationToken::new();
    enough.cancel();
    Load::new(scale.seed, buyers)
        .run(environment, &enough)
        .await?;

    // More of them while no worker runs, so that there is something to delete.
    for worker in &environment.workers {
        worker.terminate(true).await?;
    }
    // Of their events, some are never posted. Payments, refunds and disputes, whose events are
    // deleted at random.
    let more = Load::new(scale.seed.wrapping_add(1), deleted);
    let more = more.only(&[
        Plan::Pay,
        Plan::RefundPart,
        Plan::RefundThatFails,
        Plan::Dispute,
    ]);
    more.run(environment, &enough).await?;
    delete(environment, deleted).await?;
    for worker in &environment.workers {
        worker.want_again();
    }
    let (missing, _) =
        check::wait_until_consistent(environment, Duration::from_secs(15), 0).await?;
    ensure!(
        !missing.is_clean(),
        "nothing was lost, so nothing can be found"
    );

    let (_, report) = environment
        .operator(&["reconcile", "--since", "24h", "--json"])
        .await?;
    let dropped = environment
        .stripe
        .events()
        .iter()
        .filter(|it| it["pending_webhooks"] != 0)
        .count();
    let row = finish(environment, scale, deleted.saturating_add(dropped), 0).await?;
    let found = |what: &str| report[what].as_u64().unwrap_or_default();
    Ok(row.noting(format!(
        "one reconcile found {} sessions, {} refunds, {} disputes and {} more by their events",
        found("missing_sessions"),
        found("missing_refunds"),
        found("missing_disputes"),
        found("missing_events")
    )))
}

/// Takes messages off the queue and does nothing with them.
async fn delete(environment: &Environment, count: usize) -> anyhow::Result<()> {
    let publisher = environment.publisher().await?;
    let source = ConsumerSource::new(&environment.queue()?, &publisher, "thief");
    let stop = CancellationToken::new();
    let mut consumer = source.consume(Lane::Events, 1, stop).await?;
    for _ in 0..count {
        let next = tokio::time::timeout(Duration::from_secs(10), consumer.next());
        let delivery = next.await?.context("the queue ended")?;
        delivery.ack().await?;
    }
    consumer.close().await;
    Ok(())
}
