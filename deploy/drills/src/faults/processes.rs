//! Processes that are killed, and processes that are stopped in good order.

use std::time::Duration;

use anyhow::ensure;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::{drill::Scale, world::World};

/// Kills a worker at random moments; it is started again at once.
pub async fn kill_workers(world: &World, scale: Scale) -> anyhow::Result<usize> {
    let kills = scale.of(15, 200);
    let mut random = StdRng::seed_from_u64(scale.seed);
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_millis(random.random_range(100..900))).await;
        let victim = random.random_range(0..world.workers.len());
        if let Some(worker) = world.workers.get(victim) {
            worker.kill();
        }
    }
    Ok(kills)
}

/// Kills ingress, or the shop that is one process, at random moments.
pub async fn kill_ingress(world: &World, kills: usize) -> anyhow::Result<usize> {
    for _ in 0..kills {
        let moment = rand::rng().random_range(300..1200);
        tokio::time::sleep(Duration::from_millis(moment)).await;
        world.ingress.kill();
    }
    world.wait_until_it_serves().await?;
    Ok(kills)
}

/// Asks each worker to stop, one after the other, and starts it again.
pub async fn restart_workers(world: &World, scale: Scale) -> anyhow::Result<usize> {
    let rounds = scale.of(2, 50);
    let mut restarts: usize = 0;
    for _ in 0..rounds {
        for worker in &world.workers {
            tokio::time::sleep(Duration::from_millis(700)).await;
            let status = worker.terminate(false).await?;
            ensure!(
                status.success(),
                "a worker that was asked to stop ended with {status}"
            );
            restarts = restarts.saturating_add(1);
        }
    }
    Ok(restarts)
}
