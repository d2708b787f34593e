//! Processes that are killed, and processes that are stopped in good order.

use std::{ops::Range, sync::Arc, time::Duration};

use anyhow::ensure;
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use testkit::Supervised;

use crate::{
    buyer::Plan,
    environment::Environment,
    load::{Load, crashing_beside, crashing_under_load, under_load},
    report::Row,
    scale::Scale,
};

/// Kills a worker at random moments; it is started again at once.
pub async fn kill_workers(environment: &Environment, scale: Scale) -> anyhow::Result<Row> {
    let faults = kill(&environment.workers, scale.of(15, 200), 100..900, scale);
    crashing_under_load(environment, scale.of(300, 20_000), scale, faults).await
}

/// The same while every buyer has two tabs open.
pub async fn kill_workers_of_tabs(environment: &Environment, scale: Scale) -> anyhow::Result<Row> {
    let faults = kill(&environment.workers, scale.of(15, 200), 100..900, scale);
    let load = Load::new(scale.seed, scale.of(100, 1_000)).only(&[Plan::TwoTabs]);
    crashing_beside(environment, load, scale, faults).await
}

/// Kills ingress at random moments.
pub async fn kill_ingress(environment: &Environment, scale: Scale) -> anyhow::Result<Row> {
    let faults = kill_front(environment, scale.of(8, 100), scale);
    under_load(environment, scale.of(200, 3_000), scale, faults).await
}

/// Kills ingresses and workers at random moments.
pub async fn kill_all(environment: &Environment, scale: Scale) -> anyhow::Result<Row> {
    let victims = [&environment.ingresses[..], &environment.workers[..]].concat();
    let faults = async {
        let killed = kill(&victims, scale.of(20, 300), 100..900, scale).await?;
        environment.wait_until_it_serves().await?;
        Ok(killed)
    };
    crashing_under_load(environment, scale.of(300, 20_000), scale, faults).await
}

/// Kills the shop that is one process at random moments.
pub async fn kill_shop(environment: &Environment, scale: Scale) -> anyhow::Result<Row> {
    let faults = kill_front(environment, scale.of(10, 200), scale);
    crashing_under_load(environment, scale.of(200, 3_000), scale, faults).await
}

async fn kill_front(
    environment: &Environment,
    kills: usize,
    scale: Scale,
) -> anyhow::Result<usize> {
    let killed = kill(&environment.ingresses, kills, 300..1200, scale).await?;
    environment.wait_until_it_serves().await?;
    Ok(killed)
}

/// - `every`: milliseconds between two.
async fn kill(
    victims: &[Arc<Supervised>],
    kills: usize,
    every: Range<u64>,
    scale: Scale,
) -> anyhow::Result<usize> {
    let mut random = StdRng::seed_from_u64(scale.seed);
    let mut killed: usize = 0;
    while killed < kills {
        tokio::time::sleep(Duration::from_millis(random.random_range(every.clone()))).await;
        let victim = victims.choose(&mut random);
        if victim.is_some_and(|victim| victim.kill()) {
            killed = killed.saturating_add(1);
        }
    }
    Ok(killed)
}

/// Asks each worker to stop, one after the other, and starts it again.
pub async fn restart_workers(environment: &Environment, scale: Scale) -> anyhow::Result<Row> {
    under_load(
        environment,
        scale.of(200, 3_000),
        scale,
        restart(environment, scale),
    )
    .await
}

async fn restart(environment: &Environment, scale: Scale) -> anyhow::Result<usize> {
    let rounds = scale.of(2, 50);
    let mut restarts: usize = 0;
    for _ in 0..rounds {
        for worker in &environment.workers {
            tokio::time::sleep(Duration::from_millis(700)).await;
            let status = worker.terminate(false).await?;
            ensure!(
                status.is_some_and(|status| status.success()),
                "a worker that was asked to stop ended with {status:?}"
            );
            restarts = restarts.saturating_add(1);
        }
    }
    Ok(restarts)
}
