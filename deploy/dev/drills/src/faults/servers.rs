//! Servers that are killed, frozen, blocked or away for long.

use std::time::Duration;

use crate::{environment::Environment, load::under_load, report::Row, scale::Scale};

/// Kills the broker, and starts it again after a moment.
pub async fn kill_broker(environment: &Environment, scale: Scale) -> anyhow::Result<Row> {
    under_load(
        environment,
        scale.of(200, 2_000),
        scale,
        kill_and_start_broker(environment, scale),
    )
    .await
}

async fn kill_and_start_broker(environment: &Environment, scale: Scale) -> anyhow::Result<usize> {
    let kills = scale.of(1, 20);
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_secs(3)).await;
        environment.servers.broker.kill()?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        environment.servers.broker.start_again().await?;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    Ok(kills)
}

/// Kills the database, and leaves it away for long once.
pub async fn kill_database(environment: &Environment, scale: Scale) -> anyhow::Result<Row> {
    under_load(
        environment,
        scale.of(200, 2_000),
        scale,
        kill_and_start_database(environment, scale),
    )
    .await
}

async fn kill_and_start_database(environment: &Environment, scale: Scale) -> anyhow::Result<usize> {
    let kills: usize = scale.of(2, 20);
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_secs(2)).await;
        environment.servers.postgres.kill()?;
        environment.servers.postgres.start_again().await?;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    environment.servers.postgres.kill()?;
    tokio::time::sleep(Duration::from_secs(scale.of(12, 300))).await;
    environment.servers.postgres.start_again().await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    Ok(kills.saturating_add(1))
}

/// Stops the broker in its tracks, and lets it believe that it has no memory.
pub async fn freeze_broker(environment: &Environment, scale: Scale) -> anyhow::Result<Row> {
    under_load(
        environment,
        scale.of(200, 2_000),
        scale,
        freeze_and_fill_broker(environment, scale),
    )
    .await
}

async fn freeze_and_fill_broker(environment: &Environment, scale: Scale) -> anyhow::Result<usize> {
    let rounds: usize = scale.of(1, 5);
    for _ in 0..rounds {
        tokio::time::sleep(Duration::from_secs(2)).await;
        environment.servers.broker.signal("STOP")?;
        tokio::time::sleep(Duration::from_secs(scale.of(8, 30))).await;
        environment.servers.broker.signal("CONT")?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        environment.servers.broker.set_memory_alarm(true)?;
        tokio::time::sleep(Duration::from_secs(scale.of(5, 20))).await;
        environment.servers.broker.set_memory_alarm(false)?;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    Ok(rounds.saturating_mul(2))
}
