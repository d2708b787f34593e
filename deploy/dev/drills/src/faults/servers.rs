//! Servers that are killed, frozen, blocked or away for long.

use std::time::Duration;

use crate::{drill::Scale, world::World};

/// Kills the broker, and starts it again after a moment.
pub async fn kill_broker(world: &World, scale: Scale) -> anyhow::Result<usize> {
    let kills = scale.of(1, 20);
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_secs(3)).await;
        world.servers.kill_rabbitmq()?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.servers.revive_rabbitmq().await?;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    Ok(kills)
}

/// Kills the database, and leaves it away for long once.
pub async fn kill_database(world: &World, scale: Scale) -> anyhow::Result<usize> {
    let kills: usize = scale.of(2, 20);
    for _ in 0..kills {
        tokio::time::sleep(Duration::from_secs(2)).await;
        world.servers.kill_postgres()?;
        world.servers.revive_postgres().await?;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    world.servers.kill_postgres()?;
    tokio::time::sleep(Duration::from_secs(scale.of(12, 300))).await;
    world.servers.revive_postgres().await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    Ok(kills.saturating_add(1))
}

/// Stops the broker in its tracks, and lets it believe that it has no memory.
pub async fn freeze_broker(world: &World, scale: Scale) -> anyhow::Result<usize> {
    let rounds: usize = scale.of(1, 5);
    for _ in 0..rounds {
        tokio::time::sleep(Duration::from_secs(2)).await;
        world.servers.signal_rabbitmq("STOP")?;
        tokio::time::sleep(Duration::from_secs(scale.of(8, 30))).await;
        world.servers.signal_rabbitmq("CONT")?;
        tokio::time::sleep(Duration::from_secs(3)).await;
        world.servers.set_memory_alarm(true)?;
        tokio::time::sleep(Duration::from_secs(scale.of(5, 20))).await;
        world.servers.set_memory_alarm(false)?;
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    Ok(rounds.saturating_mul(2))
}
